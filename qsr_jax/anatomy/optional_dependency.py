"""The optional packages of the extra ``atlas``, imported when they are needed."""

import importlib
from types import ModuleType


class MissingExtraError(ValueError):
    """An optional package is not installed."""


def needs_atlas_extra(module: str) -> ModuleType:
    """Imports a module of the extra, or says how to install it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module} is not installed; tissues and regions of scanned subjects need it: "
            'pip install "qsr_jax[atlas]"'
        ) from error
