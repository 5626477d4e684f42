"""Simulation as referee: truths put in come out, inside the intervals as often as these claim.

Cohorts are computed together, one statistic in one call. Of 200 intervals of 95 %, 179 to 198 hold
the truth with a chance of 99.9 % (binomial); that is the tolerance. The seed is fixed.
"""

import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics

COHORTS, SUBJECTS = 200, 20
MEAN, SPREAD = 1000.0, 60.0
BIAS, SLOPE = 12.0, 0.9
NOISE = 15.0


def band(level, repetitions=COHORTS):
    """Least and largest number of hits that 99.9 % of honest intervals have."""
    low, high = stats.binom.ppf([0.0005, 0.9995], repetitions, level)
    return int(low), int(high)


def check(interval, truth, *, level=0.95):
    low, high = band(level)
    assert interval.level == pytest.approx(level)
    hits = int(interval.covers(truth).sum())
    assert low <= hits <= high, f"{hits} of {COHORTS}, expected {low} to {high}"


def cohorts(
    *, slope=1.0, bias=0.0, test_noise=NOISE, reference_noise=NOISE, shape=(COHORTS, SUBJECTS)
):
    """Simulated cohorts (test, reference); errors in both methods, bias at the mean value."""
    rng = np.random.default_rng(11)
    truth = rng.normal(MEAN, SPREAD, (*shape, 1))
    test = MEAN + bias + slope * (truth - MEAN) + rng.normal(0, test_noise, truth.shape)
    return test, truth + rng.normal(0, reference_noise, truth.shape)


def test_the_tolerance_is_the_binomial_one():
    assert band(0.95) == (179, 198)


def test_an_injected_bias_is_recovered():
    made = cohorts(bias=BIAS)
    check(statistics.paired_t(*made).interval, BIAS)
    result = statistics.bland_altman(*made, percent=False, unit="ms")
    sd = NOISE * np.sqrt(2.0)
    check(result.bias_interval, BIAS)
    check(result.low_interval, BIAS - statistics.LIMIT_Z * sd)
    check(result.high_interval, BIAS + statistics.LIMIT_Z * sd)
    check(statistics.signed_rank(*made).interval, BIAS)
    tost = statistics.equivalence(*made, alpha=0.05, margin_percent=5.0)
    check(tost.interval, BIAS, level=0.90)


def test_an_injected_slope_is_recovered_by_least_squares_where_only_the_test_errs():
    made = cohorts(slope=SLOPE, bias=BIAS, reference_noise=0.0)
    fit = statistics.regress(*made)
    check(fit.slope_interval, SLOPE)
    check(fit.intercept_interval, MEAN * (1 - SLOPE) + BIAS)


@pytest.mark.parametrize("noises", [(NOISE, NOISE), (2 * NOISE, NOISE)])
def test_an_injected_slope_is_recovered_by_deming_where_both_err(noises):
    made = cohorts(slope=SLOPE, bias=BIAS, test_noise=noises[0], reference_noise=noises[1])
    fit = statistics.deming(*made, error_ratio=(noises[0] / noises[1]) ** 2)
    check(fit.slope_interval, SLOPE)
    check(fit.intercept_interval, MEAN * (1 - SLOPE) + BIAS)
    assert fit.slope.mean() == pytest.approx(SLOPE, abs=0.02)


def test_least_squares_flattens_the_slope_where_the_reference_errs():
    """Why Deming: at equal errors least squares loses var(error) / var(reference) of the slope."""
    made = cohorts(reference_noise=2 * NOISE, shape=(COHORTS, 60))
    attenuated = SPREAD**2 / (SPREAD**2 + 4 * NOISE**2)
    assert statistics.regress(*made).slope.mean() == pytest.approx(attenuated, abs=0.02)
    hits = statistics.regress(*made).slope_interval.covers(1.0).sum()
    assert hits < band(0.95)[0]


def test_an_injected_slope_is_recovered_by_passing_bablok():
    noise = NOISE * SLOPE
    made = cohorts(slope=SLOPE, bias=BIAS, test_noise=noise)
    fit = statistics.passing_bablok(*made)
    check(fit.slope_interval, SLOPE)
    # Passing and Bablok's intercepts follow from the slope's ends: at least 95 %, not exactly.
    assert fit.intercept_interval.covers(MEAN * (1 - SLOPE) + BIAS).sum() >= band(0.95)[0]
    assert (fit.linearity_p > 0.05).sum() >= band(0.95)[0]


