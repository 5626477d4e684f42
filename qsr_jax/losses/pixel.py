"""Losses of pixels, one value per sample; ``weights`` says which pixels count and how much.

Images are network scale (n, h, w, c). ``weights`` is (n, h, w, 1), or None where every pixel counts
alike. A sample in which none counts has a loss of 0.
"""

import jax
import jax.numpy as jnp

EPSILON = 1e-3
"""Of the Charbonnier loss, in network scale: 2.3 ms of T1 (Lai 2017, arXiv:1704.03915)."""


def mae(sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Equation 1: mean absolute error of each image, (n,).

    Example:
        >>> import jax.numpy as jnp
        >>> mae(jnp.ones((2, 4, 4, 1)), jnp.zeros((2, 4, 4, 1))).tolist()
        [1.0, 1.0]
    """
    return weighted_mean(jnp.abs(sr - hr), weights)


def mse(sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Mean squared error of each image, (n,).

    Example:
        >>> import jax.numpy as jnp
        >>> mse(jnp.full((1, 4, 4, 1), 3.0), jnp.zeros((1, 4, 4, 1))).tolist()
        [9.0]
    """
    return weighted_mean(jnp.square(sr - hr), weights)


def charbonnier(sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None) -> jax.Array:
    """Mean of ``sqrt(d^2 + e^2) - e``: smooth at 0, the absolute error beyond :data:`EPSILON`.

    Charbonnier 1994 (doi:10.1109/ICIP.1994.413553); e is subtracted so that equality costs nothing.

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(charbonnier(jnp.ones((1, 4, 4, 1)), jnp.zeros((1, 4, 4, 1)))[0]), 3)
        0.999
    """
    difference = jnp.sqrt(jnp.square(sr - hr) + EPSILON**2) - EPSILON
    return weighted_mean(difference, weights)


def weighted_mean(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Mean over the pixels and channels of each sample, (n, h, w, c) to (n,).

    Example:
        >>> import jax.numpy as jnp
        >>> values = jnp.array([1.0, 5.0]).reshape(1, 1, 2, 1)
        >>> weighted_mean(values, jnp.array([0.0, 1.0]).reshape(1, 1, 2, 1)).tolist()
        [5.0]
    """
    if weights is None:
        return values.mean(axis=(1, 2, 3))
    total = (values * weights).sum(axis=(1, 2, 3))
    return total / jnp.maximum(weights.sum(axis=(1, 2, 3)) * values.shape[-1], 1.0)
