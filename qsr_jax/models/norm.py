"""Batch normalisation without memory, for a network that only ever works in training.

``flax.linen.BatchNorm`` carries running statistics for the day a network predicts. A discriminator
never predicts: its statistics would be saved, averaged and checked, and read by nobody.

The leaky ReLU behind it and the zeros around it belong to it, so that its backward pass can be the
textbook's: once over input and gradient for two sums, writing nothing, and once more for the
result. As JAX derives it, the gradient between the two would be stored.
"""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

EPSILON = 1e-5
"""Added to the variance, as :class:`flax.linen.BatchNorm` does."""

Edges = tuple[tuple[int, int], ...]
"""What stands before and behind every axis of (n, h, w, c)."""

NO_EDGES = ((0, 0),) * 4

PIXELS = (-4, -3, -2)
"""Axes of (n, h, w, c), or of (g, n, h, w, c), that share a statistic."""


class BatchNorm(nn.Module):
    """Normalises (n, h, w, c) by the mean and variance of the batch (Ioffe 2015, arXiv:1502.03167).

    Attributes:
        slope: of the leaky ReLU behind it; 1 leaves values as they are.
        edges: zeros put around the result, for a convolution without any of its own.
        axis_name: device axis over which the statistics are shared, or None.
        dtype: of the result, None: the input's; statistics are float32 at least.
    """

    slope: float = 1.0
    edges: Edges = NO_EDGES
    axis_name: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, groups: int = 1) -> jax.Array:
        """Maps (n, h, w, c) to the same shape and its edges: mean ``bias``, deviation ``scale``.

        Args:
            x: images of ``groups`` batches, one batch after the other; each has its statistics.
            groups: how many.
        """
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        how = _How(
            groups=groups,
            slope=self.slope,
            edges=self.edges,
            axis_name=None if self.is_initializing() else self.axis_name,
            dtype=jnp.dtype(self.dtype or x.dtype),
        )
        return _normalised(x, scale, bias, how)


@dataclasses.dataclass(frozen=True)
class _How:
    """All that is not an array; see :class:`BatchNorm`."""

    groups: int
    slope: float
    edges: Edges
    axis_name: str | None
    dtype: jnp.dtype

    def apart(self, x: jax.Array) -> jax.Array:
        """(g * n, h, w, c) to (g, n, h, w, c); of one group as it is."""
        return x if self.groups == 1 else x.reshape(self.groups, -1, *x.shape[1:])

    def inner(self, given: jax.Array, x: jax.Array) -> jax.Array:
        """A gradient of the result without its edges, apart like the input ``x``."""
        _, (top, _), (left, _), _ = self.edges
        return self.apart(given[:, top : top + x.shape[1], left : left + x.shape[2]])


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _normalised(x: jax.Array, scale: jax.Array, bias: jax.Array, how: _How) -> jax.Array:
    return _forward(x, scale, bias, how)[0]


def _forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, how: _How
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    wide = _wide(how.apart(x))
    moments = jnp.stack([wide.mean(PIXELS), jnp.square(wide).mean(PIXELS)])
    if how.axis_name is not None:
        moments = jax.lax.pmean(moments, how.axis_name)
    mean, variance = moments[0], jnp.maximum(moments[1] - jnp.square(moments[0]), 0.0)
    rate = jax.lax.rsqrt(variance + EPSILON)
    kept = x, scale, bias, mean, rate
    y = nn.leaky_relu(_centred(x, mean, how) * _each(rate * scale) + bias, how.slope)
    return jnp.pad(y.astype(how.dtype).reshape(x.shape), how.edges), kept


def _backward(
    how: _How, kept: tuple[jax.Array, ...], given: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    _, scale, bias, mean, rate = kept

    def seen(x: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The input without its mean, and the gradient before the leaky ReLU."""
        centred, inner = _centred(x, mean, how), _wide(how.inner(given, x))
        positive = centred * _each(rate * scale) + bias >= 0
        return centred, jnp.where(positive, inner, how.slope * inner)

    # What passes a barrier XLA does not recognise: it reads x and the gradient anew each time,
    # where it would store signs of the forward pass, and the gradient between the two passes.
    x, given = jax.lax.optimization_barrier((kept[0], given))
    centred, gradient = seen(x, given)
    sums = gradient.sum(PIXELS), (gradient * centred).sum(PIXELS)
    x, given, sums = jax.lax.optimization_barrier((x, given, sums))
    count, totals = x.size // mean.size, sums
    if how.axis_name is not None:
        count *= jax.lax.psum(1, how.axis_name)
        totals = jax.lax.psum(sums, how.axis_name)
    centred, gradient = seen(x, given)
    along = centred * _each(jnp.square(rate) * totals[1] / count)
    back = (gradient - _each(totals[0] / count) - along) * _each(rate * scale)
    shares = (sums[1] * rate).reshape(-1, *scale.shape), sums[0].reshape(-1, *bias.shape)
    return back.astype(x.dtype).reshape(x.shape), shares[0].sum(0), shares[1].sum(0)


_normalised.defvjp(_forward, _backward)


def _centred(x: jax.Array, mean: jax.Array, how: _How) -> jax.Array:
    return _wide(how.apart(x)) - _each(mean)


def _each(of_group: jax.Array) -> jax.Array:
    """(c,) or (g, c), beside the pixels it belongs to."""
    return of_group[..., None, None, None, :]


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
