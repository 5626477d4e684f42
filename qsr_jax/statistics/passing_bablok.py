"""Passing and Bablok's line, for any number of comparisons at once, in float64.

Its time goes into sorting, which NumPy does forty times as fast as XLA on a CPU.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from qsr_jax.statistics.backend import in_blocks
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
    *lead, n = np.shape(test)
    with np.errstate(all="ignore"):  # who asked for a line that does not exist refuses it
        found = in_blocks(_passing_bablok, test, reference, lead=tuple(lead), cost=n * n // 2)
    return PassingBablokArrays(**found)


def _passing_bablok(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    n = x.shape[-1]
    slopes = _slopes_of_pairs(x, y)
    count = np.sum(~np.isnan(slopes), -1)
    shift = np.sum(slopes < -1.0, -1)
    half_width = LIMIT_Z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    low = np.round((count - half_width) / 2.0).astype(int)
    high = count - low + 1

    def ranked(rank: np.ndarray) -> np.ndarray:
        index = np.clip(rank + shift - 1, 0, slopes.shape[-1] - 1)
        return np.take_along_axis(slopes, index[..., None], -1)[..., 0]

    def intercept(slope: np.ndarray) -> np.ndarray:
        return np.median(x - slope[..., None] * y, -1)

    slope = (ranked((count + 1) // 2) + ranked(count // 2 + 1)) / 2.0
    slope_low, slope_high = ranked(low), ranked(high)
    return {
        "slope": slope,
        "slope_low": slope_low,
        "slope_high": slope_high,
        "intercept": intercept(slope),
        "intercept_low": intercept(slope_high),
        "intercept_high": intercept(slope_low),
        "cusum": _cusum(x, y, slope),
        "exists": (low >= 1) & (high + shift <= count) & np.isfinite(slope_low + slope_high),
    }


def _slopes_of_pairs(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Slopes of all pairs of subjects, ascending, NaN (what does not count) last."""
    first, second = np.triu_indices(x.shape[-1], 1)
    rounding = ROUNDING * np.maximum(np.abs(x), np.abs(y)).max(-1, keepdims=True)
    dx, dy = x[..., first] - x[..., second], y[..., first] - y[..., second]
    dx, dy = (np.where(np.abs(d) <= rounding, 0.0, d) for d in (dx, dy))
    vertical = np.where(dx == 0.0, np.nan, np.inf)
    slopes = np.where(dy == 0.0, vertical, dx / np.where(dy == 0.0, 1.0, dy))
    return np.sort(np.where(np.abs(dx + dy) <= rounding, np.nan, slopes), -1)


def _cusum(x: np.ndarray, y: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Largest cumulated score along the line over sqrt(points below + 1), the linearity test.

    Points at one place of the line have no order among themselves: the path is read behind them.
    """
    slope = slope[..., None]
    offset, along = x - slope * y, y + slope * x
    residual = offset - np.median(offset, -1, keepdims=True)
    rounding = ROUNDING * np.abs(x).max(-1, keepdims=True)
    residual = np.where(np.abs(residual) <= rounding, 0.0, residual)
    above, below = (np.sum(s, -1, keepdims=True) for s in (residual > 0.0, residual < 0.0))
    up = np.sqrt(below / np.maximum(above, 1))
    down = np.sqrt(above / np.maximum(below, 1))
    score = np.where(residual > 0.0, up, np.where(residual < 0.0, -down, 0.0))
    order = np.argsort(along, -1, stable=True)
    path = np.cumsum(np.take_along_axis(score, order, -1), -1)
    step = np.diff(np.take_along_axis(along, order, -1), axis=-1)
    same = step <= ROUNDING * np.abs(along).max(-1, keepdims=True)
    behind = np.where(same, 0.0, path[..., :-1])
    return np.abs(behind).max(-1) / np.sqrt(below[..., 0] + 1.0)


def cusum_p(cusum: np.ndarray) -> np.ndarray:
    """P of the linearity test: Kolmogorov's limiting distribution (1.36 is .05).

    >>> round(float(cusum_p(np.array(1.36))), 2)
    0.05
    """
    return special.kolmogorov(cusum)
