"""Verdicts: what they say, what they refuse to say, and what the population mean cannot pass."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics
from qsr_jax.evaluation.sections.published import TABLE_1
from qsr_jax.statistics import Outcome

N = 31


def cohort(mean, sd, *, noise, n=N, seed=0):
    """(test, reference) of subjects who differ by ``sd``, each method with errors of ``noise``."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(mean, sd, n)
    return truth + rng.normal(0, noise, n), truth + rng.normal(0, noise, n)


@pytest.mark.parametrize(("tissue", "name"), TABLE_1)
def test_a_print_of_the_population_mean_passes_on_average_and_fails_for_each_subject(tissue, name):
    """31 subjects with the paper's mean and SD, and a method that never looks at them."""
    routine = TABLE_1[tissue, name].routine
    reference = np.random.default_rng(7).normal(routine.mean, routine.sd, N)
    test = np.full(N, routine.mean)
    mean = statistics.mean_verdict(test, reference, margin_percent=5.0)
    individual = statistics.individual_verdict(test, reference, margin_percent=5.0)
    assert mean.outcome is Outcome.SHOWN
    assert individual.outcome is Outcome.NOT_SHOWN
    assert individual.concordance == 0.0
    # A little noise on the mean makes no difference.
    noisy = test + np.random.default_rng(8).normal(0, 0.1 * routine.sd, N)
    assert not statistics.individual_verdict(noisy, reference, margin_percent=5.0).shown


def test_one_half_is_where_a_print_of_the_mean_errs_as_little():
    """In populations: unbiased methods of no wider spread and CCC > 0.5 err less than var y."""
    gains, noises = np.meshgrid(np.linspace(0.0, 1.0, 41), np.linspace(0.0, 1.0, 41))
    error = (gains - 1.0) ** 2 + noises**2  # x = gain y + noise, var y = 1
    spread = gains**2 + noises**2
    above = (1.0 - error / (spread + 1.0) > statistics.LEAST_CONCORDANCE) & (spread <= 1.0)
    assert above.sum() > 100
    assert error[above].max() < 1.0


def test_a_method_that_sees_subjects_passes_both():
    test, reference = cohort(1232.65, 34.98, noise=8.0)
    for verdict in (statistics.mean_verdict, statistics.individual_verdict):
        found = verdict(test, reference, margin_percent=5.0)
        assert found.shown, found.reason
        assert found.reach < 1.0


def test_the_mean_verdict_is_tost():
    test, reference = cohort(1232.65, 34.98, noise=20.0)
    for margin in ({"margin": 30.0}, {"margin_percent": 3.0}):
        found = statistics.mean_verdict(test, reference, **margin)
        tost = statistics.equivalence(test, reference, alpha=0.05, **margin)
        assert (found.p, found.shown) == (tost.p, tost.equivalent)
        assert found.interval == (tost.interval_percent or tost.interval)
        inside = -found.margin < found.interval.low and found.interval.high < found.margin
        assert inside == found.shown == (found.reach < 1.0)


def test_individual_bounds_are_those_of_the_limits():
    """P, interval and outcome say the same; the bounds at level 95 % are Bland and Altman's."""
    test, reference = cohort(1232.65, 34.98, noise=8.0)
    limits = statistics.bland_altman(test, reference, unit="ms")
    found = statistics.individual_verdict(test, reference, margin=60.0, alpha=0.025)
    assert found.interval.low == pytest.approx(limits.low_interval.low, rel=1e-9)
    assert found.interval.high == pytest.approx(limits.high_interval.high, rel=1e-9)
    for margin in np.linspace(20.0, 60.0, 41):
        again = statistics.individual_verdict(test, reference, margin=margin)
        assert again.shown == (again.reach < 1.0)


def test_percent_is_of_the_reference_and_of_the_mean_of_both():
    test, reference = cohort(100.0, 3.0, noise=0.5)
    both = statistics.bland_altman(test, reference, unit="%", percent=True)
    mean = statistics.mean_verdict(test, reference, margin_percent=5.0)
    each = statistics.individual_verdict(test, reference, margin_percent=5.0)
    assert mean.estimate == pytest.approx(100 * (test.mean() / reference.mean() - 1))
    assert each.estimate == pytest.approx(both.bias)
    assert mean.unit == each.unit == "%"


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9])
def test_too_few_subjects_get_their_interval_and_no_verdict(n):
    test, reference = cohort(100.0, 3.0, noise=0.1, n=n)
    for verdict in (statistics.mean_verdict, statistics.individual_verdict):
        found = verdict(test, reference, margin_percent=50.0)
        assert found.outcome is Outcome.TOO_FEW
        assert found.reason == f"n = {n} subjects, a verdict needs 10"
        assert (found.interval is None) == (n < 3)


