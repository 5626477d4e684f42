"""The criterion of the study by table, and its page from results made up for it."""

import json
import shutil
from pathlib import Path

import pytest

from launch.study.cells import Cell, ConfigError, Study, load_study
from launch.study.criterion import MAPS, choose, judge, score_of
from launch.study.page import MARKER, NOT_YET, write_page
from launch.study.results import FORMAT, KEYS, read_result, rounded

ROOT = Path(__file__).parents[2]
LIMIT = 1.0
"""Repeatability of everything below, percent."""


def numbers(*, share=0.8, bias=0.0, lesion=0.0, limits=("GM", "WM", "lesions")):
    """One map of one training; biases of grey matter and of lesions against the truth."""

    def mean(value):
        return {"mean": value, "low": None, "high": None, "n": 3}

    def of(trained):
        return {"trained": trained, "routine": mean(0.0), "bicubic": mean(2.0)}

    biases = {tissue: mean(bias if tissue == "GM" else 0.0) for tissue in ("GM", "WM")}
    still = {tissue: mean(0.0) for tissue in ("GM", "WM")}
    return {
        "rmse": {"trained": mean(40.0), "routine": mean(50.0), "bicubic": mean(80.0)},
        "share": {"routine": mean(share), "bicubic": mean(share / 2)},
        "bias_percent": {"truth": {"trained": biases}, "routine": {"trained": still}},
        "lesions": {
            "n": 4,
            "median_error_percent": {"truth": {"trained": lesion}, "routine": {"trained": 0.0}},
            "shown_by_routine": 8, "kept": 7, "omitted": 1, "sites": 40,
            "invented_sites": {"trained": 1, "routine": 2}, "planted": {},
        },
        "fidelity": {"noise": {"trained": 5.0, "routine": 10.0}, "edge_sharpness": of(0.9)},
        "gain_db": mean(2.5),
        "slope": 0.98,
        "repeatability_percent": dict.fromkeys(limits, LIMIT),
    }  # fmt: skip


def seeds(*shares, **changes):
    """Trainings with these shares; the changes are T2's alone."""
    return [
        {name: numbers(share=share, **(changes if name == "t2" else {})) for name in MAPS}
        for share in shares
    ]


def test_a_score_is_the_geometric_mean_over_maps():
    measured = {name: numbers(share=share) for name, share in zip(MAPS, (0.5, 1.0, 2.0))}  # noqa: B905
    assert score_of(measured) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "outside", "unknown"),
    [
        ({}, [], []),
        ({"bias": LIMIT}, [], []),
        ({"bias": -1.25}, ["GM T2 -1.25 % (±1.00)"], []),
        ({"lesion": 3.0}, ["lesions T2 +3.00 % (±1.00)"], []),
        ({"lesion": None}, [], ["lesions T2"]),
        ({"limits": ("GM", "WM")}, [], ["lesions T2"]),
        ({"limits": (), "bias": 9.0}, [], ["GM T2", "WM T2", "lesions T2"]),
    ],
)
def test_biases_are_held_against_the_repeatability(changes, outside, unknown):
    verdict = judge("cell", seeds(0.8, **changes), reference="truth")
    assert (list(verdict.outside), list(verdict.open)) == (outside, unknown)
    assert verdict.is_inside == (not outside and not unknown)
    against_routine = judge("cell", seeds(0.8, bias=9.0), reference="routine")
    assert against_routine.is_inside, "another reference has another bias"


@pytest.mark.parametrize(
    ("changes", "outside"),
    [
        ({"lesion": 2.9}, ()),
        ({"lesion": 3.1}, ("lesions T2 +3.10 % (±3.00)",)),
        ({"bias": 0.9}, ()),
        ({"limits": (), "bias": 0.45}, ("GM T2 +0.45 % (±0.40)",)),
    ],
)
def test_widened_limits_are_the_larger_of_margin_and_repeatability(changes, outside):
    verdict = judge("cell", seeds(0.8, **changes), reference="truth", widened=True)
    assert (verdict.outside, verdict.open) == (outside, ())


def test_the_bias_of_a_cell_is_the_mean_over_its_seeds():
    pair = [*seeds(0.8, bias=1.5), *seeds(0.8, bias=-1.5)]
    assert judge("cell", pair, reference="truth").is_inside


@pytest.mark.parametrize(
    ("cells", "best", "alike"),
    [
        ({"a": seeds(0.8, 0.8, 0.8), "b": seeds(0.7, 0.7, 0.7)}, "b", []),
        ({"a": seeds(0.8, 0.8, 0.8), "b": seeds(0.7, 0.7, 0.7, bias=2.0)}, "a", []),
        ({"a": seeds(0.8, 0.8, 0.8), "b": seeds(0.7, 0.7)}, "a", []),
        ({"a": seeds(0.7, 0.8, 0.9), "b": seeds(0.75, 0.75, 0.75)}, "b", ["a"]),
        ({"a": seeds(0.6, 0.6, 0.6, bias=2.0, lesion=2.0), "b": seeds(*[0.9] * 3, bias=2.0)},
         "b", []),
        ({"a": seeds(0.8)}, None, []),
        ({}, None, []),
    ],
)  # fmt: skip
def test_the_least_error_among_those_inside_is_chosen(cells, best, alike):
    choice = choose([judge(name, found, reference="truth") for name, found in cells.items()])
    assert (choice.best.cell if choice.best else None) == best
    assert [verdict.cell for verdict in choice.alike] == alike


