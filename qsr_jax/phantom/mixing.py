"""What adds up when places are mixed: protons, and protons times their relaxation rates.

Times do not: the mean of 80 ms and 1500 ms is no T2 of anything, while protons of both under fast
exchange relax with the mean of their rates. Whoever interpolates or averages T1, T2 and PD does it
on these sums.
"""

import jax
import jax.numpy as jnp
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
