"""Degenerate input to the agreement statistics is an error that says which."""

import dataclasses

import numpy as np
import pytest

from qsr_jax import statistics
from qsr_jax.statistics import Endpoint, Plan

GOOD = np.array([10.0, 12.0, 11.0, 14.0, 13.0])
ODD = np.array([1.0, 2.0, 3.0, 2.0, 1.5])
PLAN = Plan(0.05, 5.0, {}, 1.0, 0, "bca", 0)

NEW = {
    "proportional_bias": statistics.proportional_bias,
    "deming": lambda x, y: statistics.deming(x, y, error_ratio=1.0),
    "passing_bablok": statistics.passing_bablok,
    "concordance": statistics.concordance,
    "icc_agreement": statistics.icc_agreement,
    "icc_consistency": statistics.icc_consistency,
    "signed_rank": statistics.signed_rank,
}
DEGENERATE = {
    "unequal lengths": (GOOD, GOOD[:3]),
    "at least": (GOOD[:2], GOOD[:2] + [1, 2]),
    "NaN or infinite": (GOOD, np.array([1.0, 2.0, np.nan, 4.0, 5.0])),
    "zero variance": (np.full(5, 7.0), np.full(5, 5.0)),
}


@pytest.mark.parametrize("reason", DEGENERATE)
@pytest.mark.parametrize("name", NEW)
def test_degenerate_input_says_which(name, reason):
    with pytest.raises(ValueError, match=reason):
        NEW[name](*DEGENERATE[reason])


@pytest.mark.parametrize("name", ["passing_bablok", "signed_rank"])
def test_ranks_are_over_subjects(name):
    with pytest.raises(ValueError, match="one number per subject"):
        NEW[name](np.stack([GOOD, GOOD + ODD], 1), np.stack([GOOD, GOOD], 1))


def test_many_comparisons_have_their_own_axis():
    """(comparisons, n) could mean n subjects of k tissues: refused, not guessed."""
    with pytest.raises(ValueError, match=r"shape \(2, 5\): expected one number per subject"):
        statistics.paired_t(np.stack([GOOD + ODD, GOOD - ODD]), np.stack([GOOD, GOOD]))
    with pytest.raises(ValueError, match=r"shape \(\): expected one number per subject"):
        statistics.paired_t(1.0, 2.0)


def test_which_of_many_is_said():
    test = np.stack([GOOD + ODD, GOOD + 1.0])[..., None]
    with pytest.raises(statistics.DegenerateError, match="^comparison 1: zero variance") as caught:
        statistics.paired_t(test, np.stack([GOOD, GOOD])[..., None])
    assert (caught.value.index, caught.value.reason[:13]) == ((1,), "zero variance")


def test_a_line_that_does_not_exist_among_many_is_nan():
    flat = [[1.0, 6.0, 2.0, 9.0, 1.0, 5.0], [6.1, 2.0, 7.2, 1.1, 5.0, 6.0]]
    line = statistics.passing_bablok(np.array(flat)[..., None], np.array([flat[1]] * 2)[..., None])
    assert np.isnan(line.slope).tolist() == [True, False]


@pytest.mark.parametrize("margins", [{}, {"margin": 1.0, "margin_percent": 5.0}])
def test_one_margin_is_stated(margins):
    with pytest.raises(ValueError, match="state one margin"):
        statistics.equivalence(GOOD + ODD, GOOD, alpha=0.05, **margins)


def test_both_margins_are_said():
    percent = statistics.equivalence(GOOD + ODD, GOOD, alpha=0.05, margin_percent=50.0)
    assert (percent.margin, percent.stated) == (6.0, "percent")
    units = statistics.equivalence(GOOD + ODD, GOOD, alpha=0.05, margin=6.0)
    assert (units.margin_percent, units.stated) == (pytest.approx(50.0), "units")
    assert units.interval == percent.interval
    assert units.interval_percent is None


def test_percent_of_a_mean_that_may_be_zero_is_refused():
    spread = np.array([-30.0, 40.0, 10.0, -20.0, 5.0])
    with pytest.raises(ValueError, match="mean may be zero, so percent has no meaning"):
        statistics.equivalence(spread + ODD, spread, alpha=0.05, margin_percent=5.0)


@pytest.mark.parametrize("alpha", [0.0, 0.5, float("nan")])
def test_alpha_is_a_level(alpha):
    with pytest.raises(ValueError, match="alpha must lie between"):
        statistics.equivalence(GOOD + ODD, GOOD, alpha=alpha, margin=1.0)


@pytest.mark.parametrize("ratio", [0.0, -1.0, float("nan"), float("inf")])
def test_a_ratio_of_variances_is_positive(ratio):
    with pytest.raises(ValueError, match="ratio of error variances must be positive"):
        statistics.deming(GOOD + ODD, GOOD, error_ratio=ratio)


def test_lines_that_do_not_exist():
    flat = np.array([1.0, -1.0, -1.0, 1.0]) + 5.0
    with pytest.raises(ValueError, match="uncorrelated"):
        statistics.deming(flat, [1.0, 2.0, 3.0, 4.0], error_ratio=1.0)
    with pytest.raises(ValueError, match="without one of the subjects"):
        statistics.deming([1.0, 3.0, 4.0], [5.0, 5.0, 7.0], error_ratio=1.0)
    with pytest.raises(ValueError, match="n = 4 subjects; at least 5"):
        statistics.passing_bablok(GOOD[:4] + ODD[:4], GOOD[:4])
    many = np.arange(2001.0)
    with pytest.raises(ValueError, match="n = 2001 subjects; above 2000"):
        statistics.passing_bablok(many + many % 3, many)
    with pytest.raises(ValueError, match="hardly rise together"):
        statistics.passing_bablok([1.0, 6.0, 2.0, 9.0, 1.0, 5.0], [6.0, 2.0, 7.0, 1.0, 5.0, 6.0])
    with pytest.raises(ValueError, match="means of both are equal"):
        statistics.proportional_bias(20.0 - GOOD, GOOD)


