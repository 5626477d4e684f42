"""The report: whole, self-contained, every number saved, and never at another folder's cost."""

import csv
import dataclasses
import json
import math
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from evaluation_subjects import make_about, make_case, make_cohort, make_predictions, make_shown

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.formats.numbers import number
from qsr_jax.evaluation.measure.example_slices import example_slice
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.report import page as report
from qsr_jax.evaluation.report.page import FILES, check_target, write_report
from qsr_jax.evaluation.report.saving import leaves
from qsr_jax.evaluation.sections import published
from qsr_jax.files.staged import WriteError, replaced_folder
from qsr_jax.maps import MAPS


class Page(HTMLParser):
    """Collects what a page links to, its numbers, and its words."""

    def __init__(self, text):
        super().__init__()
        self.links, self.numbers, self.words, self.tags = [], [], [], []
        self.marks, self._value, self._mark = [], None, None
        self.cells, self.paragraph, self._where = [], "", None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag in ("td", "p"):
            first = tag == "p" and dict(attributes).get("id") == "opening"
            self._where = "opening" if first else tag
            self.cells += [""] * (tag == "td")
        if tag == "g":
            self._mark = dict(attributes).get("data-v")
        elif tag == "title" and self._mark is not None:
            self.marks.append([self._mark, ""])
            self._value = None
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "data", "poster", "background"):
                self.links.append((tag, name, value))
            if tag == "data":
                self._value = value

    def handle_endtag(self, tag):
        if tag == "title":
            self._mark = None
        if tag in ("td", "p"):
            self._where = None

    def handle_data(self, text):
        if self._value is not None:
            self.numbers.append((self._value, text))
        self._value = None
        if self._mark is not None and self.marks:
            self.marks[-1][1] += text
        self.words.append(text)
        if self._where == "opening":
            self.paragraph += text
        elif self._where == "td":
            self.cells[-1] += text


def numbers_of(node):
    """Every number in a json document."""
    if isinstance(node, dict | list):
        for child in node.values() if isinstance(node, dict) else node:
            yield from numbers_of(child)
    elif isinstance(node, int | float):
        yield float(node)


@pytest.fixture(scope="module")
def written(tmp_path_factory, cohort_and_examples):
    cohort, examples = cohort_and_examples
    out = tmp_path_factory.mktemp("written") / "report"
    shown = make_shown(examples, worst=("t1",))
    write_report(out, cohort=cohort, shown=shown, about=make_about())
    return out


@pytest.fixture(scope="module")
def page(written):
    return Page((written / "index.html").read_text("utf-8"))


def test_the_folder_holds_the_report_and_nothing_else(written):
    assert sorted(p.name for p in written.iterdir()) == sorted(FILES)
    assert [p.name for p in written.parent.iterdir()] == ["report"]


def test_the_page_needs_nothing_but_itself(page, written):
    assert page.tags.count("script") == 1
    assert "link" not in page.tags
    outside = [link for _, _, link in page.links if not link.startswith(("data:image/", "#"))]
    assert outside == [published.URL]  # the citation
    assert not re.search(r"@import|url\((?!#)", (written / "index.html").read_text("utf-8"))
    pictures = [link for tag, _, link in page.links if tag == "img"]
    assert len(pictures) == 2 * 3 + 2 + 1  # examples, their weighted images, one worst slice
    assert page.tags.count("svg") == 3 + 1 + 2 + 1  # agreement, PSNR, calibration, forest


def test_every_number_of_the_page_is_in_the_json_and_the_csv(page, written):
    known = set(numbers_of(json.loads((written / "tables.json").read_text())))
    with (written / "tables.csv").open() as file:
        in_csv = {row["value"] for row in csv.DictReader(file)}
    assert len(page.numbers) > 600
    for value, text in page.numbers:
        assert float(value) in known, (value, text)
        assert value in in_csv, (value, text)
        shown = float(text.replace("−", "-").replace("<", ""))
        digits = len(text.partition(".")[2])
        if text.startswith("<"):
            assert float(value) < shown
        else:
            assert shown == pytest.approx(float(value), abs=0.5001 * 10**-digits)


FIGURE = re.compile(r"(?<![\w.,])[+−]?(?:\d+\.?\d*|\.\d+)(?![\w.]*\w)")
"""A number as people write it; "7b3f" and "2026-01-01" are none."""


