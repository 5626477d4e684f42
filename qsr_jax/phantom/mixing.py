"""What adds up when places are mixed: protons, and protons times their relaxation rates.

Times do not: the mean of 80 ms and 1500 ms is no T2 of anything, while protons of both under fast
exchange relax with the mean of their rates. Whoever interpolates or averages T1, T2 and PD does it
on these sums.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike


def sums_of(maps: ArrayLike) -> jax.Array:
    """What adds up in maps.

    Args:
        maps: (..., 3) T1 (ms), T2 (ms), PD (%); a time of 0 is one that is not known.

    Returns:
        (..., 3) PD/T1, PD/T2 (%/ms), 0 where the time is, and PD (%).

    >>> sums_of(jnp.array([1000.0, 80.0, 80.0])).round(3).tolist()
    [0.07999999821186066, 1.0, 80.0]
    """
    maps = jnp.asarray(maps)
    times, pd = maps[..., :2], maps[..., 2:]
    rates = jnp.where(times > 0, pd / jnp.maximum(times, 1e-6), 0.0)
    return jnp.concatenate([rates, pd], axis=-1)


def maps_of(sums: ArrayLike) -> jax.Array:
    """Maps (..., 3) whose sums these are, see :func:`sums_of`; 0 ms where nothing relaxes.

    >>> water_and_tissue = sums_of(jnp.array([[1000.0, 80.0, 80.0], [4000.0, 1500.0, 100.0]]))
    >>> maps_of(water_and_tissue.mean(axis=0)).round().tolist()
    [1714.0, 169.0, 90.0]
    """
    sums = jnp.asarray(sums)
    rates, pd = sums[..., :2], sums[..., 2:]
    times = jnp.where(rates > 0, pd / jnp.maximum(rates, 1e-9), 0.0)
    return jnp.concatenate([times, pd], axis=-1)


def coarser_maps(maps: np.ndarray, factor: int) -> np.ndarray:
    """Maps of pixels that hold ``factor`` squared smaller ones.

    Args:
        maps: (..., H, W, 3) T1 (ms), T2 (ms), PD (%); a place without protons takes no part.
        factor: smaller pixels along a larger one.

    Returns:
        (..., H // factor, W // factor, 3); the very maps where the factor is 1.

    >>> water_and_tissue = np.array([[[1000.0, 80.0, 80.0]] * 2, [[4000.0, 1500.0, 100.0]] * 2])
    >>> coarser_maps(water_and_tissue, 2).round().tolist()
    [[[1714.0, 169.0, 90.0]]]
    """
    if factor == 1:
        return maps
    rows, columns = (size // factor for size in maps.shape[-3:-1])
    whole = sums_of(maps[..., : rows * factor, : columns * factor, :])
    parts = whole.reshape(*maps.shape[:-3], rows, factor, columns, factor, 3)
    return np.asarray(maps_of(parts.mean(axis=(-4, -2))), np.float32)