def test_proportional_bias_is_seen_and_not_invented():
    trend = statistics.proportional_bias(*cohorts(bias=BIAS))
    check(trend.slope_interval, 0.0)
    assert band(0.05)[0] <= (trend.p < 0.05).sum() <= band(0.05)[1]
    flat = statistics.proportional_bias(*cohorts(slope=SLOPE))
    covariance = (SLOPE**2 - 1) * SPREAD**2 / 2
    variance = ((1 + SLOPE) ** 2 * SPREAD**2 + 2 * NOISE**2) / 4
    check(flat.slope_interval, covariance / variance)


def test_coefficients_cover_those_of_the_population():
    made = cohorts(bias=BIAS)
    shared, error = SPREAD**2, NOISE**2
    check(statistics.icc_consistency(*made).interval, shared / (shared + error))
    whole = 2 * shared / (2 * (shared + error) + BIAS**2)
    check(statistics.concordance(*made).interval, whole)
    # Made for methods drawn from many, so with two fixed ones it covers at least what it claims.
    absolute = statistics.icc_agreement(*made)
    assert absolute.interval.covers(whole).sum() >= band(0.95)[0]


@pytest.mark.parametrize("method", statistics.BOOTSTRAPS)
def test_the_bootstrap_covers(method):
    """At n = 20 it is known to fall short by a few percent; without it limits are exact."""
    counts = statistics.draw_subjects(np.random.default_rng(0), SUBJECTS, resamples=1000)
    intervals = statistics.bootstrap(statistics.pair(*cohorts(bias=BIAS)), counts, method=method)
    whole = 2 * SPREAD**2 / (2 * (SPREAD**2 + NOISE**2) + BIAS**2)
    for name, truth in {"concordance": whole, "deming_slope": 1.0}.items():
        hits = intervals[name].covers(truth).mean()
        assert 0.89 <= hits <= 0.99, name


def test_tissues_of_one_subject_do_not_count_as_subjects():
    """Errors shared by a subject's three tissues: the jackknife over subjects keeps its promise."""
    rng = np.random.default_rng(4)
    reference = rng.normal(0, SPREAD, (COHORTS, SUBJECTS, 3)) + [1200.0, 850.0, 900.0]
    shared = rng.normal(0, 10.0, (COHORTS, SUBJECTS, 1))
    test = reference + BIAS + shared + rng.normal(0, 5.0, reference.shape)
    check(statistics.bland_altman(test, reference, percent=False, unit="ms").bias_interval, BIAS)
    flat = [v.reshape(COHORTS, -1, 1) for v in (test, reference)]
    naive = statistics.bland_altman(*flat, percent=False, unit="ms")
    assert naive.bias_interval.covers(BIAS).sum() < band(0.95)[0]


@pytest.mark.parametrize("margin", [{"margin": 50.0}, {"margin_percent": 5.0}])
@pytest.mark.parametrize("side", [-1, 1])
def test_tost_errs_at_the_margin_as_often_as_alpha(margin, side):
    """A true difference of exactly the margin is called equivalent in 5 % of 2000 cohorts."""
    made = cohorts(bias=side * 0.05 * MEAN, shape=(2000, SUBJECTS))
    result = statistics.equivalence(*made, alpha=0.05, **margin)
    low, high = band(0.05, 2000)
    assert low <= result.equivalent.sum() <= high
    beyond = cohorts(bias=side * 0.07 * MEAN)
    assert not statistics.equivalence(*beyond, alpha=0.05, **margin).equivalent.any()
    within = cohorts(bias=side * 0.02 * MEAN)
    assert statistics.equivalence(*within, alpha=0.05, **margin).equivalent.all()


def test_a_test_without_power_claims_nothing():
    """Three noisy subjects without any bias: the t-test is silent, and TOST is not fooled."""
    made = cohorts(test_noise=90.0, shape=(COHORTS, 3))
    assert (statistics.paired_t(*made).p > 0.05).mean() > 0.9
    assert statistics.equivalence(*made, alpha=0.05, margin_percent=5.0).equivalent.mean() < 0.15
