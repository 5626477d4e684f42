"""No constant of the simulator and no threshold of pairing or of the report moves unnoticed.

Sources stand beside the definitions. Whoever means to move a number changes
``tests/golden/constants.json`` with it and says in CHANGELOG.md what that does to results;
``python tests/house/test_pinned_constants.py`` writes the file anew.
"""

import ast
import dataclasses
import importlib
import json
import math
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "constants.json"
ROOMS = (
    "qsr_jax.acquisition",
    "qsr_jax.physics",
    "qsr_jax.phantom",
    "qsr_jax.simulate",
    "qsr_jax.anatomy",
    "qsr_jax.data.studies",
    "qsr_jax.ops",
    "qsr_jax.metrics",
    "qsr_jax.statistics",
    "qsr_jax.evaluation.measure",
    "qsr_jax.evaluation.sections",
)
ELSEWHERE = {"METRICS", "CONVENTIONS", "VERSION", "DELI_CS"}
"""Tables that a newcomer's line makes longer, versions of formats, and a train of 500 angles: other
tests hold them."""
TRANSCRIBED = "qsr_jax.evaluation.sections.published"
"""The paper's tables, held by tests/evaluation/test_published.py."""
LONGEST = 10
"""Numbers of an array that is a constant; longer ones are computed."""
NAME = re.compile(r"_?[A-Z][A-Z0-9_]*")


def plain(value):
    """The value as JSON holds it: numbers, texts, lists and tables of them."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist() if value.size <= LONGEST else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) else None


def holds_a_number(value):
    if isinstance(value, dict):
        return any(map(holds_a_number, value.values()))
    if isinstance(value, list):
        return any(map(holds_a_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def modules():
    for room in ROOMS:
        package = importlib.import_module(room)
        if not hasattr(package, "__path__"):
            yield package
            continue
        for module in pkgutil.iter_modules(package.__path__, f"{room}."):
            if module.name != TRANSCRIBED:
                yield importlib.import_module(module.name)


def defined_here(module):
    """Names that a module assigns itself, and not those it imports."""
    for node in ast.parse(Path(module.__file__).read_text()).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for part in (name for target in targets for name in ast.walk(target)):
                if (
                    isinstance(part, ast.Name)
                    and NAME.fullmatch(part.id)
                    and part.id not in ELSEWHERE
                ):
                    yield part.id


def found():
    constants = {}
    for module in modules():
        for name in defined_here(module):
            value = plain(getattr(module, name))
            if holds_a_number(value):
                constants[f"{module.__name__}.{name}"] = value
    return constants


def same(a, b):
    """Equal, computed numbers to their last digits."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-12)
    return a == b


FOUND = found()
PINNED = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}


def test_every_constant_is_pinned():
    assert len(FOUND) > 120
    assert FOUND.keys() == PINNED.keys(), (
        f"new: {sorted(FOUND.keys() - PINNED.keys())}; gone: {sorted(PINNED.keys() - FOUND.keys())}"
    )


@pytest.mark.parametrize("name", sorted(PINNED))
def test_a_constant_stands_where_it_was(name):
    assert same(FOUND.get(name), PINNED[name]), (
        f"{name} moved; results move with it. If that is meant, "
        f"change {GOLDEN.name} and tell what it does in CHANGELOG.md"
    )


if __name__ == "__main__":
    rows = [f"{json.dumps(name)}: {json.dumps(FOUND[name])}" for name in sorted(FOUND)]
    GOLDEN.write_text("{\n" + ",\n".join(rows) + "\n}\n")