def cell(name, **more):
    usual = {"group": "base", "says": "a cell", "page": "residual", "overrides": {},
             "maps": ("t1+t2+pd",), "trained_on": "records", "measured_on": ("here", "there"),
             "seeds": 3, "minutes": 1.0}  # fmt: skip
    return Cell(name, **(usual | more))


@pytest.fixture
def study(tmp_path):
    """Two cells, one of them run three times."""
    for seed, measured in enumerate(seeds(0.80, 0.82, 0.90)):
        told = dict.fromkeys(KEYS, "") | {"format": FORMAT, "cell": "ran", "seed": seed}
        told |= {"dry": False, "seconds": 90.0, "parameters": 123456}
        told["measured"] = {place: {"maps": measured} for place in ("here", "there", "before")}
        (tmp_path / f"ran.seed-{seed}.json").write_text(json.dumps(told))
    (tmp_path / "study.md").write_text(f"# Study\n\nThe criterion.\n\n{MARKER}\n\nolder\n")
    return Study(tmp_path, {"base": "Base"}, {}, (cell("ran"), cell("other")))


def test_the_page_says_what_was_run_what_is_chosen_and_what_was_not_run(study, tmp_path):
    page = tmp_path / "study.md"
    assert write_page(page, study, tmp_path).endswith("3 trainings of 1 cells")
    text = page.read_text()
    assert text.startswith("# Study\n\nThe criterion.\n\n")
    assert "older" not in text
    assert (
        "Inside the repeatability: ran. Chosen: `ran`, 0.840 ± 0.050 of routine's own error."
        in text
    )
    line = next(line for line in text.splitlines() if line.startswith("| `ran` |"))
    assert "| 3 of 3 | 0.84 ± 0.05 / 0.84 ± 0.05 / 0.84 ± 0.05 |" in line
    assert line.endswith("| 123,456 | 1.5 |")
    assert f"| `other` | a cell | {NOT_YET} |" in text
    for place in ("there", "before"):  # what no list asks for any more is kept, too
        share, bias = " / ".join(["0.84 ± 0.05"] * 3), " / ".join(["0.0 ± 0.0"] * 3)
        assert f"| `ran` | {place} | {share} | {bias} | {bias} |" in text
    for name in ("error", "noise_and_sharpness"):
        assert f"]({name}.svg)" in text
        assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")
    before = (tmp_path / "error.svg").read_bytes()
    assert write_page(page, study, tmp_path)
    assert page.read_text() == text, "written twice it is the same"
    assert (tmp_path / "error.svg").read_bytes() == before


def test_the_page_of_the_house_says_what_its_results_say(tmp_path):
    page = ROOT / "docs/study.md"
    (tmp_path / "study.md").write_text(page.read_text())
    (tmp_path / "study").mkdir()
    for path in (ROOT / "docs/study").glob("*.json"):
        shutil.copy(path, tmp_path / "study")
    write_page(tmp_path / "study.md", load_study(), tmp_path / "study")
    assert (tmp_path / "study.md").read_text() == page.read_text(), "run qsr study --page again"


@pytest.mark.parametrize(
    ("lesion", "says"),
    [
        (2.0, "Inside the repeatability: no cell. Inside the widened limits: ran. Chosen: `ran`"),
        (9.0, "Inside the widened limits: no cell. No cell may be chosen; the nearest: `ran`, 0.800"
         " ± 0.000 of routine's own error. Outside: lesions T2 +9.00 % (±3.00). Not known: none."),
    ],
)  # fmt: skip
def test_where_no_cell_is_inside_the_limits_are_widened_once(lesion, says, study, tmp_path):
    for path in tmp_path.glob("*.json"):
        told = json.loads(path.read_text())
        told["measured"]["here"]["maps"]["t2"] = numbers(share=0.8, lesion=lesion)
        for name in ("t1", "pd"):
            told["measured"]["here"]["maps"][name]["share"]["routine"]["mean"] = 0.8
        path.write_text(json.dumps(told))
    write_page(tmp_path / "study.md", study, tmp_path)
    assert says in (tmp_path / "study.md").read_text()


@pytest.mark.parametrize(
    ("change", "says"),
    [({"dry": True}, "made with --dry"), ({"format": "other"}, "no result of a study")],
)
def test_a_page_is_not_made_of_what_is_no_result(change, says, study, tmp_path):
    path = tmp_path / "ran.seed-1.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=says):
        write_page(tmp_path / "study.md", study, tmp_path)


def test_a_page_without_its_marker_is_left_alone(study, tmp_path):
    (tmp_path / "study.md").write_text("# Mine\n")
    with pytest.raises(ValueError, match="no line"):
        write_page(tmp_path / "study.md", study, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "qsr_jax-study 1"}'])
def test_a_damaged_result_is_told(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match="no result of a study"):
        read_result(tmp_path / "x.json")


def test_numbers_are_kept_with_five_digits():
    assert rounded({"a": {"b": 1.23456789}, "c": 3, "d": None}) == {
        "a": {"b": 1.2346}, "c": 3, "d": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CELLS = []", "KeyError: 'GROUPS'"),
        ("GROUPS = {}; CELLS = [{'name': 'a'}]", "TypeError: .*missing"),
        ("GROUPS = {}; CELLS = [dict(name='a', group='b', says='', page='', overrides={}, maps=(),"
         " trained_on='', measured_on=(), seeds=1, minutes=1.0)]", "one of the groups"),
    ],
)  # fmt: skip
def test_a_list_of_cells_that_cannot_be_is_told(text, says, tmp_path):
    (tmp_path / "cells.py").write_text(text)
    with pytest.raises(ConfigError, match=says):
        load_study(tmp_path / "cells.py")
