"""Estimates from ranks of pairs, for any number of comparisons at once, in ``jnp``, float64."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

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
    """
    with jax.enable_x64(True):
        arrays = (np.asarray(v, np.float64) for v in (test, reference))
        return jax.tree.map(np.asarray, _passing_bablok(*arrays))


@jax.jit
def _passing_bablok(x: jax.Array, y: jax.Array) -> PassingBablokArrays:
    n = x.shape[-1]
    first, second = np.triu_indices(n, 1)
    dx, dy = x[..., first] - x[..., second], y[..., first] - y[..., second]
    vertical = jnp.where(dx == 0.0, jnp.nan, jnp.inf)
    slopes = jnp.where(dy == 0.0, vertical, dx / jnp.where(dy == 0.0, 1.0, dy))
    slopes = jnp.sort(jnp.where(slopes == -1.0, jnp.nan, slopes), -1)  # NaN goes last
    count = jnp.sum(~jnp.isnan(slopes), -1)
    shift = jnp.sum(slopes < -1.0, -1)
    half_width = LIMIT_Z * np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    low = jnp.round((count - half_width) / 2.0).astype(int)
    high = count - low + 1

    def ranked(rank: jax.Array) -> jax.Array:
        index = jnp.clip(rank + shift - 1, 0, slopes.shape[-1] - 1)
        return jnp.take_along_axis(slopes, index[..., None], -1)[..., 0]

    def intercept(slope: jax.Array) -> jax.Array:
        return jnp.median(x - slope[..., None] * y, -1)

    slope = (ranked((count + 1) // 2) + ranked(count // 2 + 1)) / 2.0
    slope_low, slope_high = ranked(low), ranked(high)
    return PassingBablokArrays(
        slope=slope,
        slope_low=slope_low,
        slope_high=slope_high,
        intercept=intercept(slope),
        intercept_low=intercept(slope_high),
        intercept_high=intercept(slope_low),
        cusum=_cusum(x, y, slope),
        exists=(low >= 1) & (high + shift <= count) & jnp.isfinite(slope_low + slope_high),
    )


def _cusum(x: jax.Array, y: jax.Array, slope: jax.Array) -> jax.Array:
    """Largest cumulated score along the line over sqrt(points below + 1), the linearity test."""
    slope = slope[..., None]
    offset = x - slope * y
    residual = offset - jnp.median(offset, -1, keepdims=True)
    residual = jnp.where(
        jnp.abs(residual) <= 1e-12 * jnp.abs(x).max(-1, keepdims=True), 0, residual
    )
    above, below = (jnp.sum(s, -1, keepdims=True) for s in (residual > 0.0, residual < 0.0))
    up = jnp.sqrt(below / jnp.maximum(above, 1))
    down = jnp.sqrt(above / jnp.maximum(below, 1))
    score = jnp.where(residual > 0.0, up, jnp.where(residual < 0.0, -down, 0.0))
    order = jnp.argsort(y + slope * x, -1)
    path = jnp.cumsum(jnp.take_along_axis(score, order, -1), -1)
    return jnp.abs(path).max(-1) / jnp.sqrt(below[..., 0] + 1.0)


def cusum_p(cusum: np.ndarray) -> np.ndarray:
    """P of the linearity test: Kolmogorov's limiting distribution (1.36 is .05)."""
    return special.kolmogorov(cusum)


def walsh_averages(differences: np.ndarray) -> np.ndarray:
    """Sorted means of all pairs (i <= j) of differences: (..., n) to (..., n (n + 1) / 2)."""
    with jax.enable_x64(True):
        return np.asarray(_walsh(np.asarray(differences, np.float64)))


@jax.jit
def _walsh(d: jax.Array) -> jax.Array:
    first, second = np.triu_indices(d.shape[-1])
    return jnp.sort((d[..., first] + d[..., second]) / 2.0, -1)


@functools.cache
def signed_rank_probabilities(n: int) -> np.ndarray:
    """Probability of each value 0 .. n (n + 1) / 2 of the signed rank statistic under symmetry."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        present = np.zeros(len(chances) + rank)
        present[: len(chances)] += 0.5 * chances
        present[rank:] += 0.5 * chances
        chances = present
    return chances
