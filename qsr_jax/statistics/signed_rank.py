"""Estimates from ranks of pairs, for any number of comparisons at once, in float64."""

import functools
from types import ModuleType
from typing import NamedTuple

import jax
import numpy as np
from scipy import special

from qsr_jax.statistics.backend import in_double
from qsr_jax.statistics.moments import LIMIT_Z


class PassingBablokArrays(NamedTuple):
    """(comparisons...) each; ``exists`` where the interval's ranks lie among the slopes."""

    slope: np.ndarray
    slope_low: np.ndarray
    slope_high: np.ndarray
    intercept: np.ndarray
    intercept_low: np.ndarray
    intercept_high: np.ndarray
    cusum: np.ndarray
    exists: np.ndarray


def passing_bablok_arrays(test: np.ndarray, reference: np.ndarray) -> PassingBablokArrays:
    """Passing and Bablok's line with its 95 % interval (1983, doi:10.1515/cclm.1983.21.11.709).

    The slope is the median of the slopes of all pairs, shifted by the number of slopes below -1.
    Pairs that coincide and slopes of exactly -1 are left out; a pair with equal references counts
    as plus infinity.

    Args:
        test: (comparisons..., n) one value per subject.
        reference: same shape and unit.

    >>> y = np.array([1.0, 2.0, 4.0, 5.0, 7.0, 9.0])
    >>> round(float(passing_bablok_arrays(2.0 * y + 3.0, y).slope), 6)
    2.0
    """
    return PassingBablokArrays(**_passing_bablok(test, reference, many=np.ndim(test) > 1))


@in_double
def _passing_bablok(xp: ModuleType, x: jax.Array, y: jax.Array) -> dict[str, jax.Array]:
    n = x.shape[-1]
    slopes = _slopes_of_pairs(xp, x, y)
    count = xp.sum(~xp.isnan(slopes), -1)
    shift = xp.sum(slopes < -1.0, -1)
    half_width = LIMIT_Z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    low = xp.round((count - half_width) / 2.0).astype(int)
    high = count - low + 1

    def ranked(rank: jax.Array) -> jax.Array:
        index = xp.clip(rank + shift - 1, 0, slopes.shape[-1] - 1)
        return xp.take_along_axis(slopes, index[..., None], -1)[..., 0]

    def intercept(slope: jax.Array) -> jax.Array:
        return xp.median(x - slope[..., None] * y, -1)

    slope = (ranked((count + 1) // 2) + ranked(count // 2 + 1)) / 2.0
    slope_low, slope_high = ranked(low), ranked(high)
    return {
        "slope": slope,
        "slope_low": slope_low,
        "slope_high": slope_high,
        "intercept": intercept(slope),
        "intercept_low": intercept(slope_high),
        "intercept_high": intercept(slope_low),
        "cusum": _cusum(xp, x, y, slope),
        "exists": (low >= 1) & (high + shift <= count) & xp.isfinite(slope_low + slope_high),
    }


def _slopes_of_pairs(xp: ModuleType, x: jax.Array, y: jax.Array) -> jax.Array:
    """Slopes of all pairs of subjects, ascending, NaN (what does not count) last."""
    first, second = np.triu_indices(x.shape[-1], 1)
    dx, dy = x[..., first] - x[..., second], y[..., first] - y[..., second]
    vertical = xp.where(dx == 0.0, xp.nan, xp.inf)
    slopes = xp.where(dy == 0.0, vertical, dx / xp.where(dy == 0.0, 1.0, dy))
    return xp.sort(xp.where(slopes == -1.0, xp.nan, slopes), -1)


def _cusum(xp: ModuleType, x: jax.Array, y: jax.Array, slope: jax.Array) -> jax.Array:
    """Largest cumulated score along the line over sqrt(points below + 1), the linearity test."""
    slope = slope[..., None]
    offset = x - slope * y
    residual = offset - xp.median(offset, -1, keepdims=True)
    rounding = 1e-12 * xp.abs(x).max(-1, keepdims=True)
    residual = xp.where(xp.abs(residual) <= rounding, 0.0, residual)
    above, below = (xp.sum(s, -1, keepdims=True) for s in (residual > 0.0, residual < 0.0))
    up = xp.sqrt(below / xp.maximum(above, 1))
    down = xp.sqrt(above / xp.maximum(below, 1))
    score = xp.where(residual > 0.0, up, xp.where(residual < 0.0, -down, 0.0))
    order = xp.argsort(y + slope * x, -1, stable=True)
    path = xp.cumsum(xp.take_along_axis(score, order, -1), -1)
    return xp.abs(path).max(-1) / xp.sqrt(below[..., 0] + 1.0)


def cusum_p(cusum: np.ndarray) -> np.ndarray:
    """P of the linearity test: Kolmogorov's limiting distribution (1.36 is .05).

    >>> round(float(cusum_p(np.array(1.36))), 2)
    0.05
    """
    return special.kolmogorov(cusum)


def walsh_averages(differences: np.ndarray) -> np.ndarray:
    """Sorted means of all pairs (i <= j) of differences: (..., n) to (..., n (n + 1) / 2).

    Their median is Hodges and Lehmann's pseudomedian (1963, doi:10.1214/aoms/1177704172).

    >>> walsh_averages(np.array([1.0, 3.0])).tolist()
    [1.0, 2.0, 3.0]
    """
    return _walsh(differences, many=np.ndim(differences) > 1)["averages"]


@in_double
def _walsh(xp: ModuleType, d: jax.Array) -> dict[str, jax.Array]:
    first, second = np.triu_indices(d.shape[-1])
    return {"averages": xp.sort((d[..., first] + d[..., second]) / 2.0, -1)}


@functools.cache
def signed_rank_probabilities(n: int) -> np.ndarray:
    """Probability of each value 0 .. n (n + 1) / 2 of the signed rank statistic under symmetry.

    >>> signed_rank_probabilities(2).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    chances = np.ones(1)
    for rank in range(1, n + 1):
        present = np.zeros(len(chances) + rank)
        present[: len(chances)] += 0.5 * chances
        present[rank:] += 0.5 * chances
        chances = present
    return chances