def test_the_least_number_of_subjects_is_the_one_reasoned():
    """The least n at which the 95 % interval of a limit ends below twice the limit."""
    z = statistics.LIMIT_Z
    ends = [stats.nct.ppf(0.975, n - 1, z * np.sqrt(n)) / np.sqrt(n) for n in range(3, 20)]
    assert next(n for n, end in enumerate(ends, 3) if end < 2 * z) == statistics.LEAST_SUBJECTS


def test_a_margin_below_the_repeatability_is_undecidable():
    test, reference = cohort(1232.65, 34.98, noise=8.0)
    each = statistics.individual_verdict(test, reference, margin_percent=5.0, repeatability=6.0)
    assert each.outcome is Outcome.UNDECIDABLE
    assert each.reason.startswith("repeats of the reference itself differ by up to ±6")
    # The mean of 31 repeats moves by 6 / sqrt(31) = 1.08 %.
    means = {
        m: statistics.mean_verdict(test, reference, margin_percent=m, repeatability=6.0)
        for m in (1.0, 5.0)
    }
    assert means[1.0].outcome is Outcome.UNDECIDABLE
    assert means[1.0].reason.endswith("36 subjects are needed")
    assert means[5.0].shown


def test_subjects_the_reference_cannot_tell_apart_are_undecidable():
    """SD 12.33 ms in all and a repeatability of 2.5 % = 31 ms: within-subject SD 11.1 ms."""
    test, reference = cohort(1232.65, 10.0, noise=7.0)
    found = statistics.individual_verdict(test, reference, margin_percent=5.0, repeatability=2.5)
    assert found.outcome is Outcome.UNDECIDABLE
    assert "repeats have a concordance of" in found.reason


def test_a_better_repeatability_attains_more():
    reference = [1190.0, 1230.0, 1270.0]
    ceilings = [
        statistics.attainable_concordance(reference, repeatability=r) for r in (10.0, 60.0, 150.0)
    ]
    assert ceilings == sorted(ceilings, reverse=True)
    assert ceilings[0] > 0.99
    assert ceilings[2] < 0.0
    with pytest.raises(ValueError, match="zero variance: all reference values are equal"):
        statistics.attainable_concordance([5.0, 5.0], repeatability=1.0)


DEGENERATE = {
    "all differences": (np.arange(12.0) + 5.0, np.arange(12.0) + 3.0),
    "NaN or infinite": (np.r_[np.nan, np.arange(11.0)], np.arange(12.0) + 3.0),
}


@pytest.mark.parametrize("reason", DEGENERATE)
@pytest.mark.parametrize("verdict", [statistics.mean_verdict, statistics.individual_verdict])
def test_what_cannot_be_computed_says_why(verdict, reason):
    found = verdict(*DEGENERATE[reason], margin=1.0)
    assert found.outcome is Outcome.NOT_COMPUTED
    assert reason in found.reason
    assert found.interval is None


def test_a_constant_reference_has_no_concordance():
    found = statistics.individual_verdict(np.arange(12.0) + 5.0, np.full(12, 9.0), margin=20.0)
    assert found.outcome is Outcome.NOT_COMPUTED
    assert "all reference values equal 9" in found.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"margin": 1.0}, "state one margin"),
        ({"margin_percent": None}, "state one margin"),
        ({"margin_percent": -5.0}, "margin_percent must be a positive number, got -5"),
        ({"repeatability": 0.0}, "repeatability must be a positive number, got 0"),
        ({"alpha": 0.5}, "alpha must lie between 0 and 0.5"),
    ],
)
@pytest.mark.parametrize("verdict", [statistics.mean_verdict, statistics.individual_verdict])
def test_options_that_make_no_sense_are_refused(verdict, change, reason):
    test, reference = cohort(100.0, 3.0, noise=1.0)
    with pytest.raises(ValueError, match=reason):
        verdict(test, reference, **({"margin_percent": 5.0} | change))


def test_shapes_and_the_concordance_asked_for_are_strict():
    with pytest.raises(ValueError, match=r"shapes \(3,\), \(4,\): expected equal lists"):
        statistics.mean_verdict(np.ones(3), np.ones(4), margin=1.0)
    with pytest.raises(ValueError, match=r"shapes \(3, 2\), \(3, 2\): expected equal lists"):
        statistics.individual_verdict(np.ones((3, 2)), np.ones((3, 2)), margin=1.0)
    with pytest.raises(ValueError, match="least_concordance must lie in 0 up to below 1, got 1"):
        statistics.individual_verdict([1.0], [1.0], margin=1.0, least_concordance=1.0)


def test_a_verdict_is_plain_numbers():
    found = statistics.individual_verdict(*cohort(100.0, 3.0, noise=1.0), margin_percent=5.0)
    assert {type(v) for v in dataclasses.asdict(found).values()} <= {
        str, int, float, bool, dict, type(None), Outcome,
    }  # fmt: skip
