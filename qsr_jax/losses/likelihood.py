"""Minus the logarithm of the likelihood of a target, for a network that says how sure it is.

In both, ``log_spread`` is the logarithm of the *standard deviation* in network scale, so that what
it means does not depend on which was minimised (Kendall 2017, arXiv:1703.04977).
"""

import math

import jax
import jax.numpy as jnp

from qsr_jax.losses.pixel import weighted_mean

LEAST_LOG_SPREAD = -8.0
"""3e-4 of a network scale 2 wide: 0.8 ms of T1. Air of a simulated truth is exactly 0, and without
a floor its likelihood would have no bound."""


def laplace(
    mean: jax.Array, log_spread: jax.Array, target: jax.Array, weights: jax.Array | None = None
) -> jax.Array:
    """Mean of ``sqrt(2) |target - mean| / s + ln(sqrt(2) s)``, s = e^log_spread, (n,).

    Args:
        mean: (n, h, w, c), network scale.
        log_spread: the same shape, at least :data:`LEAST_LOG_SPREAD` here.
        target: the same shape.
        weights: (n, h, w, 1), or None.

    Example:
        >>> zero = jnp.zeros((1, 2, 2, 1))
        >>> round(float(laplace(zero, zero, zero + 1.0)[0]), 4)  # sqrt 2 + ln sqrt 2
        1.7608
    """
    log_spread = jnp.maximum(log_spread, LEAST_LOG_SPREAD)
    part = math.sqrt(2.0) * jnp.abs(target - mean) * jnp.exp(-log_spread)
    return weighted_mean(part + log_spread + 0.5 * math.log(2.0), weights)


def gaussian(
    mean: jax.Array, log_spread: jax.Array, target: jax.Array, weights: jax.Array | None = None
) -> jax.Array:
    """Mean of ``(target - mean)^2 / (2 s^2) + ln(sqrt(2 pi) s)``, s = e^log_spread, (n,).

    Args:
        mean: (n, h, w, c), network scale.
        log_spread: the same shape, at least :data:`LEAST_LOG_SPREAD` here.
        target: the same shape.
        weights: (n, h, w, 1), or None.

    Example:
        >>> zero = jnp.zeros((1, 2, 2, 1))
        >>> round(float(gaussian(zero, zero, zero + 1.0)[0]), 4)  # 1/2 + ln sqrt(2 pi)
        1.4189
    """
    log_spread = jnp.maximum(log_spread, LEAST_LOG_SPREAD)
    part = 0.5 * jnp.square((target - mean) * jnp.exp(-log_spread))
    return weighted_mean(part + log_spread + 0.5 * math.log(2.0 * math.pi), weights)
