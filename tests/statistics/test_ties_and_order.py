"""Ranks and resampling do not depend on the order of rows, nor on how ties were rounded."""

import dataclasses
import time

import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics
from qsr_jax.statistics.bootstrap import BOOTSTRAPPED
from qsr_jax.statistics.signed_rank import rank_interval, walsh_quantiles

SUBJECTS = 24


@pytest.fixture
def tied():
    """Whole numbers: many ties in values, differences and places along the line."""
    rng = np.random.default_rng(3)
    reference = rng.integers(80, 90, SUBJECTS) * 1.0
    return reference + rng.integers(-1, 3, SUBJECTS), reference


def bootstrapped(x, y, method):
    counts = statistics.draw_subjects(np.random.default_rng(0), SUBJECTS, resamples=300)
    found = statistics.bootstrap(statistics.pair(x, y), counts, method=method)
    return np.array([(i.low, i.high) for i in found.values()])


STATISTICS = {
    "passing_bablok": lambda x, y: _numbers(statistics.passing_bablok(x, y)),
    "signed_rank": lambda x, y: _numbers(statistics.signed_rank(x, y)),
    "bca": lambda x, y: bootstrapped(x, y, "bca"),
    "percentile": lambda x, y: bootstrapped(x, y, "percentile"),
}


def _numbers(result):
    flat = []
    for value in dataclasses.asdict(result).values():
        flat += list(value.values()) if isinstance(value, dict) else [value]
    return np.array([v for v in flat if isinstance(v, float)])


@pytest.mark.parametrize("name", STATISTICS)
def test_the_order_of_rows_does_not_matter(tied, name):
    x, y = tied
    expected = STATISTICS[name](x, y)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(SUBJECTS)
        np.testing.assert_allclose(STATISTICS[name](x[order], y[order]), expected, rtol=1e-9)


@pytest.mark.parametrize("name", STATISTICS)
def test_ties_survive_rounding(tied, name):
    """In hundredths the same values differ in the last bit: 82 / 100 - 81 / 100 is not 0.01."""
    x, y = tied
    whole, hundredths = STATISTICS[name](x, y), STATISTICS[name](x / 100, y / 100)
    scaled = np.where(np.isclose(whole, hundredths, rtol=1e-9), 1.0, 100.0)
    np.testing.assert_allclose(hundredths * scaled, whole, rtol=1e-8, atol=1e-8)


def test_the_bootstrap_is_of_lines_and_coefficients():
    """Limits, means and spreads have exact intervals, and theirs from BCa fall short."""
    assert not {"bias", "sd", "low", "high", "cv_test"} & set(BOOTSTRAPPED)


@pytest.mark.parametrize("n", [200, 201])
def test_counted_walsh_averages_are_the_listed_ones(n):
    d = np.random.default_rng(n).normal(1.0, 2.0, n).round(2)
    pairs = (d[:, None] + d)[np.triu_indices(n)] / 2.0
    ranks = (0, 57, len(pairs) // 2, len(pairs) - 1)
    np.testing.assert_allclose(walsh_quantiles(d, ranks), np.sort(pairs)[list(ranks)], atol=1e-12)


def test_the_normal_ranks_of_an_interval_continue_the_exact_ones():
    chances = np.ones(1)
    for rank in range(1, 61):
        chances = np.convolve(chances, np.r_[0.5, np.zeros(rank - 1), 0.5])
    exact = int(np.searchsorted(np.cumsum(chances), 0.025)) - 1
    assert abs(rank_interval(60)[0] - exact) <= 1


@pytest.mark.parametrize("n", [60, 49])
def test_signed_rank_agrees_with_scipy_with_ties_and_zeros(n):
    rng = np.random.default_rng(n)
    d = rng.integers(-4, 6, n) * 1.0
    ours = statistics.signed_rank(d + 100.0, np.full(n, 100.0))
    theirs = stats.wilcoxon(d, correction=True, method="asymptotic")
    assert ours.method == "normal"
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-10)


def test_ten_thousand_subjects_take_seconds():
    """They did not finish before. The pseudomedian of a normal sample lies near its mean."""
    d = np.random.default_rng(0).normal(0.5, 1.0, 10_000)
    start = time.perf_counter()
    result = statistics.signed_rank(1000.0 + d, np.full(10_000, 1000.0))
    assert time.perf_counter() - start < 30.0  # about 0.5 s on one core
    assert result.pseudomedian == pytest.approx(d.mean(), abs=0.02)
    mean = statistics.paired_t(1000.0 + d, np.full(10_000, 1000.0)).interval
    assert result.interval.low == pytest.approx(mean.low, abs=0.01)
    assert result.p < 1e-100
