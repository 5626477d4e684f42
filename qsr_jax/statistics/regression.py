"""Lines through two methods: least squares, Deming, Passing-Bablok."""

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.comparisons import jackknife, pair, require_spread, t_interval
from qsr_jax.statistics.passing_bablok import MOST_SUBJECTS, cusum_p, passing_bablok_arrays
from qsr_jax.statistics.results import Deming, PassingBablok, Regression, interval_of

MIN_PASSING_BABLOK = 5
"""Below five subjects the ranks of its interval lie outside the slopes there are."""


def regress(test: ArrayLike, reference: ArrayLike) -> Regression:
    """Least squares of ``test`` on ``reference`` with 95 % intervals (Student's).

    It takes the reference as free of error: where it errs too, the slope is flattened. Read it
    beside Deming's line.

    Args:
        test: (n,), (n, k) or (comparisons..., n, k), with the jackknife's intervals for k > 1.
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input.

    >>> line = regress([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0])
    >>> round(line.slope, 3), round(line.intercept, 3)
    (1.143, -0.429)
    """
    pairs = pair(test, reference, pooled=True)
    require_spread(pairs, "test values", "reference values")
    full, n = pairs.full, pairs.n
    if pairs.single:
        residual = np.maximum(full.ss_test - full.slope * full.ss_both, 0.0)
        slope_se = np.sqrt(residual / (n - 2) / full.ss_reference)
        intercept_se = slope_se * np.sqrt(full.ss_reference / n + full.mean_reference**2)
        intervals = [
            t_interval(full.slope, slope_se, n - 2),
            t_interval(full.intercept, intercept_se, n - 2),
        ]
    else:
        intervals = jackknife(pairs, ["slope", "intercept"], df=n - 1)
    return pairs.result(
        Regression,
        n=n,
        points=pairs.points,
        slope=full.slope,
        intercept=full.intercept,
        r_squared=full.r_squared,
        slope_interval=intervals[0],
        intercept_interval=intervals[1],
    )


def deming(test: ArrayLike, reference: ArrayLike, *, error_ratio: float) -> Deming:
    """Deming's line: both methods err, with known ratio of error variances (Deming 1943).

    Intervals from the jackknife over subjects with n - 2 degrees of freedom (Linnet 1993,
    doi:10.1093/clinchem/39.3.424).

    Args:
        test: (n,), (n, k) or (comparisons..., n, k).
        reference: same shape and unit.
        error_ratio: var(error of test) / var(error of reference); 1 is orthogonal regression.
            There is no default: a wrong ratio bends the slope.

    Raises:
        ValueError: the ratio is not positive, test and reference do not vary together, or
            degenerate input.

    >>> line = deming([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0], error_ratio=1.0)
    >>> round(line.slope, 3), round(line.intercept, 3)
    (1.296, -2.232)
    """
    pairs = pair(test, reference, pooled=True, error_ratio=error_ratio)
    require_spread(pairs, "test values", "reference values")
    full = pairs.full
    pairs.require(full.ss_both != 0.0, "Deming: test and reference are uncorrelated, so no line")
    intervals = jackknife(pairs, ["deming_slope", "deming_intercept"], df=max(pairs.n - 2, 1))
    return pairs.result(
        Deming,
        n=pairs.n,
        points=pairs.points,
        error_ratio=pairs.error_ratio,
        slope=full.deming_slope,
        intercept=full.deming_intercept,
        slope_interval=intervals[0],
        intercept_interval=intervals[1],
    )


def passing_bablok(test: ArrayLike, reference: ArrayLike) -> PassingBablok:
    """Passing and Bablok's line (1983, doi:10.1515/cclm.1983.21.11.709): no outlier bends it.

    It assumes a linear relation with a positive slope and errors of like distributions;
    ``linearity_p`` is their Cusum test's, from Kolmogorov's limiting distribution.

    Args:
        test: (n,) or (comparisons..., n, 1).
        reference: same shape and unit.

    Returns:
        The line; among many comparisons NaN where it does not exist.

    Raises:
        ValueError: fewer than 5 subjects or more than 2000, no spread, or the only comparison has
            no line: its slopes give no interval.

    >>> reference = [1.0, 2.0, 4.0, 5.0, 7.0, 9.0]
    >>> line = passing_bablok([5.1, 6.9, 11.0, 13.2, 16.9, 21.0], reference)
    >>> round(line.slope, 2), round(line.intercept, 2)
    (2.0, 3.0)
    """
    pairs = pair(test, reference)
    require_spread(pairs, "test values", "reference values")
    if pairs.n < MIN_PASSING_BABLOK:
        raise ValueError(
            f"Passing-Bablok: n = {pairs.n} subjects; at least {MIN_PASSING_BABLOK} are needed"
        )
    if pairs.n > MOST_SUBJECTS:
        raise ValueError(
            f"Passing-Bablok: n = {pairs.n} subjects; above {MOST_SUBJECTS} the slopes of all "
            "pairs are not listed; read Deming's line"
        )
    line = passing_bablok_arrays(pairs.test[..., 0], pairs.reference[..., 0])
    exists = line.exists.astype(bool)
    if not exists.ndim:
        pairs.require(
            exists,
            "Passing-Bablok: its interval's ranks lie outside the slopes; test and reference "
            "hardly rise together, or too many values are tied",
        )
    slope, slope_low, slope_high, intercept, intercept_low, intercept_high, cusum = (
        np.where(exists, values, np.nan) for values in line[:-1]
    )
    return pairs.result(
        PassingBablok,
        n=pairs.n,
        slope=slope,
        intercept=intercept,
        slope_interval=interval_of(slope_low, slope_high),
        intercept_interval=interval_of(intercept_low, intercept_high),
        linearity_p=cusum_p(cusum),
    )