def test_every_number_subjects_read_is_in_the_csv(page, written):
    """Cells and the first paragraph: what stands there is a value of the csv, rounded as it stands.

    Left out: names of places and slices in the first column, and what the test's name already says.
    """
    with (written / "tables.csv").open() as file:
        rows = [row["value"] for row in csv.DictReader(file)]
    known = np.array([float(v) for v in rows if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", v)])
    opening = page.paragraph.replace("90 % intervals", "")
    checked = 0
    for text in [*page.cells, opening]:
        for figure in FIGURE.findall(text):
            value, digits = float(figure.replace("−", "-")), len(figure.partition(".")[2])
            assert np.abs(known - value).min() <= 0.5001 * 10**-digits, (figure, text)
            checked += 1
    assert checked > 900


def test_every_mark_of_a_plot_tells_numbers_that_are_in_the_csv(page, written):
    """What appears when pointing at a mark is what the csv holds, rounded."""
    with (written / "tables.csv").open() as file:
        known = {row["value"] for row in csv.DictReader(file)}
    assert len(page.marks) > 200
    for values, words in page.marks:
        said = [float(n.replace("−", "-")) for n in re.findall(r"[+−]?\d+\.\d+", words)]
        assert said
        for value in values.split():
            assert value in known, (value, words)
            assert any(abs(float(value) - n) <= 0.0501 for n in said), (value, words)


def test_every_number_of_the_tables_is_in_the_csv(written):
    """tables.csv and tables.json hold the same: each row's leaves, by the same names."""
    document = json.loads((written / "tables.json").read_text())["tables"]
    with (written / "tables.csv").open() as file:
        saved = {(r["table"], r["row"], r["quantity"]): r["value"] for r in csv.DictReader(file)}
    assert saved["tissue", "GM T1 (ms)", "means.trained.mean"]
    for table, rows in document.items():
        for row in rows:
            for path, value in leaves(row):
                assert saved.pop((table, row["row"], path)) == str(value)
    assert not saved


def test_table_1_is_on_the_page(page, cohort_and_examples):
    text = " ".join(" ".join(page.words).split())
    for row in compute_tables(cohort_and_examples[0])["tissue"]:
        assert row.row in text
        for sample in row.means.values():
            assert number(sample.mean, MAPS[row.map].digits) in text
        for equivalence in row.equivalence.values():
            assert number(equivalence.interval.low, MAPS[row.map].digits, signed=True) in text


def test_the_latex_tables_hold_ours_and_the_papers(written, cohort_and_examples):
    text = (written / "tables.tex").read_text("utf-8")
    labels = re.findall(r"\\label\{tab:(\w+)\}", text)
    assert len(labels) == len(set(labels)) == text.count(r"\begin{table}") == 14
    assert {"verdict", "tissue_means", "region_means", "lesion_means", "quality"} < {*labels}
    assert "niqe_values" not in labels  # no NIQE here
    assert "1230.17 (34.12)" in text
    for row in compute_tables(cohort_and_examples[0])["verdict"]:
        for sample in row.psnr.values():
            assert f"{sample.mean:.2f} ({sample.sd:.2f})" in text
    words = re.sub(r"\\label.*|(?<!\\)\$[^$]*\$", "", text.partition("\n")[2])
    assert not re.search(r"(?<!\\)[%_#]", words)


def test_values_csv_is_tidy(written, cohort_and_examples):
    cohort, _ = cohort_and_examples
    with (written / "values.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(cohort.values)
    assert {row["kind"] for row in rows} == {
        "image", "slice", "tissue", "region", "lesion", "calibration", "lesion contrast",
        "control site", "synthetic contrast", "noise and resolution",
    }  # fmt: skip
    assert all(math.isfinite(float(row["value"])) and row["convention"] for row in rows)
    assert rows[0]["value"] == repr(cohort.values[0].value)


def test_the_header_says_where_it_comes_from(page):
    text = " ".join(" ".join(page.words).split())
    for words in (
        "simulated subjects", "3 healthy, 1 patient", "T1, T2, PD: VGG-19 weights: random",
        "research use; not for diagnosis", "jax 0.10.2", "2 CPU cores", "2026-01-01",
        "train: 8 healthy", "unpaired",
    ):  # fmt: skip
        assert words in text


def test_text_from_outside_is_escaped(tmp_path, cohort_and_examples):
    cohort, _ = cohort_and_examples
    about = make_about(data="<script>alert(1)</script>", hardware='"><img src=http://x>')
    write_report(tmp_path / "r", cohort=cohort, shown=make_shown([]), about=about)
    page = Page((tmp_path / "r" / "index.html").read_text("utf-8"))
    assert page.tags.count("script") == 1
    assert all(not link.startswith("http://x") for _, _, link in page.links)


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
    assert "needs 3 healthy subjects with labels" in text
    assert "Tissue means" not in text
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_two_healthy_subjects_are_said_to_be_too_few(tmp_path, rng):
    cohort, _ = make_cohort(rng, healthy=2, patients=1, slices=2)
    write_report(tmp_path / "r", cohort=cohort, shown=make_shown([]), about=make_about())
    assert "n &lt; 3" in (tmp_path / "r" / "index.html").read_text("utf-8")


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
    tmp_path, written, cohort_and_examples, monkeypatch, where
):
    cohort, examples = cohort_and_examples
    out = shutil.copytree(written, tmp_path / "report")
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
    assert seen == ["tables.csv", "tables.json", "tables.tex", "values.csv"]


def test_perfect_predictions_are_refused_rather_than_reported_as_infinite(tmp_path, rng):
    case = make_case(rng, subject="a")
    made = make_predictions(rng, case, gain=1.0, noise=np.zeros(3))
    cohort = Cohort(measure(case, made, split="test"))
    with pytest.raises(ValueError, match="T1 psnr, trained.* finite"):
        write_report(tmp_path / "r", cohort=cohort, shown=make_shown([]), about=make_about())
    assert not list(tmp_path.iterdir())
