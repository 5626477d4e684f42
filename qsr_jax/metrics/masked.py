"""Sums over what lies inside a mask, one value per sample and map.

Arrays are ``values`` (n, y, x, c) and ``mask`` (n, y, x) bool; results are (n, c). What stands
outside the mask, NaN included, reaches neither the value nor its gradient.
"""

import jax
import jax.numpy as jnp
import numpy as np

_HALVINGS = 40
"""Enough to bring an interval of float32 numbers down to two neighbours."""

_CROP_STEP = 32
"""Frames are cropped to multiples of this, so that few shapes are compiled."""


def crop_to(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a frame that hold all of the mask (n, y, x), for ``array[:, *crop]``.

    What is blind outside its mask gives the same number on the cropped arrays, in half the time
    for a brain in its field of view. Not for NIQE, whose blocks are counted from the corner.
    """
    crop = []
    for axis, other in ((1, (0, 2)), (2, (0, 1))):
        size = mask.shape[axis]
        used = np.flatnonzero(mask.any(other))
        first, last = (used[0], used[-1] + 1) if used.size else (0, size)
        length = min(size, -(-(last - first) // _CROP_STEP) * _CROP_STEP)
        start = int(min(first, size - length))
        crop.append(slice(start, start + length))
    return crop[0], crop[1]


def inside_only(values: jax.Array, mask: jax.Array) -> jax.Array:
    """``values`` with zeros outside the mask, (n, y, x, c)."""
    return jnp.where(mask[..., None], values, 0.0)


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over (y, x) inside the mask, in the unit of ``values``; NaN where nothing is inside."""
    return inside_only(values, mask).sum((1, 2)) / mask[..., None].sum((1, 2))


def masked_median(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Median over (y, x) inside the mask, the lower one of two; NaN where nothing is inside.

    The interval that holds it is halved until float32 can tell no more: on every device far
    quicker than sorting, and the same number.
    """
    inside = mask[..., None]
    count = inside.sum((1, 2))
    middle = (count + 1) // 2
    bounds = (
        jnp.where(inside, values, jnp.inf).min((1, 2)),
        jnp.where(inside, values, -jnp.inf).max((1, 2)),
    )

    def halve(_: int, interval: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = interval
        centre = low + 0.5 * (high - low)
        below = (inside & (values <= centre[:, None, None, :])).sum((1, 2)) >= middle
        return jnp.where(below, low, centre), jnp.where(below, centre, high)

    _, high = jax.lax.fori_loop(0, _HALVINGS, halve, bounds)
    return jnp.where(count > 0, high, jnp.nan)
