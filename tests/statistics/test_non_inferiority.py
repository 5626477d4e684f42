"""Non-inferiority: of errors, of scores, and what is left open."""

import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics
from qsr_jax.statistics import Outcome

N = 20


@pytest.fixture
def methods():
    """(near, far, reference): errors of about 5 and of about 15 ms."""
    rng = np.random.default_rng(1)
    reference = rng.normal(850.0, 30.0, N)
    return reference + rng.normal(0, 6, N), reference + rng.normal(0, 18, N), reference


def test_the_nearer_method_is_not_worse_and_the_farther_not_shown(methods):
    near, far, reference = methods
    good = statistics.non_inferiority(near, far, reference, margin=4.0)
    assert good.shown
    assert good.estimate < 0.0
    bad = statistics.non_inferiority(far, near, reference, margin=4.0)
    assert bad.outcome is Outcome.NOT_SHOWN
    assert bad.estimate == pytest.approx(-good.estimate)


def test_it_is_the_one_sided_t_test_of_scipy(methods):
    near, far, reference = methods
    errors = [np.abs(v - reference) for v in (near, far)]
    for margin in (1.0, 8.0):
        ours = statistics.non_inferiority(far, near, reference, margin=margin)
        theirs = stats.ttest_1samp(errors[1] - errors[0], margin, alternative="less")
        assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
        assert ours.shown == (ours.interval.high < margin) == (ours.reach < 1.0)


def test_percent_is_of_each_subjects_reference(methods):
    near, far, reference = methods
    percent = statistics.non_inferiority(near, far, reference, margin_percent=1.0)
    scaled = [100.0 * v / reference for v in (near, far, reference)]
    units = statistics.non_inferiority(*scaled, margin=1.0)
    assert (percent.p, percent.unit, units.unit) == (units.p, "%", "")


def test_scores_are_better_when_higher():
    rng = np.random.default_rng(2)
    psnr = rng.normal(26.0, 1.0, N)
    better = psnr + rng.normal(0.4, 0.2, N)
    assert statistics.score_non_inferiority(better, psnr, margin=0.2).shown
    worse = statistics.score_non_inferiority(psnr, better, margin=0.2)
    assert worse.outcome is Outcome.NOT_SHOWN
    assert worse.reach > 1.0
    theirs = stats.ttest_1samp(psnr - better, -0.2, alternative="greater")
    assert worse.p == pytest.approx(theirs.pvalue, rel=1e-9)


def test_what_is_left_open_says_why(methods):
    near, far, reference = methods
    few = statistics.non_inferiority(near[:4], far[:4], reference[:4], margin=4.0)
    assert (few.outcome, few.interval is None) == (Outcome.TOO_FEW, False)
    two = statistics.score_non_inferiority([1.0, 2.0], [1.0, 2.5], margin=4.0)
    assert (two.outcome, two.interval) == (Outcome.TOO_FEW, None)
    same = statistics.non_inferiority(near, near, reference, margin=4.0)
    assert same.outcome is Outcome.NOT_COMPUTED
    assert "all differences equal 0" in same.reason
    reference[0] = 0.0
    zero = statistics.non_inferiority(near, far, reference, margin_percent=4.0)
    assert zero.outcome is Outcome.NOT_COMPUTED
    assert "zero or negative" in zero.reason
    with pytest.raises(ValueError, match="state one margin"):
        statistics.non_inferiority(near, far, reference)


def test_a_method_worse_by_the_margin_is_let_through_as_often_as_alpha():
    """Of 2000 cohorts 72 to 132 with a chance of 99.9 % (binomial); the errors are not normal."""
    rng = np.random.default_rng(3)
    shift = rng.normal(1.0, 1.0, (2000, N))
    hits = sum(
        statistics.score_non_inferiority(c - d, c, margin=1.0).shown
        for c, d in zip(rng.normal(26.0, 2.0, (2000, N)), shift, strict=True)
    )
    low, high = stats.binom.ppf([0.0005, 0.9995], 2000, 0.05)
    assert low <= hits <= high
