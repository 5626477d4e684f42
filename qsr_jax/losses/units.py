"""Distances of maps in parts of their own value: what a reader of T1, T2 and PD judges by."""

import jax
import jax.numpy as jnp

from qsr_jax.losses.pixel import weighted_mean
from qsr_jax.maps import spec_of


def floors(names: tuple[str, ...]) -> jax.Array:
    """Least values inside a measured head, (c,) ms and percent: below them nothing is a part.

    Example:
        >>> floors(("t1", "t2", "pd")).tolist()
        [50.0, 5.0, 1.0]
    """
    return jnp.array([spec_of(name).measured_min for name in names], jnp.float32)


def relative_error(
    sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None, *, names: tuple[str, ...]
) -> jax.Array:
    """Mean of ``|sr - hr| / max(hr, floor)``, (n,).

    Args:
        sr: (n, h, w, c) maps in physical units.
        hr: the same of the reference.
        weights: (n, h, w, 1), or None.
        names: of the channels; each has the floor of :func:`floors`.

    Example:
        >>> tissue = jnp.full((1, 2, 2, 1), 800.0)
        >>> round(float(relative_error(1.1 * tissue, tissue, names=("t1",))[0]), 3)
        0.1
    """
    return weighted_mean(jnp.abs(sr - hr) / jnp.maximum(hr, floors(names)), weights)


def log_error(
    sr: jax.Array, hr: jax.Array, weights: jax.Array | None = None, *, names: tuple[str, ...]
) -> jax.Array:
    """Mean of ``|ln((sr + floor) / (hr + floor))|``, (n,): twice too much is as bad as half.

    Args:
        sr: (n, h, w, c) maps in physical units, clamped to 0 from below here.
        hr: the same of the reference.
        weights: (n, h, w, 1), or None.
        names: of the channels; each has the floor of :func:`floors`.

    Example:
        >>> tissue = jnp.full((1, 2, 2, 1), 75.0)
        >>> round(float(log_error(2 * tissue + 5.0, tissue, names=("t2",))[0]), 4)  # ln 2
        0.6931
    """
    low = floors(names)
    difference = jnp.log(jnp.maximum(sr, 0.0) + low) - jnp.log(jnp.maximum(hr, 0.0) + low)
    return weighted_mean(jnp.abs(difference), weights)
