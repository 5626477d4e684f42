"""How the times of studies are drawn, and what stands for those that nobody knows."""

import jax
import jax.numpy as jnp

from qsr_jax.acquisition import ACQUISITION, TYPICAL_MS, Ranges


def known_or_typical(acquisition_ms: jax.Array) -> jax.Array:
    """Times (..., 7) with :data:`qsr_jax.acquisition.TYPICAL_MS` for those that are not known.

    >>> known_or_typical(jnp.asarray([jnp.nan] * 6 + [2000.0]))[::3].tolist()
    [530.0, 98.0, 2000.0]
    """
    typical = jnp.asarray(TYPICAL_MS, jnp.float32)
    return jnp.where(jnp.isnan(acquisition_ms), typical, acquisition_ms)


def draw_acquisition(key: jax.Array, ranges: Ranges, n: int) -> jax.Array:
    """Times of ``n`` studies, (n, 7) ms, each logarithmically uniform in its range.

    >>> from qsr_jax.acquisition import NARROW
    >>> draw_acquisition(jax.random.key(0), NARROW, 2).shape
    (2, 7)
    """
    low, high = jnp.log(jnp.asarray(ranges, jnp.float32)).T
    drawn = jnp.exp(low + (high - low) * jax.random.uniform(key, (n, len(ACQUISITION))))
    return jnp.clip(drawn, jnp.asarray(ranges)[:, 0], jnp.asarray(ranges)[:, 1])
