"""A value that is missing, or no number, costs its own comparison and not the table."""

import numpy as np
import pytest

from qsr_jax.agreement_report import agreement
from qsr_jax.agreement_report.cells import TableError
from qsr_jax.statistics import Outcome

SUBJECTS = 12
WM = "t1 WM, trained vs routine"


@pytest.fixture
def rows(rng):
    """Twelve subjects, two regions, two methods that agree."""
    made = []
    for region, mean in (("GM", 1200.0), ("WM", 850.0)):
        for i, value in enumerate(rng.normal(mean, 40.0, SUBJECTS)):
            for method, noise in (("routine", 0.0), ("trained", rng.normal(0.0, 4.0))):
                made.append(
                    {"subject": f"p{i}", "region": region, "map": "t1", "unit": "ms",
                     "method": method, "value": value + noise}
                )  # fmt: skip
    return made


def found(rows, **options):
    return agreement(rows, **{"reference": "routine", "margin_percent": 5.0} | options)


def change(rows, value, *, subject="p3", region="GM", method="trained"):
    """Another value in one cell."""
    key = (subject, region, method)
    return [
        row | {"value": value} if (row["subject"], row["region"], row["method"]) == key else row
        for row in rows
    ]


CAUSES = {
    "": "value is empty",
    "ten": "value 'ten', expected a positive number",
    "-3": "value '-3', expected a positive number",
    "inf": "value 'inf', expected a positive number",
    "nan": "value 'nan', a missing value",
    "n/a": "value 'n/a', a missing value",
    "1234,5": r"value '1234,5', a decimal comma\? write 1.5, not 1,5",
    "1_000.5": r"value '1_000.5', marks between thousands\? write 1000.5",
    "1'000.5": 'value "1\'000.5", marks between thousands',
    "1200 ms": "value '1200 ms', the unit belongs into its own column",
}


@pytest.mark.parametrize("cell", CAUSES)
def test_a_bad_cell_costs_one_comparison_and_says_its_cause(rows, cell):
    result = found(change(rows, cell))
    (missing,) = result.missing
    assert str(missing.endpoint) == "t1 GM, trained vs routine"
    assert missing.mean.outcome is Outcome.NOT_COMPUTED
    with pytest.raises(ValueError, match=CAUSES[cell]):
        raise ValueError(missing.missing)
    assert "1 subject with one method and not the other (p3) [row " in missing.missing
    assert [str(c.endpoint) for c in result.comparisons] == [WM]


@pytest.mark.parametrize("cell", [None, [1.0], float("nan"), np.nan])
def test_what_no_number_is_in_memory_is_missing_too(rows, cell):
    assert len(found(change(rows, cell)).missing) == 1


def test_a_missing_subject_costs_one_comparison(rows):
    key = ("p3", "GM", "trained")
    short = [r for r in rows if (r["subject"], r["region"], r["method"]) != key]
    assert len(found(short).missing) == 1
    kept = found(short, complete_cases=True)
    assert not kept.missing and [row.count for row in kept.rows] == [SUBJECTS - 1, SUBJECTS]
    left_out = found(short, exclude="p3")
    assert [row.count for row in left_out.rows] == [SUBJECTS - 1] * 2
    assert left_out.comparisons[0].paired_t == kept.comparisons[0].paired_t


def test_the_others_are_what_they_are_without_the_bad_one(rows):
    alone = found([row for row in rows if row["region"] == "WM"])
    beside = found(change(rows, "oops"))
    assert [c for c in beside.comparisons if c.endpoint.region == "WM"] == alone.comparisons


def test_an_excluded_subject_that_is_not_there_is_told(rows):
    with pytest.raises(TableError, match="excluded subject 'p99' is not in the table; it has p0"):
        found(rows, exclude=["p3", "p99"])


def test_two_subjects_are_too_few_and_nobody_is_not_computed(rows):
    few = [r for r in rows if r["region"] == "WM" or r["subject"] in ("p0", "p1")]
    (missing,) = found(few).missing
    assert missing.mean.outcome is missing.individual.outcome is Outcome.TOO_FEW
    assert missing.missing == "n = 2 subjects; at least 3 are needed"
    no_reference = [r for r in rows if (r["region"], r["method"]) != ("GM", "routine")]
    (missing,) = found(no_reference).missing
    assert missing.missing == "routine has no values there"


def test_zero_variance_costs_one_comparison(rows):
    flat = [
        r | {"value": 1200.0} if r["region"] == "GM" and r["method"] == "trained" else r
        for r in rows
    ]
    result = found(flat)
    (missing,) = result.missing
    assert missing.missing == "zero variance: all test values equal 1200"
    assert missing.mean.outcome is not Outcome.NOT_COMPUTED
    assert [str(c.endpoint) for c in result.comparisons] == [WM]
    same = [r | {"value": 7.0} for r in rows if r["region"] == "GM"]
    (missing,) = found([*same, *(r for r in rows if r["region"] == "WM")]).missing
    assert missing.mean.outcome is Outcome.NOT_COMPUTED
    assert "zero variance: all differences equal 0" in missing.mean.reason


def test_a_table_without_one_whole_comparison_is_refused(rows):
    with pytest.raises(TableError, match="nothing can be compared; t1 GM, trained vs routine: n ="):
        found([r for r in rows if r["subject"] in ("p0", "p1")])


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"reference": "truth"}, "expected the reference 'truth' and another method, got routine"),
        ({"test": "fast"}, "expected the reference 'routine' and 'fast', got routine, trained"),
        ({"test": "routine"}, "'routine' is the reference; it cannot be tested as well"),
        ({"where": {"method": "routine"}}, "and another method, got routine"),
    ],
)
def test_methods_that_are_not_there_are_told(rows, options, reason):
    with pytest.raises(TableError, match=reason):
        found(rows, **options)
