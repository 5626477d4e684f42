"""A table of the report is one file, its words and one line: page, csv, json, LaTeX hold it."""

import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from evaluation_subjects import make_about, make_shown

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import SECTIONS, compute_tables
from qsr_jax.evaluation.report.page import write_report
from qsr_jax.evaluation.sections.common import Section, TableRow, if_enough, named
from qsr_jax.formats.html import to_html
from qsr_jax.formats.table import Column, Group, Line, Num, Table

REPORT = Path(__file__).parents[2] / "qsr_jax/evaluation"


@dataclasses.dataclass(frozen=True)
class RangeRow(TableRow):
    """By how much PSNR differs between the best and the worst subject."""

    map: str
    span_db: float


def range_rows(cohort):
    for name in cohort.maps:
        psnr = cohort.everybody("image", "brain", name, "psnr", "trained")
        yield RangeRow(f"{name} range", name, float(np.ptp(psnr)))


def range_table(cohort):
    lines = [Line([row.map, Num(row.span_db, 4)]) for row in cohort.rows(range_rows)]
    columns = [Column("map", align="l"), Column("range", "dB")]
    yield Table("psnr_range", "Best to worst", "A newcomer’s table.", columns, [Group(lines)])


@pytest.fixture
def newcomer(tmp_path):
    """A section of a stranger: its file, its words, and what stands in the line of SECTIONS."""
    (tmp_path / "psnr_range.html").write_text("{{ tables.psnr_range }}{{ more }}")
    return Section(
        tmp_path / "psnr_range.py",
        "Ranges of PSNR",
        {"psnr_range": range_rows},
        range_table,
        lambda cohort: {"more": f"<{len(cohort.group)} subjects>"},
    )


def test_one_line_reaches_page_csv_json_and_latex(tmp_path, cohort_and_examples, newcomer):
    cohort, out = cohort_and_examples[0], tmp_path / "report"
    shown, sections = make_shown([]), (*SECTIONS, newcomer)
    write_report(out, cohort=cohort, shown=shown, about=make_about(), sections=sections)
    page = (out / "index.html").read_text("utf-8")
    latex = (out / "tables.tex").read_text("utf-8")
    with (out / "tables.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["table"] == "psnr_range"]
    saved = json.loads((out / "tables.json").read_text())["tables"]["psnr_range"]
    assert "<summary>Ranges of PSNR</summary>" in page
    assert '<section id="psnr_range">' in page
    assert "&lt;4 subjects&gt;" in page
    assert r"\label{tab:psnr_range}" in latex and r"range (dB) \\" in latex
    by_csv = {row["row"]: row["value"] for row in rows if row["quantity"] == "span_db"}
    assert by_csv == {row["row"]: repr(row["span_db"]) for row in saved}
    for value in by_csv.values():
        assert f'<data value="{value}">{float(value):.4f}</data>' in page
        assert f" & {float(value):.4f} " in latex


def test_a_section_without_rows_is_left_out_or_says_why(tmp_path, cohort_and_examples, newcomer):
    cohort = cohort_and_examples[0]
    silent = dataclasses.replace(newcomer, tables={"psnr_range": lambda _: []})
    for absent in ("", "There was nothing <to> compare."):
        section = dataclasses.replace(silent, absent=absent)
        out = tmp_path / f"report{len(absent)}"
        sections = (*SECTIONS[:1], section)
        about = make_about()
        write_report(out, cohort=cohort, shown=make_shown([]), about=about, sections=sections)
        page = (out / "index.html").read_text("utf-8")
        assert ("nothing &lt;to&gt; compare" in page) == bool(absent)
        assert ("<summary>Ranges" in page) == bool(absent)
        assert "psnr_range" not in (out / "tables.tex").read_text("utf-8")


def test_two_tables_of_one_name_are_refused(cohort_and_examples, newcomer):
    twice = (newcomer, dataclasses.replace(newcomer, source=Path("other.py")))
    with pytest.raises(ValueError, match="section other: a table 'psnr_range' is there already"):
        compute_tables(cohort_and_examples[0], sections=twice)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.name)
def test_every_section_has_its_words_and_shows_its_tables(section, cohort_and_examples):
    """X.html beside X.py, where there is one, names every table; no table goes by two names."""
    cohort = cohort_and_examples[0]
    words = section.source.with_suffix(".html")
    named_there = set(re.findall(r"tables\.(\w+)", words.read_text())) if words.exists() else None
    if section.has_rows(cohort):
        shown = [table.name for table in section.shown(cohort)]
        assert named_there in (None, set(shown))
        assert len(shown) == len(set(shown))
        assert all(f'id="{table.name}"' in to_html(table) for table in section.shown(cohort))


def test_measures_and_sections_have_the_same_names():
    """What is measured in measure/X is shown in sections/X; the rest is said here."""
    measures = {path.stem for path in (REPORT / "measure").glob("*.py")} - {"__init__"}
    sections = {section.name for section in SECTIONS}
    assert {path.stem for path in (REPORT / "sections").glob("*.html")} <= sections
    assert measures - sections == {"labels", "repeated_scan", "rois", "subject"}  # inputs of others
    assert sections - measures == {  # computed from values that several sections share
        "summary", "lesions_kept", "folds_and_seeds", "tissue", "agreement", "regions", "lesions",
        "worst_slices", "repeatability", "lesion_detection",
    }  # fmt: skip


def test_rows_are_computed_once():
    calls = []

    def rows(cohort):
        calls.append(cohort)
        yield TableRow("a")

    values = ()
    cohort = Cohort.__new__(Cohort)
    cohort.values, cohort._rows = values, {}
    assert cohort.rows(rows) == cohort.rows(rows) == [TableRow("a")]
    assert len(calls) == 1


def test_what_is_degenerate_is_named():
    def fail(_):
        raise ValueError("zero variance")

    with pytest.raises(ValueError, match="GM T1: zero variance"):
        named("GM T1", fail, np.ones(3))
    assert if_enough("GM T1", fail, np.ones(2)) is None
