"""Estimates of agreement from weighted sums, for any number of comparisons at once.

Every estimate here is a function of six sums over subjects, so leaving out a subject or drawing
subjects again is a row of weights, and a whole bootstrap is one matrix product. They are computed
as :mod:`qsr_jax.statistics.backend` says: vectorised, in float64, compiled where there are many.
"""

from types import ModuleType
from typing import NamedTuple

import jax
import numpy as np
from scipy import stats

from qsr_jax.statistics.backend import in_double

LIMIT_Z = float(stats.norm.ppf(0.975))
"""Half width of the limits of agreement in standard deviations, 1.959964."""

ROUNDING = 1e-13
"""Share of a sum of squares below which what is left of it is rounding: there is no spread."""


class Estimates(NamedTuple):
    """One array (comparisons..., weightings) per estimate; units of the values, or percent.

    ``ss_*`` are sums of squares about the mean, over ``points``.
    """

    points: np.ndarray
    mean_test: np.ndarray
    mean_reference: np.ndarray
    ss_test: np.ndarray
    ss_reference: np.ndarray
    ss_both: np.ndarray
    bias: np.ndarray
    sd: np.ndarray
    low: np.ndarray
    high: np.ndarray
    bias_percent: np.ndarray
    sd_percent: np.ndarray
    low_percent: np.ndarray
    high_percent: np.ndarray
    proportional_slope: np.ndarray
    proportional_intercept: np.ndarray
    slope: np.ndarray
    intercept: np.ndarray
    r_squared: np.ndarray
    deming_slope: np.ndarray
    deming_intercept: np.ndarray
    concordance: np.ndarray
    icc_agreement: np.ndarray
    icc_consistency: np.ndarray
    cv_test: np.ndarray
    cv_reference: np.ndarray
    cv_between: np.ndarray


def estimate(
    test: np.ndarray, reference: np.ndarray, weights: np.ndarray | None, *, error_ratio: float
) -> Estimates:
    """All estimates of all comparisons under all weightings.

    Args:
        test: (comparisons..., n, k) k values of each of n subjects, any unit.
        reference: same shape and unit.
        weights: (weightings, n) how often each subject counts, such as the counts of a bootstrap
            sample. None: everybody once, and then n times with one subject left out.
        error_ratio: var(error of test) / var(error of reference), for Deming's line.

    Returns:
        float64 arrays (comparisons..., weightings). Estimates that do not exist (a slope without
        spread, percent of zero) are NaN or infinite; who asked for them refuses them.

    >>> x, y = np.array([[11.0], [12.0], [16.0]]), np.array([[10.0], [12.0], [14.0]])
    >>> estimate(x, y, np.ones((1, 3)), error_ratio=1.0).bias.tolist()
    [1.0]
    """
    values, many = (test, reference, error_ratio), np.ndim(test) > 2
    if weights is None:
        return Estimates(**_left_out(*values, many=many))
    return Estimates(**_weighted(*values, weights, many=many))


@in_double
def _weighted(
    xp: ModuleType, x: jax.Array, y: jax.Array, error_ratio: jax.Array, weights: jax.Array
) -> dict[str, jax.Array]:
    terms, centre = _terms(xp, x, y)
    sums = xp.einsum("f...n,rn->f...r", terms, weights)
    return _estimates(xp, sums, centre, weights.sum(-1) * x.shape[-1], error_ratio)


@in_double
def _left_out(
    xp: ModuleType, x: jax.Array, y: jax.Array, error_ratio: jax.Array
) -> dict[str, jax.Array]:
    terms, centre = _terms(xp, x, y)
    whole = terms.sum(-1, keepdims=True)
    sums = xp.concatenate([whole, whole - terms], -1)
    n, k = x.shape[-2:]
    points = xp.where(np.arange(n + 1) == 0, n, n - 1.0) * k
    return _estimates(xp, sums, centre, points, error_ratio)


