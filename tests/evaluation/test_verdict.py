"""The verdict on planted methods: what ignores the patient, what loses lesions, what is exact."""

import dataclasses
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from planted_cohort import LEVELS, exact, planted, population_mean

from qsr_jax import statistics
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.report.opening import opening
from qsr_jax.evaluation.report.terminal import summary
from qsr_jax.evaluation.sections import regions
from qsr_jax.evaluation.sections.lesions_kept import kept_rows, kept_table
from qsr_jax.evaluation.sections.places import family_rows, place_rows
from qsr_jax.evaluation.sections.summary import share_rows, tables
from qsr_jax.formats.html import to_html
from qsr_jax.formats.plots import BLUE
from qsr_jax.maps import MAPS
from qsr_jax.statistics import LEAST_SUBJECTS, Outcome


@pytest.fixture
def rng():
    return np.random.default_rng(13)


def trained(cohort, kind="tissue"):
    return [r for r in cohort.rows(place_rows) if (r.kind, r.method) == (kind, "trained")]


def family(cohort, question, method="trained"):
    (row,) = (
        r
        for r in cohort.rows(family_rows)
        if (r.kind, r.method, r.question) == ("tissue", method, question)
    )
    return row


def test_a_print_of_the_population_mean_fails_the_individual_verdict(rng):
    cohort = planted(rng, population_mean)
    assert family(cohort, "mean").everywhere == "shown"
    assert family(cohort, "individual").everywhere == "not shown"
    assert not any(row.individual.shown for row in trained(cohort))
    first = opening(cohort)[0]
    assert "on average shown" in first
    assert "in individuals not shown" in first


def test_a_model_that_is_routine_passes_both(rng):
    cohort = planted(rng, exact)
    for question in ("mean", "individual"):
        assert family(cohort, question).everywhere == "shown"
        assert family(cohort, question).shown == 6
    rows = trained(cohort)
    assert len(rows) == len(LEVELS) * 3
    assert all(row.no_worse[m].shown for row in rows for m in ("fast", "bicubic"))
    assert all(row.mean.interval and row.individual.interval for row in rows)
    assert "not shown" not in opening(cohort)[0]
    assert not any("Further from routine" in said for said in opening(cohort))


@pytest.mark.parametrize("n", [3, LEAST_SUBJECTS - 1])
def test_few_subjects_decide_nothing(rng, n):
    cohort = planted(rng, exact, healthy=n)
    assert {row.mean.outcome for row in trained(cohort)} == {Outcome.TOO_FEW}
    assert {row.individual.outcome for row in trained(cohort)} == {Outcome.TOO_FEW}
    assert "too few subjects to decide" in opening(cohort)[0].lower()
    assert f"(n = {n}, {LEAST_SUBJECTS} are needed)" in opening(cohort)[0]
    page = "".join(map(to_html, tables(cohort)))
    assert 'class="good"' not in page
    assert 'class="bad"' not in page


def test_a_margin_below_repeatability_is_not_decided(rng):
    """A retest that differs by 5 %, a coefficient of 10 %, leaves ±5 % of a subject undecidable."""
    cohort = planted(rng, exact, retest=0.05)
    assert {row.individual.outcome for row in trained(cohort)} == {Outcome.UNDECIDABLE}
    assert all(row.repeatability.percent > 5.0 for row in trained(cohort))
    assert "retest (%)" in "".join(map(to_html, tables(cohort)))


def test_lost_lesions_come_first_and_are_counted(rng):
    cohort = planted(rng, exact, patients=3, shown=(5, 1))
    for row in cohort.rows(kept_rows):
        assert (row.n_lesions, row.n_subjects) == (15, 3)
        assert (row.present["trained"], row.lost["trained"], row.lost["bicubic"]) == (3, 12, 0)
        assert row.error_percent["trained"] == pytest.approx(-16.0)
        assert (row.n_large, row.shown_large, row.lost_large["trained"]) == (6, 6, 3)
    said = opening(cohort)
    assert said[0].startswith(
        "Lesions are lost (T1 12 of 15 that routine shows, 3 of 6 of 20 voxels or more);"
    )
    assert "Of 15 lesions trained shows: T1 3 (routine 15" in said[1]
    assert "worse than" in said[2]
    assert "T1 −16.0 % (bicubic 0.0)" in said[2]
    assert 'lost (<data value="3">3</data> large)' in to_html(next(iter(kept_table(cohort))))
    assert summary(cohort).startswith("Lesions are lost (T1 12 of 15")


