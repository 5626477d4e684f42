"""Estimates of agreement from weighted sums, for any number of comparisons at once, in ``jnp``.

Every estimate here is a function of six sums over subjects, so leaving out a subject or drawing
subjects again is a row of weights, and a whole bootstrap is one matrix product. Precision is
float64, in and out: the sums of squares of T1 values near 1000 ms keep no digit of a difference
of 1 ms in float32. It is switched on around this function alone; the networks stay in float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

LIMIT_Z = float(stats.norm.ppf(0.975))
"""Half width of the limits of agreement in standard deviations, 1.959964."""


class Estimates(NamedTuple):
    """One array (comparisons..., weightings) per estimate; units of the values, or percent.

    ``ss_*`` are sums of squares about the mean, over ``points``; ``error`` is a residual's.
    """

    points: jax.Array
    mean_test: jax.Array
    mean_reference: jax.Array
    ss_test: jax.Array
    ss_reference: jax.Array
    ss_both: jax.Array
    bias: jax.Array
    sd: jax.Array
    low: jax.Array
    high: jax.Array
    bias_percent: jax.Array
    sd_percent: jax.Array
    low_percent: jax.Array
    high_percent: jax.Array
    proportional_slope: jax.Array
    proportional_intercept: jax.Array
    slope: jax.Array
    intercept: jax.Array
    r_squared: jax.Array
    deming_slope: jax.Array
    deming_intercept: jax.Array
    concordance: jax.Array
    icc_agreement: jax.Array
    icc_consistency: jax.Array
    cv_test: jax.Array
    cv_reference: jax.Array
    cv_between: jax.Array


def estimate(
    test: np.ndarray, reference: np.ndarray, weights: np.ndarray, *, error_ratio: float
) -> Estimates:
    """All estimates of all comparisons under all weightings.

    Args:
        test: (comparisons..., n, k) k values of each of n subjects, any unit.
        reference: same shape and unit.
        weights: (weightings, n) how often each subject counts: ones, a subject left out, or the
            counts of a bootstrap sample.
        error_ratio: var(error of test) / var(error of reference), for Deming's line.

    Returns:
        float64 arrays (comparisons..., weightings). Estimates that do not exist (a slope without
        spread, percent of zero) are NaN or infinite; who asked for them refuses them.
    """
    with jax.enable_x64(True):
        arrays = (np.asarray(v, np.float64) for v in (test, reference, weights, error_ratio))
        return jax.tree.map(np.asarray, _estimate(*arrays))


@jax.jit
def _estimate(x: jax.Array, y: jax.Array, weights: jax.Array, error_ratio: jax.Array) -> Estimates:
    points = weights.sum(-1) * x.shape[-1]
    percent = (x - y) / ((x + y) / 2.0) * 100.0
    values = jnp.stack([x, y, x - y, percent])
    # Summed about the unweighted mean, which keeps digits.
    centre = values.mean((-2, -1), keepdims=True)
    terms = jnp.concatenate([values - centre, (values - centre) ** 2, jnp.abs(percent)[None]])
    sums = jnp.einsum("f...n,rn->f...r", terms.sum(-1), weights)
    shift = sums[:4] / points
    mean_x, mean_y, bias, bias_percent = shift + centre[..., 0]
    squares = jnp.maximum(sums[4:8] - points * shift**2, 0.0)
    ss_x, ss_y, ss_d, _ = squares
    sds = jnp.sqrt(squares / (points - 1))
    ss_xy = (ss_x + ss_y - ss_d) / 2.0
    return Estimates(
        jnp.broadcast_to(points, bias.shape),
        *(mean_x, mean_y, ss_x, ss_y, ss_xy),
        **_spread(mean_x, mean_y, bias, bias_percent, *sds),
        **_lines(mean_x, mean_y, ss_x, ss_y, ss_xy, error_ratio),
        **_coefficients(ss_x, ss_y, ss_xy, bias, points),
        cv_between=sums[8] / points / jnp.sqrt(2.0),
    )


def _spread(
    mean_x: jax.Array,
    mean_y: jax.Array,
    bias: jax.Array,
    bias_percent: jax.Array,
    sd_x: jax.Array,
    sd_y: jax.Array,
    sd: jax.Array,
    sd_percent: jax.Array,
) -> dict[str, jax.Array]:
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
    deming = (excess + jnp.sqrt(excess**2 + 4.0 * ratio * ss_xy**2)) / (2.0 * ss_xy)
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
