"""How the site is built: ``bash launch/docs.sh``, or ``sphinx-build -W docs docs/_build``.

The pages of the reference, the commands and the examples are written anew by every build
(:mod:`generated_pages`), so that they say what the code says.
"""

import gc
import re
import sys
from pathlib import Path
from typing import cast

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import generated_pages  # noqa: E402 (found by the path above)

import qsr_jax  # noqa: E402

gc.set_threshold(100_000, 50, 100)  # looking for garbage took a fifth of the time

project = "qsr_jax"
author = "the qsr_jax authors"
copyright = "Apache-2.0"  # noqa: A001 (Sphinx's name)
version = release = qsr_jax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {
    "members": True,
    "member-order": "bysource",
    "show-inheritance": True,
    "ignore-module-all": True,  # a thing is described where it is defined
}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes are said in the class' docstring, once

html_theme = "furo"
html_title = f"qsr_jax {version}"
html_theme_options = {"navigation_with_keys": True}
html_show_copyright = False


def setup(app: Sphinx) -> None:
    """Writes the generated pages before Sphinx looks for pages."""
    app.connect("builder-inited", lambda _: generated_pages.write(HERE))
    app.connect("autodoc-process-docstring", _shapes_are_no_markup)


def _shapes_are_no_markup(*arguments: object) -> None:
    """The star of a shape such as ``(..., *shape)`` begins no emphasis."""
    lines = cast("list[str]", arguments[-1])
    lines[:] = [re.sub(r"(?<!\\)\*(?=\w+[),])", r"\\*", line) for line in lines]
