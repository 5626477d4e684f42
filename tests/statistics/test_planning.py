"""Sample sizes: published ones, simulated power, and limits that no number of subjects mends."""

import math

import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics
from qsr_jax.statistics.planning import MOST_SUBJECTS, inside_power

POWER_TOST = {(0.30, 40): 0.815845, (0.20, 20): 0.834680, (0.25, 24): 0.739116}
"""R's PowerTOST, ``power.TOST(CV, n, theta0 = 0.95)``: crossover, margins 0.80 to 1.25."""


@pytest.mark.parametrize(("cv", "n"), POWER_TOST)
def test_power_of_tost_is_the_published_one(cv, n):
    """The same integral with the crossover's standard error and degrees of freedom."""
    se = math.sqrt(math.log(1.0 + cv**2) * 2.0 / n)
    quantile = float(stats.t.ppf(0.95, n - 2))
    ours = inside_power(quantile, df=n - 2, margin=math.log(1.25), se=se, difference=math.log(0.95))
    assert ours == pytest.approx(POWER_TOST[cv, n], abs=2e-6)


def test_the_published_example_of_limits_of_agreement():
    """Lu et al. 2016: bias 0.001167, SD 0.001129, margin 0.004, 95 % bounds, power .80: n = 83.

    Their bounds are Bland and Altman's approximate ones; exact ones, put in, need 97.
    """
    z = statistics.LIMIT_Z

    def power(n):
        bound = z + stats.t.ppf(0.975, n - 1) * math.sqrt(1 / n + z**2 / 2 / (n - 1))
        se = 0.001129 / math.sqrt(n)
        return inside_power(
            bound * math.sqrt(n), df=n - 1, margin=0.004, se=se, difference=0.001167
        )

    assert next(n for n in range(10, 200) if power(n) >= 0.8) == 83
    exact = statistics.individual_subjects(
        margin=0.004, sd=0.001129, spread=1.0, difference=0.001167, alpha=0.025
    )
    assert exact.n == 97


@pytest.mark.parametrize(("n", "difference"), [(12, 0.0), (20, 1.5), (6, 2.0)])
def test_power_of_the_mean_is_the_simulated_one(n, difference):
    """2000 cohorts; tolerance 3.3 standard errors of a proportion."""
    rng = np.random.default_rng(n)
    reference = rng.normal(1000.0, 50.0, (2000, n, 1))
    test = reference + rng.normal(difference, 5.0, reference.shape)
    shown = statistics.equivalence(test, reference, alpha=0.05, margin=5.0).equivalent.mean()
    power = statistics.mean_power(n, margin=5.0, sd=5.0, difference=difference)
    assert shown == pytest.approx(power, abs=3.3 * math.sqrt(0.25 / 2000))


@pytest.mark.parametrize(
    ("n", "sd", "spread", "difference"),
    [(31, 1.5, 2.8, 0.0), (50, 1.8, 2.8, 0.0), (20, 1.0, 2.8, 0.8)],
)
def test_power_of_individual_agreement_is_at_least_what_is_promised(n, sd, spread, difference):
    """Methods of equal spread that err alike; the promise is a bound, and a near one here."""
    rng = np.random.default_rng(n)
    error = sd / math.sqrt(2.0)
    truth = rng.normal(1000.0, math.sqrt(spread**2 - error**2), (1000, n))
    test, reference = (truth + rng.normal(0.0, error, truth.shape) for _ in range(2))
    shown = np.mean([
        statistics.individual_verdict(x + difference, y, margin=5.0).shown
        for x, y in zip(test, reference, strict=True)
    ])  # fmt: skip
    power = statistics.individual_power(n, margin=5.0, sd=sd, spread=spread, difference=difference)
    noise = 3.3 * math.sqrt(0.25 / 1000)
    assert power - noise <= shown <= power + 0.05 + noise


def test_the_size_found_is_the_least():
    for found, power in (
        (
            statistics.mean_subjects(margin=5.0, sd=8.0, power=0.9),
            lambda n: statistics.mean_power(n, margin=5.0, sd=8.0),
        ),
        (
            statistics.individual_subjects(margin=5.0, sd=1.8, spread=2.8, power=0.9),
            lambda n: statistics.individual_power(n, margin=5.0, sd=1.8, spread=2.8),
        ),
    ):
        assert power(found.n) == found.power >= 0.9 > power(found.n - 1)
        assert found.reason == "least n with a chance of 0.9"


def test_no_study_is_smaller_than_a_verdict_allows():
    found = statistics.mean_subjects(margin=50.0, sd=1.0)
    assert (found.n, found.reason) == (10, "no verdict is given below 10")


def test_what_no_number_of_subjects_shows():
    """True limits beyond the margin; a bias as large as it; a concordance of one half."""
    wide = statistics.individual_subjects(margin=5.0, sd=3.0, spread=9.0)
    biased = statistics.mean_subjects(margin=5.0, sd=3.0, difference=5.0)
    alike = statistics.individual_subjects(margin=5.0, sd=2.0, spread=2.0)
    for found in (wide, biased, alike):
        assert found.n is None
        assert found.reason.startswith(f"{MOST_SUBJECTS} subjects would show it with a chance")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"margin": 0.0}, "margin must be a positive number, got 0"),
        ({"sd": -1.0}, "sd must be a positive number, got -1"),
        ({"power": 1.0}, "power must lie between 0 and 1, got 1"),
        ({"alpha": 0.5}, "alpha must lie between 0 and 0.5, got 0.5"),
    ],
)
def test_studies_that_make_no_sense_are_refused(change, reason):
    with pytest.raises(ValueError, match=reason):
        statistics.mean_subjects(**({"margin": 5.0, "sd": 3.0} | change))
    with pytest.raises(ValueError, match="a study needs more subjects"):
        statistics.mean_power(1, margin=5.0, sd=3.0)
