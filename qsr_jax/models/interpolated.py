"""What networks share that learn the difference from an interpolation of their own slice."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.ops.resample import upsample

SMALL = nn.initializers.variance_scaling(1e-4, "fan_in", "normal")
"""Of the last kernel: a hundredth of the usual size; training starts at the interpolation."""

LOG_SPREAD = -4.0
"""Where the logarithm of a spread starts, network scale: 0.018, an early error's size."""

DIRECT_LOG_SPREAD = -1.5
"""The same of a network that starts from nothing: 0.22, the spread of tissues in ln T1."""


def pixel_shuffle(x: jax.Array, scale: int) -> jax.Array:
    """Moves channels into space: (n, h, w, c*scale^2) to (n, scale*h, scale*w, c).

    Channel ``(i * scale + j) * c + k`` becomes output row offset i, column offset j, channel k
    (Shi 2016, arXiv:1609.05158).
    """
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, scale, scale, c // scale**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * scale, w * scale, -1)


def pixel_unshuffle(x: jax.Array, scale: int) -> jax.Array:
    """Moves space into channels, the inverse of :func:`pixel_shuffle`.

    (n, scale*h, scale*w, c) to (n, h, w, c*scale^2): FFDNet's front (Zhang 2018, arXiv:1710.04026).
    """
    n, h, w, c = x.shape
    x = x.reshape(n, h // scale, scale, w // scale, scale, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, h // scale, w // scale, -1)


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
    base: jax.Array,
    y: jax.Array,
    scale: int,
    *,
    spread: bool,
    name: str | None = None,
    log_spread: float = LOG_SPREAD,
) -> jax.Array:
    """The interpolation plus what was learned; the last convolution of a network, inside it.

    Args:
        base: (n, scale*h, scale*w, c).
        y: (n, h, w, features), float32.
        scale: factor between the grids.
        spread: whether the logarithm of each map's spread comes out behind the maps.
        name: of the convolution.
        log_spread: where the logarithm of a spread starts.

    Returns:
        (n, scale*h, scale*w, c), or twice the channels.
    """
    channels = base.shape[-1]
    last = scale**2 * channels * (2 if spread else 1)
    fine = pixel_shuffle(nn.Conv(last, (3, 3), kernel_init=SMALL, name=name)(y), scale)
    if not spread:
        return base + fine
    return jnp.concatenate([base + fine[..., :channels], log_spread + fine[..., channels:]], -1)


def padded(x: jax.Array, multiple: int) -> jax.Array:
    """(n, h, w, c) whose far edges are repeated up to a multiple of so many pixels."""
    height, width = x.shape[1:3]
    return jnp.pad(x, ((0, 0), (0, -height % multiple), (0, -width % multiple), (0, 0)), "edge")
