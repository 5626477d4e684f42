"""``launch.agreement``: from anybody's table to numbers, a LaTeX table and plots."""

import csv
import dataclasses
import json
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from agreement_table import REGIONS, SUBJECTS, made_values, run, write_table

from launch import agreement as door
from qsr_jax import statistics
from qsr_jax.agreement_report import Agreement, agreement
from qsr_jax.agreement_report.saving import leaves
from qsr_jax.files.staged import replaced_folder


@pytest.fixture(scope="module")
def values():
    return made_values()


@pytest.fixture(scope="module")
def table(values, tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "values.csv", values)


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
        bootstrap = found["bootstrap"]["concordance"]
        assert bootstrap["low"] < found["concordance"]["value"] < bootstrap["high"]


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
    assert by_name["GM", "trained", "mean.interval.low"]["unit"] == "ms"  # as its margin
    assert by_name["GM", "trained", "individual.outcome"]["unit"] == ""


def test_p_values_are_corrected_over_one_question(folder):
    document = json.loads((folder / "agreement.json").read_text(encoding="utf-8"))
    for method in ("trained", "poor"):
        mine = [c for c in document["comparisons"] if c["endpoint"]["test"] == method]
        assert len(mine) == len(REGIONS)
        for name in ("paired_t", "signed_rank"):
            corrected = statistics.adjust([c[name]["p"] for c in mine]).holm
            np.testing.assert_allclose([c["adjusted"][name]["holm"] for c in mine], corrected)
        for side in ("mean", "individual"):
            corrected = statistics.adjust([c[side]["p"] for c in mine]).holm
            np.testing.assert_allclose([c[side]["p_holm"] for c in mine], corrected)


def test_the_latex_tables_have_a_line_per_comparison(folder):
    text = (folder / "agreement.tex").read_text(encoding="utf-8")
    assert text.count(" & t1 (ms) & 20 & ") == 2 * 6
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 4
    assert text.count(r"\label{tab:verdicts-poor}") == 1
    assert r"a\_b \& c & t1 (ms) & 20 & $\pm$40 ms" in text


def test_the_plots_are_pictures_whose_marks_tell_their_values(folder, table, tmp_path):
    assert sorted(path.name for path in folder.glob("*.svg")) == [
        "verdicts_poor.svg",
        "verdicts_trained.svg",
    ]
    run(table, tmp_path / "all", "--plots", "all", "--test", "trained")
    names = sorted(path.name for path in (tmp_path / "all").glob("*.svg"))
    assert names == ["points_trained_001.svg", "verdicts_trained.svg"]
    for path in (*folder.glob("*.svg"), *(tmp_path / "all").glob("*.svg")):
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        titles = [element.text for element in root.iter("{http://www.w3.org/2000/svg}title")]
        assert len(titles) == (2 * 3 if "verdicts" in path.name else 2 * 3 * SUBJECTS)
    run(table, tmp_path / "none", "--plots", "none")
    assert not list((tmp_path / "none").glob("*.svg"))


def test_tables_stand_before_the_first_plot_and_a_stop_leaves_them(table, tmp_path):
    out = tmp_path / "out"

    def stopped(drawings, **_):
        yield drawings[0]
        assert {"agreement.csv", "agreement.json", "agreement.tex", "index.html"} <= {
            path.name for path in out.iterdir()
        }
        raise KeyboardInterrupt

    options = {"reference": "routine", "margin_percent": 5.0, "out": out}
    with pytest.raises(KeyboardInterrupt):
        agreement(table, **options, watch=stopped)
    assert "The plot is being drawn" in (out / "index.html").read_text("utf-8")
    agreement(table, **options)  # what is left is ours and is replaced
    assert "The plot is being drawn" not in (out / "index.html").read_text("utf-8")


def test_again_replaces_ours_and_is_the_same(folder, table, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = shutil.copytree(folder, tmp_path / "agreement")
    run(table, again, "--margin-raw", "t1=40")
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    run(table, again, "--margin-raw", "t1=40", "--plots", "none")
    assert not list(again.glob("*.svg"))
    assert "no difference" not in capsys.readouterr().out


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


def test_plots_do_not_overwrite_each_other(table, tmp_path):
    text = table.read_text(encoding="utf-8")
    clash = tmp_path / "clash.csv"
    clash.write_text(text.replace(",trained,", ",a b,").replace(",poor,", ",a_b,"))
    with pytest.raises(SystemExit, match="two plots would be called verdicts_a_b.svg"):
        run(clash, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_said_and_the_exit_status_tells(table, tmp_path, capsys):
    short = tmp_path / "short.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    short.write_text("\n".join(line for line in lines if not line.startswith('p3,"GM",t1,ms,poor')))
    with pytest.raises(SystemExit) as stop:
        run(short, tmp_path / "out")
    assert stop.value.code == door.INCOMPLETE == 3
    printed = capsys.readouterr().out
    assert "not computed: 1 comparison\n  t1 GM, poor vs routine: 1 subject with one" in printed
    assert "1 comparison could not be computed" in (tmp_path / "out/index.html").read_text("utf-8")
    document = json.loads((tmp_path / "out/agreement.json").read_text(encoding="utf-8"))
    assert [c["missing"] != "" for c in document["comparisons"]] == [False] * 3 + [True] + [
        False
    ] * 2
    run(short, tmp_path / "out", "--complete-cases")
    run(short, tmp_path / "out", "--exclude", "p3,p4")


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        door.main(["--help"])
    assert stop.value.code == 0
    told = capsys.readouterr().out
    assert "default: main" in told and max(map(len, told.splitlines())) <= 100


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
        for ours, written in zip(found.rows, document["comparisons"], strict=True):
            assert dataclasses.asdict(ours.mean) == written["mean"]
            numbers = dataclasses.asdict(ours.statistics)
            assert numbers == {name: written[name] for name in numbers}
    assert sorted(table.parent.iterdir()) == before
    assert str(found).splitlines()[0].split()[:3] == ["method", "the", "mean:"]
    assert capsys.readouterr().out == ""


def test_a_notebook_writes_a_folder_when_asked(table, tmp_path):
    out = tmp_path / "agreement"
    agreement(table, reference="routine", margin_percent=5.0, out=str(out))
    document = json.loads((out / "agreement.json").read_text(encoding="utf-8"))
    assert document["about"]["table"] == "values.csv"
    assert {path.name for path in out.iterdir()} == {*document["files"], "agreement.json"}