@pytest.mark.parametrize("low", [0.0, -3.0])
def test_percent_needs_positive_values(low):
    test = GOOD + ODD
    test[0] = low
    for statistic in (
        lambda: statistics.bland_altman(test, GOOD, unit="%"),
        lambda: statistics.variation(test, GOOD),
    ):
        with pytest.raises(ValueError, match="zero or negative"):
            statistic()


def test_the_same_percentage_everywhere_is_no_spread():
    with pytest.raises(ValueError, match="differences in percent are equal"):
        statistics.bland_altman(1.1 * GOOD, GOOD, unit="%")


def test_percent_of_percent_is_said_apart():
    """PD is in percent itself: its difference in units is not the relative one."""
    units = statistics.bland_altman(GOOD + ODD, GOOD, unit="%", percent=False)
    assert (units.unit, units.bias) == ("%", pytest.approx(ODD.mean()))
    assert statistics.bland_altman(GOOD + ODD, GOOD, unit="%").bias > 10.0


def test_bootstrap_of_too_few():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n = 19 subjects; at least 20"):
        statistics.draw_subjects(rng, 19, resamples=1000)
    with pytest.raises(ValueError, match="99 samples; at least 100"):
        statistics.draw_subjects(rng, 20, resamples=99)
    pairs = statistics.pair(GOOD + ODD, GOOD)
    with pytest.raises(ValueError, match=r"counts \(100, 8\), expected \(resamples, 5\)"):
        statistics.bootstrap(pairs, np.ones((100, 8)), method="bca")
    with pytest.raises(ValueError, match="bootstrap 'normal' is not one of bca, percentile"):
        statistics.bootstrap(pairs, np.ones((100, 5)), method="normal")


def test_an_interval_that_ties_make_impossible_is_left_out(rng):
    reference = np.array([[10.0] * 18 + [11.0, 12.0]])
    test = reference + rng.normal(0, 0.1, (1, 20))
    endpoint = Endpoint("t2", "GM", "ms", "a", "b")
    plan = dataclasses.replace(PLAN, resamples=1000, bootstrap="percentile")
    (result,) = statistics.compare([endpoint], test, reference, plan=plan)
    assert "cv_between" in result.bootstrap
    assert "slope" not in result.bootstrap


@pytest.mark.parametrize("p", [[], [0.5, 1.1], [float("nan")], [[0.1]]])
def test_p_values_are_probabilities(p):
    with pytest.raises(ValueError, match="P values between 0 and 1"):
        statistics.adjust(p)


def test_a_bad_comparison_says_why_and_the_others_stand():
    """Zero variance, a missing value, a zero where percent is asked for: all in one table."""
    test = np.stack([GOOD + ODD, GOOD + 1.0, GOOD + ODD, GOOD + ODD, GOOD + ODD])
    test[2, 1], test[3, 0] = np.nan, 0.0
    endpoints = [Endpoint("t1", str(i), "ms", "a", "b") for i in range(5)]
    found = statistics.compare(endpoints, test, np.stack([GOOD] * 5), plan=PLAN)
    assert found[1] == "zero variance: all differences equal 1"
    assert found[2].startswith("a value is NaN or infinite")
    assert "zero or negative" in found[3]
    (alone,) = statistics.compare(endpoints[:1], test[:1], [GOOD], plan=PLAN)
    for good in (found[0], found[4]):
        assert good.paired_t.p == pytest.approx(alone.paired_t.p, rel=1e-12)
        assert good.deming.slope == pytest.approx(alone.deming.slope, rel=1e-12)


def test_two_subjects_are_said_to_be_too_few():
    endpoints = [Endpoint("t1", "GM", "ms", "a", "b")]
    found = statistics.compare(endpoints, [GOOD[:2] + ODD[:2]], [GOOD[:2]], plan=PLAN)
    assert found == ["n = 2 subjects; at least 3 are needed"]


def test_rows_and_endpoints_belong_together():
    endpoints = [Endpoint("t1", r, "ms", "a", "b") for r in ("GM", "WM")]
    with pytest.raises(ValueError, match=r"test \(1, 5\), reference \(1, 5\): expected two of"):
        statistics.compare(endpoints, [GOOD + ODD], [GOOD], plan=PLAN)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bootstrap": "jackknife"}, "'jackknife' is not one of bca, percentile"),
        ({"margin_percent": 0.0}, "margin of 0 %, expected a positive number"),
        ({"margins": {"t2": float("nan")}}, "margin of t2 of nan, expected a positive number"),
    ],
)
def test_a_plan_makes_sense(change, reason):
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(PLAN, **change)


def test_small_groups_get_what_exists():
    endpoint = Endpoint("t1", "GM", "ms", "a", "b")
    plan = dataclasses.replace(PLAN, resamples=500)
    (result,) = statistics.compare([endpoint], [GOOD[:4] + ODD[:4]], [GOOD[:4]], plan=plan)
    assert (result.n, result.passing_bablok, result.bootstrap) == (4, None, None)
    assert result.equivalence_units is None
    assert result.signed_rank.interval.level == pytest.approx(1 - 2 / 16)
