"""What networks share that learn the difference from an interpolation of their own slice."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.ops.resample import upsample

SMALL = nn.initializers.variance_scaling(1e-4, "fan_in", "normal")
"""Of the last kernel: a hundredth of the usual size; training starts at the interpolation."""

LOG_SPREAD = -4.0
"""Where the logarithm of a spread starts, network scale: 0.018, an early error's size."""


def pixel_shuffle(x: jax.Array, scale: int) -> jax.Array:
    """Moves channels into space: (n, h, w, c*scale^2) to (n, scale*h, scale*w, c).

    Channel ``(i * scale + j) * c + k`` becomes output row offset i, column offset j, channel k
    (Shi 2016, arXiv:1609.05158).
    """
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, scale, scale, c // scale**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * scale, w * scale, -1)


def interpolated(x: jax.Array, *, channels: int, scale: int, alignment: str) -> jax.Array:
    """Cubic interpolation of the middle ``channels`` of (n, h, w, c): the slice itself.

    Where the input carries neighbouring slices, they stand before and after it.
    """
    before = (x.shape[-1] - channels) // 2
    own = x[..., before : before + channels]
    if scale == 1:
        return own
    return upsample(own, scale=scale, alignment=alignment, method="cubic")


def added(
    base: jax.Array, y: jax.Array, scale: int, *, spread: bool, name: str | None = None
) -> jax.Array:
    """The interpolation plus what was learned; the last convolution of a network, inside it.

    Args:
        base: (n, scale*h, scale*w, c).
        y: (n, h, w, features), float32.
        scale: factor between the grids.
        spread: whether the logarithm of each map's spread comes out behind the maps.
        name: of the convolution.

    Returns:
        (n, scale*h, scale*w, c), or twice the channels.
    """
    channels = base.shape[-1]
    last = scale**2 * channels * (2 if spread else 1)
    fine = pixel_shuffle(nn.Conv(last, (3, 3), kernel_init=SMALL, name=name)(y), scale)
    if not spread:
        return base + fine
    return jnp.concatenate([base + fine[..., :channels], LOG_SPREAD + fine[..., channels:]], -1)


def padded(x: jax.Array, multiple: int) -> jax.Array:
    """(n, h, w, c) whose far edges are repeated up to a multiple of so many pixels."""
    height, width = x.shape[1:3]
    return jnp.pad(x, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), "edge")
