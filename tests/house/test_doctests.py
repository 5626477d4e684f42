"""Public functions of the rooms that others build on carry an example, and the examples hold."""

import ast
import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("ops", "physics", "metrics", "statistics", "losses")
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for room in ROOMS
    for path in sorted((ROOT / "qsr_jax" / room).rglob("*.py"))
]


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_a_module_hold(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.failed == 0, f"python -m doctest says which: {module}"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_has_an_example(module):
    path = ROOT / (module.replace(".", "/") + ".py")
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    body = ast.parse(path.read_text("utf-8")).body
    public = [f for f in body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")]
    without = [f.name for f in public if ">>> " not in (ast.get_docstring(f) or "")]
    assert not without, f"{path}: no example in {', '.join(without)}"
