"""Where a report is written: never at another folder's cost, whole or not at all."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from evaluation_subjects import make_about, make_case, make_predictions, make_shown

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.example_slices import example_slice
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.report import page as report
from qsr_jax.evaluation.report.page import check_target, write_report
from qsr_jax.files.staged import WriteError, replaced_folder


def test_a_small_report_replaces_an_older_one(tmp_path, rng):
    """One map, nobody with truth, two subjects: the page still opens; and the old one is gone."""
    values, examples = [], []
    for i in range(2):
        case = dataclasses.replace(make_case(rng, subject=f"{i}", slices=2), truth=None)
        made = make_predictions(rng, case, names=("pd",))
        values += measure(case, made, split="test")
        examples = [example_slice(case, made)]
    out = tmp_path / "report"
    for date in ("2026-01-01", "2026-01-02"):
        write_report(
            out, cohort=Cohort(values), shown=make_shown(examples), about=make_about(date=date)
        )
        assert json.loads((out / "tables.json").read_text())["about"]["date"] == date
    text = (out / "index.html").read_text("utf-8")
    assert "Without labels of tissues nothing is decided" in text
    assert "What every method reads" not in text
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


FOREIGN = {
    "notes": {"notes.txt": "mine"},
    "report with notes": {
        "tables.json": '{"format": "qsr_jax-report", "files": ["index.html"]}',
        "notes.txt": "mine",
    },
    "another tables.json": {"tables.json": '{"format": "else"}'},
    "broken tables.json": {"tables.json": "{"},
    "only an index": {"index.html": "mine"},
}


@pytest.mark.parametrize("held", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_folder_is_left_alone(tmp_path, cohort_and_examples, held):
    out = tmp_path / "out"
    out.mkdir()
    for name, text in held.items():
        (out / name).write_text(text)
    cohort, examples = cohort_and_examples
    with pytest.raises(ValueError, match="left alone"):
        write_report(out, cohort=cohort, shown=make_shown(examples), about=make_about())
    assert {p.name: p.read_text() for p in out.iterdir()} == held


def test_files_and_links_are_refused_and_empty_folders_are_not(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("file", "link"):
        with pytest.raises(ValueError, match="expected a folder or nothing"):
            check_target(tmp_path / name)
    check_target(tmp_path / "folder")
    check_target(tmp_path / "absent")


@pytest.mark.parametrize("where", ["_render", "save_tables"])
def test_a_failure_leaves_the_older_report(
    tmp_path, written_report, cohort_and_examples, monkeypatch, where
):
    cohort, examples = cohort_and_examples
    out = shutil.copytree(written_report, tmp_path / "report")
    before = (out / "index.html").read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, where, fail)
    with pytest.raises(WriteError, match="No space left"):
        write_report(out, cohort=cohort, shown=make_shown(examples), about=make_about(date="later"))
    assert (out / "index.html").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_a_failed_swap_puts_the_older_folder_back(tmp_path, monkeypatch):
    out = tmp_path / "report"
    out.mkdir()
    (out / "index.html").write_text("old")
    rename = Path.rename

    def fail(self, target):
        if self.name == ".report.fresh":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with pytest.raises(OSError, match="No space left"), replaced_folder(out) as folder:
        (folder / "index.html").write_text("new")
        monkeypatch.setattr(Path, "rename", fail)
    assert (out / "index.html").read_text() == "old"


def test_numbers_are_saved_before_anything_is_drawn(tmp_path, cohort_and_examples, monkeypatch):
    cohort, examples = cohort_and_examples
    seen = []

    def look(*_, **__):
        (folder,) = (p for p in tmp_path.iterdir() if p.is_dir())
        seen.extend(sorted(p.name for p in folder.iterdir()))
        raise RuntimeError("stop")

    monkeypatch.setattr(report, "_render", look)
    with pytest.raises(RuntimeError, match="stop"):
        write_report(tmp_path / "r", cohort=cohort, shown=make_shown(examples), about=make_about())
    assert seen == sorted({*report.FILES} - {report.PAGE})


def test_perfect_predictions_are_refused_rather_than_reported_as_infinite(tmp_path, rng):
    case = make_case(rng, subject="a")
    made = make_predictions(rng, case, gain=1.0, noise=np.zeros(3))
    cohort = Cohort(measure(case, made, split="test"))
    with pytest.raises(ValueError, match="psnr, trained.* finite"):
        write_report(tmp_path / "r", cohort=cohort, shown=make_shown([]), about=make_about())
    assert not list(tmp_path.iterdir())
