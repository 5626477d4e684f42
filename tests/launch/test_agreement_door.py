"""``launch.agreement``: from anybody's table to numbers, a LaTeX table and plots."""

import csv
import dataclasses
import json
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from launch import agreement as door
from qsr_jax import statistics
from qsr_jax.evaluation.agreement_report import Agreement, agreement
from qsr_jax.evaluation.agreement_report.tables import leaves
from qsr_jax.files.staged import replaced_folder

SUBJECTS = 9
REGIONS = ("GM", "WM", "a_b & c")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def values():
    """(region, method) to nine values; trained has a bias of 1 % and a slope of 0.9."""
    rng = np.random.default_rng(8)
    found = {}
    for region, mean in zip(REGIONS, (1200.0, 850.0, 1000.0), strict=True):
        routine = rng.normal(mean, 40, SUBJECTS)
        found[region, "routine"] = routine
        found[region, "trained"] = mean * 1.01 + 0.9 * (routine - mean) + rng.normal(0, 6, SUBJECTS)
        found[region, "poor"] = routine * 1.08 + rng.normal(0, 6, SUBJECTS)
    return found


@pytest.fixture(scope="module")
def table(values, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "values.csv"
    lines = [
        f'p{i},"{region}",t1,ms,{method},{float(v)!r}'
        for (region, method), several in values.items()
        for i, v in enumerate(several)
    ]
    path.write_text("\n".join(["subject,region,map,unit,method,value", *lines]), encoding="utf-8")
    return path


def run(table, out, *more):
    flags = ["--reference", "routine", "--margin-percent", "5", "--resamples", "200"]
    door.main([str(table), *flags, "--out", str(out), *more])


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    out = tmp_path_factory.mktemp("door") / "agreement"
    run(table, out, "--margin-raw", "t1=40")
    return out


def test_the_numbers_are_those_of_the_statistics(folder, values):
    document = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    assert document["plan"]["margins"] == {"t1": 40.0}
    assert len(document["comparisons"]) == 6
    for found in document["comparisons"]:
        endpoint = found["endpoint"]
        x, y = (values[endpoint["region"], endpoint[side]] for side in ("test", "reference"))
        tost = statistics.equivalence(x, y, alpha=0.05, margin_percent=5.0)
        assert found["equivalence_percent"]["p"] == pytest.approx(tost.p)
        assert found["equivalence_percent"]["interval"]["level"] == pytest.approx(0.90)
        assert found["equivalence_units"]["margin"] == 40.0
        assert found["deming"]["slope"] == pytest.approx(
            statistics.deming(x, y, error_ratio=1.0).slope
        )
        bootstrap = found["bootstrap"]["bias"]
        assert bootstrap["low"] < (x - y).mean() < bootstrap["high"]


def test_every_number_of_the_json_is_in_the_csv_with_a_unit(folder):
    document = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    with (folder / "agreement.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_name = {(r["region"], r["test"], r["quantity"]): r for r in rows}
    assert len(by_name) == len(rows)
    for found in document["comparisons"]:
        endpoint = found["endpoint"]
        numbers = dict(leaves(found))
        assert len(numbers) == len(
            [k for k in by_name if k[:2] == (endpoint["region"], endpoint["test"])]
        )
        for quantity, value in numbers.items():
            row = by_name[endpoint["region"], endpoint["test"], quantity]
            assert row["value"] == str(value)
    assert by_name["GM", "trained", "paired_t.difference"]["unit"] == "ms"
    assert by_name["GM", "trained", "bland_altman_percent.low"]["unit"] == "%"
    assert by_name["GM", "trained", "adjusted.paired_t.holm"]["unit"] == ""


def test_p_values_are_corrected_over_the_whole_table(folder):
    document = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    for family in statistics.FAMILIES:
        plain = [c[family]["p"] for c in document["comparisons"]]
        ours = [c["adjusted"][family]["holm"] for c in document["comparisons"]]
        np.testing.assert_allclose(ours, statistics.adjust(plain).holm)


def test_the_latex_table_has_a_line_per_comparison(folder):
    text = (folder / "agreement.tex").read_text(encoding="utf-8")
    assert text.count("t1 (ms) & ") == 6
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert text.count(r"\label{tab:agreement-t1-poor}") == 1
    assert r"a\_b \& c & trained & 9 & " in text
    assert "Margin of equivalence: 5 \\% of the mean of routine" in text


def test_the_plots_are_pictures(folder):
    names = sorted(path.stem for path in folder.glob("*.svg"))
    kinds = [
        f"{kind}_t1_{m}" for kind in ("bland_altman", "regression") for m in ("poor", "trained")
    ]
    assert names == sorted([*kinds, "forest_t1"])
    for path in folder.glob("*.svg"):
        assert ET.parse(path).getroot().tag.endswith("svg")


def test_again_replaces_ours_and_is_the_same(folder, table, tmp_path, capsys):
    before = (folder / "agreement.csv").read_bytes()
    folder = shutil.copytree(folder, tmp_path / "agreement")
    run(table, folder, "--margin-raw", "t1=40", "--plots", "png")
    assert (folder / "agreement.csv").read_bytes() == before
    assert not list(folder.glob("*.svg"))
    assert all(path.read_bytes().startswith(PNG) for path in folder.glob("*.png"))
    printed = capsys.readouterr().out
    lines = {tuple(line.split()[1:3]): line for line in printed.splitlines()}
    assert " shown " in lines["GM", "trained"]
    assert " open " in lines["GM", "poor"]
    assert "40 ms: shown" in lines["GM", "trained"]
    assert "40 ms: open" in lines["GM", "poor"]
    assert "no difference" not in printed


def test_a_folder_that_is_not_ours_is_left_alone(table, tmp_path):
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter.tex").write_text("years of work")
    with pytest.raises(SystemExit, match="error: .*thesis: holds chapter.tex, which is not ours"):
        run(table, out)
    (out / "agreement.json").write_text(json.dumps({"format": "qsr_jax-agreement", "files": []}))
    with pytest.raises(SystemExit, match="holds chapter.tex, which is not ours"):
        run(table, out)
    assert (out / "chapter.tex").read_text() == "years of work"
    with pytest.raises(SystemExit, match="expected a folder or nothing there"):
        run(table, out / "chapter.tex")


def test_a_failure_leaves_the_older_folder(tmp_path):
    out = tmp_path / "agreement"
    out.mkdir()
    (out / "old").write_text("old")
    with pytest.raises(ValueError, match="half way"), replaced_folder(out) as fresh:
        (fresh / "new").write_text("new")
        raise ValueError("half way")
    assert [path.name for path in out.iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["agreement"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--margin-percent", "0"],
        ["--margin-percent", "x"],
        ["--margin-raw", "t1"],
        ["--margin-raw", "t1=-4"],
        ["--margin-raw", "t1=4", "--margin-raw", "t1=5"],
        ["--column", "place=region"],
        ["--alpha", "nan"],
        ["--plots", "gif"],
        ["--margin", "5"],
    ],
)
def test_mistyped_flags_are_refused(table, tmp_path, flags):
    with pytest.raises(SystemExit) as stop:
        run(table, tmp_path / "out", *flags)
    assert stop.value.code == 2


@pytest.mark.parametrize("left_out", ["--reference", "--margin-percent", "--out"])
def test_reference_margin_and_folder_have_no_default(table, tmp_path, left_out):
    flags = {"--reference": "routine", "--margin-percent": "5", "--out": str(tmp_path / "out")}
    del flags[left_out]
    with pytest.raises(SystemExit) as stop:
        door.main([str(table), *(text for flag in flags.items() for text in flag)])
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--margin-raw", "t2=3"], "margin for t2, but the maps are t1"),
        (["--alpha", "0.7"], "alpha must lie between"),
        (["--resamples", "10"], "t1 GM, trained vs routine: bootstrap: 10 samples"),
        (["--where", "method=routine"], "and another method, got routine"),
        (["--where", "subject=p1"], "t1 GM, trained vs routine: n = 1 subjects; at least 3"),
    ],
)
def test_what_cannot_be_done_is_one_line(table, tmp_path, flags, reason):
    with pytest.raises(SystemExit, match=f"^error: .*{reason}") as stop:
        run(table, tmp_path / "out", *flags)
    assert "\n" not in str(stop.value)
    assert not (tmp_path / "out").exists()