def test_lesions_that_are_kept_are_not_called_lost(rng):
    cohort = planted(rng, exact, patients=2)
    assert "lost" not in " ".join(opening(cohort))


def test_where_trained_is_further_off_than_fast_is_named_with_both_numbers(rng):
    cohort = planted(rng, lambda routine, *_: 1.02 * routine, fast_off=1.01)
    said = next(s for s in opening(cohort) if s.startswith("Further from routine"))
    for tissue in LEVELS:
        for spec in MAPS.values():
            found = re.search(rf"{tissue} {spec.label} \+2\.00 % \(fast \+(\d\.\d\d)", said)
            assert float(found[1]) == pytest.approx(1.0, abs=0.3)


def test_the_error_against_the_truth_is_in_parts_of_routines_own(rng):
    cohort = planted(rng, exact)
    for row in cohort.rows(share_rows):
        assert (row.place, row.reference, row.base, row.n) == ("parenchyma", "truth", "routine", 31)
        ours = row.share["trained"]
        assert ours.value == pytest.approx(0.8, abs=0.03)
        assert ours.interval.low < 0.8 < ours.interval.high
        assert row.share["bicubic"].value == pytest.approx(1.5, abs=0.05)
    assert "below 1: nearer to the truth" in opening(cohort)[-1]


def test_what_is_written_into_air_is_named(rng):
    said = next(s for s in opening(planted(rng, exact, air=19.6)) if s.startswith("Worst"))
    assert "air PD 19.6 % (routine 2.0)" in said


def test_the_page_decides_by_the_rule_of_the_statistics(rng):
    """Rows and families are those of decide_family on the same verdicts, Holm and all."""
    cohort = planted(rng, lambda routine, _, r: routine * (1.045 + 0.016 * r.standard_normal()))
    rows = [r for r in trained(cohort) if r.place in ("GM", "WM")]
    plain = {
        r.row: statistics.mean_verdict(*columns(cohort, r.place, r.map), margin_percent=5.0)
        for r in rows
    }
    each = statistics.decide_family(plain, rule="each")
    assert {r.row: r.mean.outcome for r in rows} == {k: v.outcome for k, v in each.members.items()}
    assert each.shown < sum(v.shown for v in plain.values())  # the correction is not idle here
    together = statistics.decide_family(plain, rule="all")
    assert family(cohort, "mean").everywhere == together.outcome.value
    assert family(cohort, "mean").shown == each.shown


def columns(cohort, place, name):
    found = [cohort.of("tissue", place, name, "mean", m) for m in ("trained", "routine")]
    return [np.array([column[s] for s in cohort.group]) for column in found]


def test_one_subject_without_a_value_costs_only_its_own_comparison(rng):
    cohort = planted(rng, exact)
    gone = next(v for v in cohort.values if (v.place, v.method, v.map) == ("GM", "fast", "t1"))
    left = type(cohort)([v for v in cohort.values if v is not gone])
    rows = {(r.place, r.map, r.method): r.n for r in left.rows(place_rows)}
    assert rows["GM", "t1", "fast"] == 30
    assert rows["GM", "t1", "trained"] == 31


def test_the_forest_is_filled_by_the_rule_of_its_table(rng):
    """Regions where Holm takes some single claims away: a mark is filled where one stands."""
    tissues = planted(rng, lambda routine, _, r: routine * (1.045 + 0.016 * r.standard_normal()))
    values = [
        dataclasses.replace(v, kind="region") if v.kind == "tissue" else v for v in tissues.values
    ]
    cohort = Cohort(values)
    rows = {r.row: r.mean.shown for r in trained(cohort, "region")}
    assert 0 < sum(rows.values()) < len(rows)
    root = ElementTree.fromstring(regions.plots(cohort)["forest"])
    marks = [g for g in root.iter("g") if g.get("class") == "v"]
    ours = [g for g in marks if "trained" in g.find("title").text]
    filled = [BLUE.lower() in g.find("use").get("style").lower() for g in ours]
    assert sum(filled) == sum(rows.values())
    assert filled == [g.find("title").text.endswith(": shown") for g in ours]
    assert len(ours) == len(rows)