def _terms(xp: ModuleType, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What is summed over subjects (9, comparisons..., n), and the means it is taken about."""
    percent = (x - y) / ((x + y) / 2.0) * 100.0
    values = xp.stack([x, y, x - y, percent])
    # Summed about the unweighted mean, which keeps digits.
    centre = values.mean((-2, -1), keepdims=True)
    terms = xp.concatenate([values - centre, (values - centre) ** 2, xp.abs(percent)[None]])
    return terms.sum(-1), centre[..., 0]


def _estimates(
    xp: ModuleType, sums: jax.Array, centre: jax.Array, points: jax.Array, error_ratio: jax.Array
) -> dict[str, jax.Array]:
    shift = sums[:4] / points
    means = shift + centre
    squares = sums[4:8] - points * shift**2
    squares = xp.where(squares > ROUNDING * sums[4:8], squares, 0.0)
    ss_x, ss_y, ss_d, _ = squares
    ss_xy = (ss_x + ss_y - ss_d) / 2.0
    ss_xy = xp.where(xp.abs(ss_xy) > ROUNDING * (ss_x + ss_y), ss_xy, 0.0)
    mean_x, mean_y, bias, _ = means
    return {
        "points": xp.broadcast_to(points, bias.shape),
        "mean_test": mean_x,
        "mean_reference": mean_y,
        "ss_test": ss_x,
        "ss_reference": ss_y,
        "ss_both": ss_xy,
        **_spread(means, xp.sqrt(squares / (points - 1))),
        **_lines(xp, mean_x, mean_y, ss_x, ss_y, ss_xy, error_ratio),
        **_coefficients(ss_x, ss_y, ss_xy, bias, points),
        "cv_between": sums[8] / points / np.sqrt(2.0),
    }


def _spread(means: jax.Array, sds: jax.Array) -> dict[str, jax.Array]:
    """Bias, limits of agreement and coefficients of variation.

    ``means`` and ``sds`` are of test, reference, their difference, and that in percent.
    """
    mean_x, mean_y, bias, bias_percent = means
    sd_x, sd_y, sd, sd_percent = sds
    return {
        "bias": bias,
        "sd": sd,
        "low": bias - LIMIT_Z * sd,
        "high": bias + LIMIT_Z * sd,
        "bias_percent": bias_percent,
        "sd_percent": sd_percent,
        "low_percent": bias_percent - LIMIT_Z * sd_percent,
        "high_percent": bias_percent + LIMIT_Z * sd_percent,
        "cv_test": 100.0 * sd_x / mean_x,
        "cv_reference": 100.0 * sd_y / mean_y,
    }


def _lines(
    xp: ModuleType,
    mean_x: jax.Array,
    mean_y: jax.Array,
    ss_x: jax.Array,
    ss_y: jax.Array,
    ss_xy: jax.Array,
    ratio: jax.Array,
) -> dict[str, jax.Array]:
    """Least squares and Deming's line of x on y, and the difference on the mean of both."""
    slope = ss_xy / ss_y
    excess = ss_x - ratio * ss_y
    deming = (excess + xp.sqrt(excess**2 + 4.0 * ratio * ss_xy**2)) / (2.0 * ss_xy)
    # S_dm = (S_xx - S_yy) / 2 and S_mm = (S_xx + S_yy + 2 S_xy) / 4.
    proportional = 2.0 * (ss_x - ss_y) / (ss_x + ss_y + 2.0 * ss_xy)
    return {
        "slope": slope,
        "intercept": mean_x - slope * mean_y,
        "r_squared": ss_xy**2 / (ss_x * ss_y),
        "deming_slope": deming,
        "deming_intercept": mean_x - deming * mean_y,
        "proportional_slope": proportional,
        "proportional_intercept": mean_x - mean_y - proportional * (mean_x + mean_y) / 2.0,
    }


def _coefficients(
    ss_x: jax.Array, ss_y: jax.Array, ss_xy: jax.Array, bias: jax.Array, points: jax.Array
) -> dict[str, jax.Array]:
    """Lin's concordance, and ICC(A,1) and ICC(C,1) of two methods (McGraw and Wong 1996).

    The mean squares of subjects and of error times (points - 1) are (S_xx + S_yy)/2 +- S_xy, so
    their difference is 2 S_xy and their sum S_xx + S_yy; that of methods is points * bias^2 / 2.
    """
    both, error = ss_x + ss_y, (ss_x + ss_y) / 2.0 - ss_xy
    methods = (points - 1) * bias**2 - 2.0 * error / points
    return {
        "concordance": 2.0 * ss_xy / (both + points * bias**2),
        "icc_agreement": 2.0 * ss_xy / (both + methods),
        "icc_consistency": 2.0 * ss_xy / both,
    }
