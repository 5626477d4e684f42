"""Lines through two methods: least squares, Deming, Passing-Bablok."""

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.comparisons import (
    Stack,
    jackknife,
    pair,
    require_single,
    require_spread,
    t_interval,
)
from qsr_jax.statistics.results import (
    Deming,
    Interval,
    PassingBablok,
    Regression,
    take,
)
from qsr_jax.statistics.signed_rank import cusum_p, passing_bablok_arrays

MIN_PASSING_BABLOK = 5
"""Below five subjects the ranks of its interval lie outside the slopes there are."""


def regress(test: ArrayLike, reference: ArrayLike) -> Regression:
    """Least squares of ``test`` on ``reference`` with 95 % intervals.

    Args:
        test: (n,) or (n, k), with the jackknife's intervals for k > 1.
        reference: same shape and unit.
    """
    return take(regress_of(pair(test, reference, pooled=True)))


def regress_of(stack: Stack) -> Regression:
    """:func:`regress` of every comparison of a stack."""
    require_spread(stack, "test values", "reference values")
    full, n = stack.full, stack.n
    if stack.single:
        residual = np.maximum(full.ss_test - full.slope * full.ss_both, 0.0)
        slope_se = np.sqrt(residual / (n - 2) / full.ss_reference)
        intercept_se = slope_se * np.sqrt(full.ss_reference / n + full.mean_reference**2)
        intervals = [
            t_interval(full.slope, slope_se, n - 2),
            t_interval(full.intercept, intercept_se, n - 2),
        ]
    else:
        intervals = jackknife(stack, ["slope", "intercept"], df=n - 1)
    return Regression(n, stack.points, full.slope, full.intercept, full.r_squared, *intervals)


def deming(test: ArrayLike, reference: ArrayLike, *, error_ratio: float) -> Deming:
    """Deming's line: both methods err, with known ratio of error variances.

    Intervals from the jackknife over subjects with n - 2 degrees of freedom (Linnet 1993,
    doi:10.1093/clinchem/39.3.424).

    Args:
        test: (n,) or (n, k).
        reference: same shape and unit.
        error_ratio: var(error of test) / var(error of reference); 1 is orthogonal regression.
            There is no default: a wrong ratio bends the slope.

    Raises:
        ValueError: the ratio is not positive, test and reference do not vary together, or
            degenerate input.
    """
    return take(deming_of(pair(test, reference, pooled=True, error_ratio=error_ratio)))


def deming_of(stack: Stack) -> Deming:
    """:func:`deming` of every comparison, with the stack's ratio of error variances."""
    require_spread(stack, "test values", "reference values")
    full = stack.full
    stack.require(full.ss_both != 0.0, "Deming: test and reference are uncorrelated, so no line")
    intervals = jackknife(stack, ["deming_slope", "deming_intercept"], df=max(stack.n - 2, 1))
    return Deming(
        n=stack.n,
        points=stack.points,
        error_ratio=stack.error_ratio,
        slope=full.deming_slope,
        intercept=full.deming_intercept,
        slope_interval=intervals[0],
        intercept_interval=intervals[1],
    )


def passing_bablok(test: ArrayLike, reference: ArrayLike) -> PassingBablok:
    """Passing and Bablok's line (1983, doi:10.1515/cclm.1983.21.11.709): no outlier bends it.

    It assumes a linear relation with a positive slope and errors of like distributions;
    ``linearity_p`` is their Cusum test's, from Kolmogorov's limiting distribution.

    Raises:
        ValueError: fewer than 5 subjects, no spread, or slopes that give no interval.
    """
    stack = pair(test, reference)
    result = passing_bablok_of(stack)
    stack.require(
        ~np.isnan(result.slope),
        "Passing-Bablok: its interval's ranks lie outside the slopes; test and reference hardly "
        "rise together, or too many values are tied",
    )
    return take(result)


def passing_bablok_of(stack: Stack) -> PassingBablok:
    """:func:`passing_bablok` of every comparison; NaN where the line does not exist."""
    require_single(stack, "Passing-Bablok")
    require_spread(stack, "test values", "reference values")
    if stack.n < MIN_PASSING_BABLOK:
        raise ValueError(
            f"Passing-Bablok: n = {stack.n} subjects; at least {MIN_PASSING_BABLOK} are needed"
        )
    line = passing_bablok_arrays(stack.test[..., 0], stack.reference[..., 0])
    slope, slope_low, slope_high, intercept, intercept_low, intercept_high, cusum = (
        np.where(line.exists, values, np.nan) for values in line[:-1]
    )
    return PassingBablok(
        n=stack.n,
        slope=slope,
        intercept=intercept,
        slope_interval=Interval(slope_low, slope_high),
        intercept_interval=Interval(intercept_low, intercept_high),
        linearity_p=cusum_p(cusum),
    )
