"""The first paragraph: true to the tables, blunt about failure, silent where nothing is shown."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import make_case, make_cohort, make_predictions

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.measure.subject import measure
from qsr_jax.evaluation.report.opening import opening
from qsr_jax.formats.numbers import against, joined, number, p_value, pair, plural
from qsr_jax.maps import MAPS

QUIET, NOISY = (1.0, 0.1, 0.1), (3000.0, 300.0, 300.0)


def paragraph(cohort):
    return " ".join(opening(cohort))


def test_numbers():
    assert number(-1.25, 1) == "−1.2"
    assert number(0.5, 2, signed=True) == "+0.50"
    assert number(-0.001, 2, signed=True) == "0.00"
    assert [p_value(p) for p in (0.0004, 0.0168, 0.6694, 1.0)] == ["<.001", ".017", ".669", "1.000"]
    assert joined(["a"]) == "a"
    assert joined(["a", "b", "c"]) == "a, b and c"
    assert (plural(1, "subject"), plural(2, "subject")) == ("1 subject", "2 subjects")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (0.84, 4.83, "0.84 against 4.83 %"),
        (0.5714, 0.5678, "0.571 against 0.568 %"),
        (0.57141, 0.57139, "0.57141 against 0.57139 %"),
        (0.5714, 0.5714, "equal, 0.57 %"),
    ],
)
def test_compared_numbers_are_told_apart(first, second, told):
    assert against(first, second, 2, "%") == told
    assert len(set(pair(first, second, 2))) == (1 if first == second else 2)


def test_the_numbers_are_those_of_the_tables(cohort_and_examples):
    cohort, _ = cohort_and_examples
    text, tables = paragraph(cohort), compute_tables(cohort)
    for row in tables["error_shares"]:
        assert f"{MAPS[row.map].label} {number(row.share['trained'].value, 2)} (" in text
    rows = {(r.place, r.map, r.method): r.difference_percent for r in tables["places"]}
    for (place, name, method), off in rows.items():
        further = abs(off) > min(abs(rows[place, name, m]) for m in ("fast", "bicubic"))
        if method == "trained" and place in ("GM", "WM", "CSF"):
            told = f"{place} {MAPS[name].label} {number(off, 2, signed=True)} % (fast"
            assert (told in text) == further


@pytest.mark.parametrize("noise", [QUIET, NOISY])
def test_a_large_p_never_becomes_a_claim(noise):
    cohort, _ = make_cohort(np.random.default_rng(3), patients=0, gain=1.0, noise=noise)
    text = paragraph(cohort)
    for words in ("no difference", "no significant", "identical", "not different", "agrees"):
        assert words not in text
    assert text.startswith("Too few subjects to decide")


def test_two_subjects_have_no_intervals_at_all(rng):
    text = paragraph(make_cohort(rng, healthy=2, patients=0)[0])
    assert "(n = 2, 10 are needed)" in text
    assert "interval" not in text


def test_without_labels_nothing_is_decided(rng):
    values = []
    for i in range(3):
        case = dataclasses.replace(make_case(rng, subject=str(i)), truth=None)
        values += measure(case, make_predictions(rng, case), split="test")
    text = paragraph(Cohort(values))
    assert text.startswith("Without labels of tissues nothing is decided.")
    assert "Error in brain against routine, as a share of fast’s own" in text


def test_lesions_count_whoever_has_them(rng):
    """A tree without a table of groups calls everybody healthy; one lesion lacks a reading."""
    cohort, _ = make_cohort(rng)
    everybody = [dataclasses.replace(v, group="healthy") for v in cohort.values]
    found, wanted = (compute_tables(c)["lesions_kept"] for c in (Cohort(everybody), cohort))
    assert found == wanted
    assert all(row.error_percent for row in found)
    assert "Worst of trained against routine: lesions" in paragraph(Cohort(everybody))
    lesion = next(v.place for v in everybody if v.kind == "lesion")
    lacking = [v for v in everybody if (v.kind, v.place, v.method) != ("lesion", lesion, "trained")]
    assert "Worst of trained" in paragraph(Cohort(lacking))
    assert compute_tables(Cohort(lacking))["lesions"]
