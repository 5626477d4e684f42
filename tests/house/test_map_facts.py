"""What is true of one kind of map is said in qsr_jax/maps.py and nowhere else."""

import ast
from pathlib import Path

import pytest

from qsr_jax.maps import MAPS

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for folder in ("qsr_jax", "configs", "launch", "data_tools")
    for path in (ROOT / folder).rglob("*.py")
)

ALLOWED = {
    "qsr_jax/maps.py": "their home",
    "qsr_jax/evaluation/sections/published.py": "tables of one paper, which has these three maps",
    "qsr_jax/physics/mdme_fit.py": "arrays that a fit returns, no facts of a map",
    "launch/study/criterion.py": "limits that the study declared before its runs",
    "launch/gpu_day/parity.py": "how far one comparison may lie apart, no facts of a map",
    "qsr_jax/reconstruct/errors.py": "parenchyma as the tables have it that it is compared with",
    "data_tools/convert_qmaps.py": "keys of a published file, and the units that file has",
}


def tables_of(source):
    """(line, keys) of every dict that names two maps or more, as a literal or as dict(t1=...)."""
    for node in ast.walk(ast.parse(source)):
        keys = []
        if isinstance(node, ast.Dict):
            keys = [k.value for k in node.keys if isinstance(k, ast.Constant)]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dict":
            keys = [k.arg for k in node.keywords]
        named = sorted({*keys} & {*MAPS})
        if len(named) > 1:
            yield node.lineno, named


def test_a_table_of_maps_is_found():
    assert list(tables_of('x = 1\nWINDOWS = {"t1": 1, "pd": 2}')) == [(2, ["pd", "t1"])]
    assert list(tables_of("dict(t2=1, pd=2)")) == [(1, ["pd", "t2"])]
    assert not list(tables_of('{"t1": 1, "other": 2}'))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_table_of_maps_stands_elsewhere(path):
    name = path.relative_to(ROOT).as_posix()
    found = list(tables_of(path.read_text(encoding="utf-8")))
    if name in ALLOWED:
        assert found, f"{name} holds no table of maps any more: strike it from ALLOWED"
        return
    assert not found, f"{name}: {found}; make it a field of qsr_jax.maps.MapSpec"


@pytest.mark.parametrize("spec", MAPS.values(), ids=MAPS)
def test_facts_of_a_map_fit_each_other(spec):
    """Windows and limits lie inside what a scanner writes and a file may hold."""
    assert 0.0 < spec.scanner_max < spec.network_max <= spec.readable_max
    assert spec.median_possible[0] < spec.median_usual[0] < spec.median_usual[1]
    assert spec.median_usual[1] < spec.median_possible[1] <= spec.readable_max
    assert all(
        low < level < high
        for low, high in (spec.display_window, spec.median_usual)
        for level in spec.tissue_levels
    )
    assert spec.value_bins[-1] == spec.scanner_max
    assert list(spec.value_bins) == sorted(set(spec.value_bins))
    assert spec.measured_min < spec.value_bins[0]
    assert spec.solid_max is None or spec.tissue_levels[1] < spec.solid_max < spec.scanner_max
    assert spec.niqe_grey_max >= spec.display_window[1]
    assert 0.0 < spec.error_window < spec.display_window[1]
    assert spec.bids_units[0][0] in ("s", "%")  # what BIDS 1.10 wants of T1map, T2map and PDmap
    assert spec.file_stem.startswith(spec.name)


def test_facts_of_the_maps_are_pinned():
    """Moved by hand these change every report; who moves one says so here."""
    assert {s.name: s.display_window for s in MAPS.values()} == {
        "t1": (0, 2500), "t2": (0, 250), "pd": (40, 120)
    }  # fmt: skip
    assert [s.error_window for s in MAPS.values()] == [300, 40, 10]
    assert [s.digits for s in MAPS.values()] == [1, 2, 2]
    assert [s.niqe_grey_max for s in MAPS.values()] == [2500, 250, 160]
    assert [s.solid_max for s in MAPS.values()] == [1900, 180, None]
    assert [s.measured_min for s in MAPS.values()] == [50, 5, 1]
    assert [s.median_usual for s in MAPS.values()] == [(500, 2000), (40, 250), (40, 120)]
    assert [s.median_possible for s in MAPS.values()] == [(200, 4300), (15, 1000), (15, 200)]
    assert [len(s.value_bins) for s in MAPS.values()] == [14, 14, 14]
    assert [s.file_stem for s in MAPS.values()] == ["t1_ms", "t2_ms", "pd_percent"]
