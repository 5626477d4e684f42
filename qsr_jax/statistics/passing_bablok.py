"""Passing and Bablok's line, for any number of comparisons at once, in float64."""

import functools
from types import ModuleType
from typing import NamedTuple

import jax
import numpy as np
from scipy import special

from qsr_jax.statistics.backend import in_blocks, in_double
from qsr_jax.statistics.moments import LIMIT_Z

MOST_SUBJECTS = 2000
"""Subjects above which the two million slopes of all pairs are no longer listed."""

ROUNDING = 1e-12
"""Differences below this share of the largest value are ties that rounding has torn apart."""


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
    if np.ndim(test) == 1:
        return PassingBablokArrays(**_passing_bablok(test, reference, many=False))
    *lead, n = test.shape
    compute = functools.partial(_passing_bablok, many=True)
    found = in_blocks(compute, test, reference, lead=tuple(lead), cost=n * n // 2)
    return PassingBablokArrays(**found)


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
    rounding = ROUNDING * xp.maximum(xp.abs(x), xp.abs(y)).max(-1, keepdims=True)
    dx, dy = x[..., first] - x[..., second], y[..., first] - y[..., second]
    dx, dy = (xp.where(xp.abs(d) <= rounding, 0.0, d) for d in (dx, dy))
    vertical = xp.where(dx == 0.0, xp.nan, xp.inf)
    slopes = xp.where(dy == 0.0, vertical, dx / xp.where(dy == 0.0, 1.0, dy))
    return xp.sort(xp.where(xp.abs(dx + dy) <= rounding, xp.nan, slopes), -1)


def _cusum(xp: ModuleType, x: jax.Array, y: jax.Array, slope: jax.Array) -> jax.Array:
    """Largest cumulated score along the line over sqrt(points below + 1), the linearity test.

    Points at one place of the line have no order among themselves: the path is read behind them.
    """
    slope = slope[..., None]
    offset, along = x - slope * y, y + slope * x
    residual = offset - xp.median(offset, -1, keepdims=True)
    rounding = ROUNDING * xp.abs(x).max(-1, keepdims=True)
    residual = xp.where(xp.abs(residual) <= rounding, 0.0, residual)
    above, below = (xp.sum(s, -1, keepdims=True) for s in (residual > 0.0, residual < 0.0))
    up = xp.sqrt(below / xp.maximum(above, 1))
    down = xp.sqrt(above / xp.maximum(below, 1))
    score = xp.where(residual > 0.0, up, xp.where(residual < 0.0, -down, 0.0))
    order = xp.argsort(along, -1, stable=True)
    path = xp.cumsum(xp.take_along_axis(score, order, -1), -1)
    step = xp.diff(xp.take_along_axis(along, order, -1), axis=-1)
    same = step <= ROUNDING * xp.abs(along).max(-1, keepdims=True)
    behind = xp.where(same, 0.0, path[..., :-1])
    return xp.abs(behind).max(-1) / xp.sqrt(below[..., 0] + 1.0)


def cusum_p(cusum: np.ndarray) -> np.ndarray:
    """P of the linearity test: Kolmogorov's limiting distribution (1.36 is .05).

    >>> round(float(cusum_p(np.array(1.36))), 2)
    0.05
    """
    return special.kolmogorov(cusum)
