"""How often verdicts err where the truth lies exactly at the edge: as often as alpha, not more.

Of 2000 cohorts 5 % are 72 to 132 with a chance of 99.9 % (binomial); seeds are fixed.
"""

import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics

COHORTS = 2000
MEAN = 1000.0


def most(level=0.05, cohorts=COHORTS):
    """Largest number of false claims that 99.9 % of honest tests stay below."""
    return stats.binom.ppf(0.9995, cohorts, level)


@pytest.mark.parametrize("cv", [3.0, 15.0, 40.0])
@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("kind", ["shift", "factor"])
def test_a_percent_margin_has_the_size_it_claims(cv, side, kind):
    """A bias of 5 % of the true mean.

    A margin of 5 % of the sample's mean errs in 5.2, 7.0 and 15.9 % of cohorts of 31 (shift, CV 3,
    15, 40 %), and in 4.9, 3.3 and 0.4 % where the bias is a factor.
    """
    rng = np.random.default_rng(int(cv))
    reference = rng.normal(MEAN, MEAN * cv / 100.0, (COHORTS, 20, 1))
    away = side * 0.05 * (reference if kind == "factor" else MEAN)
    test = reference + away + rng.normal(0.0, 15.0, reference.shape)
    found = statistics.equivalence(test, reference, alpha=0.05, margin_percent=5.0)
    low = stats.binom.ppf(0.0005, COHORTS, 0.05)
    assert low <= found.equivalent.sum() <= most()
    covered = found.interval_percent.covers(side * 5.0).sum()
    low, high = stats.binom.ppf([0.0005, 0.9995], COHORTS, 0.90)
    assert low <= covered <= high


@pytest.mark.parametrize("n", [10, 31])
def test_individual_agreement_is_not_claimed_of_limits_at_the_margin(n):
    """True limits of agreement -60 to 40: the lower one lies on a margin of 60."""
    rng = np.random.default_rng(n)
    sd = 50.0 / statistics.LIMIT_Z
    reference = rng.normal(MEAN, 300.0, (COHORTS, n))
    test = reference + rng.normal(-10.0, sd, reference.shape)
    hits = sum(
        statistics.individual_verdict(x, y, margin=60.0).shown
        for x, y in zip(test, reference, strict=True)
    )
    assert hits <= most()


@pytest.mark.parametrize("n", [10, 31])
def test_individual_agreement_is_not_claimed_of_a_concordance_of_one_half(n):
    """Equal spreads correlated by one half: the method errs as a print of the mean does."""
    rng = np.random.default_rng(n)
    shared, rest = rng.normal(size=(2, COHORTS, n))
    reference, test = MEAN + shared, MEAN + 0.5 * shared + np.sqrt(0.75) * rest
    hits = sum(
        statistics.individual_verdict(x, y, margin=100.0).shown
        for x, y in zip(test, reference, strict=True)
    )
    assert hits <= most()


@pytest.mark.parametrize("n", [8, 15, 30])
def test_exact_limits_cover_where_the_bootstrap_did_not(n):
    """BCa "95 %" held a limit in 81 % of cohorts of 8 and in 90 % of 30."""
    rng = np.random.default_rng(n)
    reference = rng.normal(MEAN, 60.0, (COHORTS, n, 1))
    test = reference + rng.normal(12.0, 20.0, reference.shape)
    limits = statistics.bland_altman(test, reference, percent=False, unit="ms")
    low, high = stats.binom.ppf([0.0005, 0.9995], COHORTS, 0.95)
    for interval, sign in ((limits.low_interval, -1), (limits.high_interval, 1)):
        hits = interval.covers(12.0 + sign * statistics.LIMIT_Z * 20.0).sum()
        assert low <= hits <= high
