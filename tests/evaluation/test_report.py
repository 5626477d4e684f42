"""The report: whole, self-contained, every number saved."""

import csv
import json
import math
import re

import numpy as np
import pytest
from evaluation_subjects import make_about, make_cohort, make_shown
from report_page import FIGURE, Page, numbers_of

from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.report.page import FILES, write_report
from qsr_jax.evaluation.report.saving import leaves
from qsr_jax.evaluation.sections import published
from qsr_jax.formats.numbers import number
from qsr_jax.maps import MAPS


@pytest.fixture(scope="module")
def page(written_report):
    return Page((written_report / "index.html").read_text("utf-8"))


def test_the_folder_holds_the_report_and_nothing_else(written_report):
    assert sorted(p.name for p in written_report.iterdir()) == sorted(FILES)
    assert [p.name for p in written_report.parent.iterdir()] == ["report"]


def test_the_page_needs_nothing_but_itself(page, written_report):
    assert page.tags.count("script") == 1
    assert "link" not in page.tags
    outside = [link for _, _, link in page.links if not link.startswith(("data:image/", "#"))]
    assert outside == [published.URL]  # the citation
    assert not re.search(r"@import|url\((?!#)", (written_report / "index.html").read_text("utf-8"))
    pictures = [link for tag, _, link in page.links if tag == "img"]
    assert len(pictures) == 2 + 2 + 1  # examples, their weighted images, one worst slice
    assert page.tags.count("svg") >= 2 + 1 + 2 + 1  # agreement, PSNR, calibration, forest


def test_every_number_of_the_page_is_in_the_json_and_the_csv(page, written_report):
    known = set(numbers_of(json.loads((written_report / "tables.json").read_text())))
    with (written_report / "tables.csv").open() as file:
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


def test_every_number_subjects_read_is_in_the_csv(page, written_report):
    """Cells and the first paragraph: what stands there is a value of the csv, rounded as it stands.

    Left out: names of places and slices in the first column, and what the test's name already says.
    """
    with (written_report / "tables.csv").open() as file:
        rows = [row["value"] for row in csv.DictReader(file)]
    known = np.array([float(v) for v in rows if re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?", v)])
    opening = page.paragraph.replace("90 % interval", "")
    checked = 0
    for text in [*page.cells, opening]:
        for figure in FIGURE.findall(text):
            value, digits = float(figure.replace("−", "-")), len(figure.partition(".")[2])
            assert np.abs(known - value).min() <= 0.5001 * 10**-digits, (figure, text)
            checked += 1
    assert checked > 900


def test_every_mark_of_a_plot_tells_numbers_that_are_in_the_csv(page, written_report):
    """What appears when pointing at a mark is what the csv holds, rounded."""
    with (written_report / "tables.csv").open() as file:
        known = {row["value"] for row in csv.DictReader(file)}
    assert len(page.marks) > 200
    for values, words in page.marks:
        said = [float(n.replace("−", "-")) for n in re.findall(r"[+−]?\d+\.\d+", words)]
        assert said
        for value in values.split():
            assert value in known, (value, words)
            assert any(abs(float(value) - n) <= 0.0501 for n in said), (value, words)


def test_every_number_of_the_tables_is_in_the_csv(written_report):
    """tables.csv and tables.json hold the same: each row's leaves, by the same names."""
    document = json.loads((written_report / "tables.json").read_text())["tables"]
    with (written_report / "tables.csv").open() as file:
        saved = {(r["table"], r["row"], r["quantity"]): r["value"] for r in csv.DictReader(file)}
    assert saved["places", "GM T1 (ms), trained", "value.mean"]
    for table, rows in document.items():
        for row in rows:
            for path, value in leaves(row):
                assert saved.pop((table, row["row"], path)) == str(value)
    assert not saved


def test_what_every_method_reads_is_on_the_page(page, cohort_and_examples):
    text = " ".join(" ".join(page.words).split())
    for row in (r for r in compute_tables(cohort_and_examples[0])["places"] if r.kind == "tissue"):
        assert number(row.value.mean, MAPS[row.map].digits) in text
        assert number(row.difference_percent, 2, signed=True) in text


def test_the_latex_tables_hold_ours_and_the_papers(written_report, cohort_and_examples):
    text = (written_report / "tables.tex").read_text("utf-8")
    labels = re.findall(r"\\label\{tab:(\w+)\}", text)
    assert len(labels) == len(set(labels)) == text.count(r"\begin{table}")
    assert {
        "verdict",
        "error_shares",
        "tissues",
        "lesions_kept",
        "tissue_means",
        "region_means",
        "lesion_means",
        "quality",
    } < {*labels}
    assert "niqe_values" not in labels  # no NIQE here
    assert "1230.17 (34.12)" in text
    for row in compute_tables(cohort_and_examples[0])["error_shares"]:
        assert f"= {row.share['trained'].value:.2f} (" in text
    words = re.sub(r"\\label.*|(?<!\\)\$[^$]*\$", "", text.partition("\n")[2])
    assert not re.search(r"(?<!\\)[%_#]", words)


def test_values_csv_is_tidy(written_report, cohort_and_examples):
    cohort, _ = cohort_and_examples
    with (written_report / "values.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(cohort.values)
    assert {row["kind"] for row in rows} >= {
        "image", "slice", "tissue", "region", "lesion", "calibration", "lesion contrast",
        "synthetic contrast", "noise and resolution", "error by place", "air",
        "matched control",
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


def test_two_healthy_subjects_are_said_to_be_too_few(tmp_path, rng):
    cohort, _ = make_cohort(rng, healthy=2, patients=1, slices=2)
    write_report(tmp_path / "r", cohort=cohort, shown=make_shown([]), about=make_about())
    assert "too few" in (tmp_path / "r" / "index.html").read_text("utf-8")
