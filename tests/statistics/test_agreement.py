"""Statistics against scipy, statsmodels, the paper's Table 3, and truths put in by hand."""

import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from qsr_jax import statistics
from qsr_jax.evaluation.sections.published import TABLE_3, TABLE_3_P_PAIRED

TWO = {
    "paired_t": statistics.paired_t,
    "equivalence": lambda x, y: statistics.equivalence(x, y, margin=1.0, alpha=0.05),
    "bland_altman": lambda x, y: statistics.bland_altman(x, y, unit="ms"),
    "bland_altman_percent": lambda x, y: statistics.bland_altman(x, y, unit="%"),
    "regress": statistics.regress,
    "variation": statistics.variation,
}
GOOD = np.array([10.0, 12.0, 11.0, 14.0])


@pytest.fixture
def subjects(rng):
    """(test, reference) of 20 subjects: slope 0.9, offset 100, noise 10 ms."""
    reference = rng.normal(1000, 50, 20)
    return 0.9 * reference + 100 + rng.normal(0, 10, 20), reference


@pytest.mark.parametrize("name", TABLE_3_P_PAIRED)
def test_table_3_of_the_paper(name):
    """Golden: recomputed from the printed table; the paper's own P for PD is the unpaired one."""
    network, routine = zip(*(getattr(lesion, name) for lesion in TABLE_3), strict=True)
    p = statistics.paired_t(network, routine).p
    digits = 4 if name == "pd" else 3
    assert round(p, digits) == TABLE_3_P_PAIRED[name]


def test_the_papers_p_of_pd_is_the_unpaired_one():
    network, routine = zip(*(lesion.pd for lesion in TABLE_3), strict=True)
    assert stats.ttest_ind(network, routine).pvalue == pytest.approx(0.75, abs=0.005)


def test_paired_t_agrees_with_scipy(subjects):
    ours, theirs = statistics.paired_t(*subjects), stats.ttest_rel(*subjects)
    low, high = theirs.confidence_interval(0.95)
    expected = theirs.statistic, theirs.pvalue, low, high
    np.testing.assert_allclose(
        (ours.t, ours.p, ours.interval.low, ours.interval.high), expected, rtol=1e-10
    )


@pytest.mark.parametrize("margin", [3.0, 12.0, 60.0])
def test_equivalence_agrees_with_statsmodels(subjects, margin):
    ours = statistics.equivalence(*subjects, margin=margin, alpha=0.05)
    p, _, _ = ttost_paired(*subjects, -margin, margin)
    assert ours.p == pytest.approx(p, rel=1e-10)
    low, high = stats.ttest_rel(*subjects).confidence_interval(0.90)
    assert (ours.interval.low, ours.interval.high) == pytest.approx((low, high), rel=1e-10)
    assert ours.interval.level == pytest.approx(0.90)
    inside = -margin < ours.interval.low and ours.interval.high < margin
    assert ours.equivalent == inside == (p < 0.05)


def test_a_large_p_is_not_equivalence(rng):
    """Three noisy subjects: the t-test sees nothing, and TOST does not call that agreement."""
    reference = np.array([1000.0, 1010.0, 990.0])
    test = reference + np.array([-150.0, 160.0, 10.0])
    assert statistics.paired_t(test, reference).p > 0.5
    assert not statistics.equivalence(test, reference, margin=50.0, alpha=0.05).equivalent


def test_regression_agrees_with_statsmodels(subjects):
    test, reference = subjects
    ours = statistics.regress(test, reference)
    theirs = sm.OLS(test, sm.add_constant(reference)).fit()
    np.testing.assert_allclose((ours.intercept, ours.slope), theirs.params, rtol=1e-9)
    assert ours.r_squared == pytest.approx(theirs.rsquared, rel=1e-9)
    for mine, (low, high) in zip(
        (ours.intercept_interval, ours.slope_interval), theirs.conf_int(), strict=True
    ):
        assert (mine.low, mine.high) == pytest.approx((low, high), rel=1e-8)


def test_bland_altman_by_hand():
    test, reference = GOOD + [1.0, 2.0, 3.0, 2.0], GOOD
    result = statistics.bland_altman(test, reference, unit="ms")
    sd = np.sqrt(2 / 3)
    assert (result.bias, result.sd) == pytest.approx((2.0, sd))
    assert (result.low, result.high) == pytest.approx((2 - 1.959964 * sd, 2 + 1.959964 * sd))
    percent = statistics.bland_altman([110.0, 90.0, 101.0], [100.0, 100.0, 100.0], unit="%")
    assert percent.bias == pytest.approx(100 * np.mean([10 / 105, -10 / 95, 1 / 100.5]))


def test_limits_have_the_coverage_they_claim(rng):
    """At n = 4, where the usual approximation fails: 95 % of 2000 intervals hold the true limit."""
    reference = np.full((2000, 4, 1), 1000.0)
    test = reference + rng.normal(0.0, 3.0, reference.shape)
    limits = statistics.bland_altman(test, reference, unit="ms").high_interval
    assert limits.covers(statistics.LIMIT_Z * 3.0).mean() == pytest.approx(0.95, abs=0.02)