def test_plots_do_not_overwrite_each_other(table, tmp_path):
    text = table.read_text(encoding="utf-8")
    clash = tmp_path / "clash.csv"
    clash.write_text(text.replace(",trained,", ",a b,").replace(",poor,", ",a_b,"))
    with pytest.raises(SystemExit, match="two plots would be called bland_altman_t1_a_b"):
        run(clash, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_table(tmp_path):
    with pytest.raises(SystemExit, match="error: .*no such file; expected a csv"):
        run(tmp_path / "absent.csv", tmp_path / "out")


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        door.main(["--help"])
    assert stop.value.code == 0
    assert "default: 2000" in capsys.readouterr().out


def test_a_table_with_names_of_its_own(table, tmp_path, folder):
    text = table.read_text(encoding="utf-8").replace("subject,region,", "participant,place,", 1)
    (tmp_path / "own.csv").write_text(text, encoding="utf-8")
    names = ["--column", "subject=participant", "--column", "region=place", "--margin-raw", "t1=40"]
    run(tmp_path / "own.csv", tmp_path / "out", *names)
    ours, theirs = ((f / "agreement.csv").read_bytes() for f in (tmp_path / "out", folder))
    assert ours == theirs


def test_a_notebook_gets_what_the_door_writes(folder, table, capsys):
    """The same numbers, typed, from a file or from memory, and nothing is written unless asked."""
    document = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    options = {"reference": "routine", "margin_percent": 5.0, "margins": {"t1": 40.0}}
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    before = sorted(table.parent.iterdir())
    for given in (table, str(table), rows):
        found = agreement(given, resamples=200, **options)
        assert isinstance(found, Agreement)
        for ours, written in zip(found.comparisons, document["comparisons"], strict=True):
            assert dataclasses.asdict(ours) == {k: v for k, v in written.items() if k != "adjusted"}
        for ours, written in zip(found.adjusted, document["comparisons"], strict=True):
            assert {n: dataclasses.asdict(p) for n, p in ours.items()} == written["adjusted"]
    assert sorted(table.parent.iterdir()) == before
    assert str(found).splitlines()[0].split()[:3] == ["map", "region", "test"]
    assert capsys.readouterr().out == ""


def test_a_notebook_writes_a_folder_when_asked(table, tmp_path):
    out = tmp_path / "agreement"
    agreement(
        table, reference="routine", margin_percent=5.0, resamples=0, out=str(out), plots="png"
    )
    document = json.loads((out / "agreement.json").read_text(encoding="utf-8"))
    assert document["about"]["table"] == "values.csv"
    assert {path.name for path in out.iterdir()} == {*document["files"], "agreement.json"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"margin_percent": -1.0}, "margin of -1 %, expected a positive number"),
        ({"margin_percent": float("inf")}, "margin of inf %, expected a positive number"),
        ({"margins": {"t1": 0.0}}, "margin of t1 of 0, expected a positive number"),
        ({"resamples": -5}, "bootstrap: -5 samples; at least 100"),
        ({"plots": "gif"}, "plots 'gif' is not one of svg, png"),
        ({"bootstrap": "normal"}, "bootstrap 'normal' is not one of bca, percentile"),
        ({"error_ratio": 0.0}, "ratio of error variances must be positive"),
    ],
)
def test_a_notebook_is_told_what_makes_no_sense(table, options, reason):
    with pytest.raises(ValueError, match=reason):
        agreement(table, **{"reference": "routine", "margin_percent": 5.0, **options})