def test_limit_intervals_approach_bland_and_altmans_formula(rng):
    """For many subjects: half width 1.96 s sqrt(1/n + z^2 / (2 (n - 1))), the paper of 1999."""
    d = rng.normal(0.0, 3.0, 1500)
    result = statistics.bland_altman(1000 + d, np.full(1500, 1000.0), unit="ms")
    half = 1.96 * result.sd * np.sqrt(1 / 1500 + 1.96**2 / (2 * 1499))
    width = result.low_interval.high - result.low_interval.low
    assert width == pytest.approx(2 * half, rel=0.01)


def test_pooled_points_do_not_count_as_subjects(rng):
    """Two tissues that err together: the interval is that of the subjects' means, and wider."""
    reference = np.stack([rng.normal(1200, 30, 8), rng.normal(800, 30, 8)], axis=1)
    test = reference + rng.normal(5, 10, (8, 1)) + rng.normal(0, 1, (8, 2))
    pooled = statistics.bland_altman(test, reference, unit="ms")
    means = statistics.paired_t(test.mean(1), reference.mean(1))
    assert (pooled.n, pooled.points) == (8, 16)
    assert pooled.bias == pytest.approx(means.difference)
    ours = pooled.bias_interval
    assert (ours.low, ours.high) == pytest.approx((means.interval.low, means.interval.high))
    naive = statistics.bland_altman(test.ravel(), reference.ravel(), unit="ms").bias_interval
    assert ours.high - ours.low > 1.3 * (naive.high - naive.low)
    fit = statistics.regress(test, reference)
    assert (fit.n, fit.points) == (8, 16)
    assert fit.slope in fit.slope_interval


def test_injected_bias_and_slope_are_recovered(rng):
    """Simulation as referee: 95 % intervals hold the truth in 95 % of 400 cohorts of ten."""
    reference = rng.normal(1000, 50, (400, 10, 1))
    noise = rng.normal(0, 8, reference.shape)
    fit = statistics.regress(0.95 * reference + 80 + noise, reference)
    shift = statistics.paired_t(reference + 7 + noise, reference)
    hits = (
        fit.slope_interval.covers(0.95),
        fit.intercept_interval.covers(80),
        shift.interval.covers(7),
    )
    np.testing.assert_allclose(np.mean(hits, 1), 0.95, atol=0.04)


def test_variation_by_hand():
    result = statistics.variation([90.0, 110.0, 100.0], [100.0, 100.0, 103.0])
    assert result.test == pytest.approx(10.0)
    between = np.mean([10 / 95, 10 / 105, 3 / 101.5]) / np.sqrt(2) * 100
    assert result.between == pytest.approx(between)
    assert result.n == 3


def test_margin_is_a_percentage_of_the_reference():
    """The paper's T1 of grey matter: 5 % of 1232.65 ms is 61.63 ms."""
    reference = 1232.65 + np.array([-30.0, 10.0, 20.0])
    result = statistics.equivalence(
        reference + [1, 2, 4], reference, alpha=0.05, margin_percent=5.0
    )
    assert result.margin == pytest.approx(61.63, abs=0.01)


DEGENERATE = {
    "unequal lengths": (GOOD, GOOD[:3]),
    "at least 3": (GOOD[:2], GOOD[:2] + [1, 2]),
    "NaN or infinite": (GOOD, np.array([1.0, 2.0, np.nan, 4.0])),
    "zero variance": (np.full(4, 7.0), np.full(4, 5.0)),
}


@pytest.mark.parametrize("reason", DEGENERATE)
@pytest.mark.parametrize("name", TWO)
def test_degenerate_input_says_which(name, reason):
    with pytest.raises(ValueError, match=reason):
        TWO[name](*DEGENERATE[reason])


@pytest.mark.parametrize("name", ["paired_t", "equivalence", "variation"])
def test_several_points_of_a_subject_are_refused_where_they_would_count_as_subjects(name):
    with pytest.raises(ValueError, match="one number per subject"):
        TWO[name](np.ones((4, 2)), np.zeros((4, 2)))


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan")])
def test_a_margin_must_be_stated(margin):
    with pytest.raises(ValueError, match="margin must be a positive"):
        statistics.equivalence(GOOD + 1, GOOD, margin=margin, alpha=0.05)


def test_describe():
    sample = statistics.describe(GOOD)
    assert (sample.n, sample.mean, sample.sd) == (4, GOOD.mean(), pytest.approx(GOOD.std(ddof=1)))
    assert statistics.describe([3.0]).sd is None
    for bad in ([], [np.inf], [[1.0]]):
        with pytest.raises(ValueError, match="one per subject"):
            statistics.describe(bad)


def test_results_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        statistics.paired_t(GOOD + [1, 2, 3, 2], GOOD).p = 0.01
