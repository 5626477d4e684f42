"""Batch normalisation in training, with the textbook's gradient.

``flax.linen.BatchNorm`` carries running statistics for the day a network predicts. A discriminator
never predicts: its statistics would be saved, averaged and checked, and read by nobody. A network
that predicts has them here too, under flax's names, and predicts with flax's own norm.

The (leaky) ReLU behind it and the zeros around it belong to it, so that its backward pass can be
the textbook's: once over input and gradient for two sums, writing nothing, and once more for the
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

Normalised = tuple[jax.Array, jax.Array, jax.Array]
"""Result, mean and variance."""


class BatchNorm(nn.Module):
    """Normalises (n, h, w, c) by the mean and variance of the batch (Ioffe 2015, arXiv:1502.03167).

    Attributes:
        slope: of the leaky ReLU behind it; 1 leaves values as they are, 0 is a ReLU.
        edges: zeros put around the result, for a convolution without any of its own.
        axis_name: device axis over which the statistics are shared, or None.
        dtype: of the result, None: the input's; statistics are float32 at least.
        momentum: share of the old value kept by running statistics, None: it has none.
    """

    slope: float = 1.0
    edges: Edges = NO_EDGES
    axis_name: str | None = None
    dtype: Any = None
    momentum: float | None = None

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
        y, mean, variance = _normalised(x, scale, bias, how)
        if self.momentum is not None:
            self._follow(self.momentum, mean=mean, var=variance)
        return y

    def _follow(self, momentum: float, **statistics: jax.Array) -> None:
        """Running statistics, as flax keeps them: zeros and ones at first."""
        for (name, now), first in zip(statistics.items(), (jnp.zeros, jnp.ones), strict=True):
            old = self.variable("batch_stats", name, first, now.shape, now.dtype)
            if not self.is_initializing():
                old.value = momentum * old.value + (1.0 - momentum) * jax.lax.stop_gradient(now)


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
def _normalised(x: jax.Array, scale: jax.Array, bias: jax.Array, how: _How) -> Normalised:
    """The result; and mean and variance, through which no gradient passes."""
    return _forward(x, scale, bias, how)[0]


def _forward(
    x: jax.Array, scale: jax.Array, bias: jax.Array, how: _How
) -> tuple[Normalised, tuple[jax.Array, ...]]:
    wide = _wide(how.apart(x))
    sums = _both_sums(wide, jnp.square(wide))
    mean, square = (total / (wide.size // total.size) for total in sums)
    if how.axis_name is not None:
        mean, square = jax.lax.pmean(jnp.stack([mean, square]), how.axis_name)
    variance = jnp.maximum(square - jnp.square(mean), 0.0)
    rate = jax.lax.rsqrt(variance + EPSILON)
    kept = x, scale, bias, mean, rate
    y = _centred(x, mean, how) * _each(rate * scale) + bias
    y = nn.leaky_relu(y, how.slope) if how.slope else nn.relu(y)
    y = jnp.pad(y.astype(how.dtype).reshape(x.shape), how.edges)
    return (y, mean, variance), kept


def _backward(
    how: _How, kept: tuple[jax.Array, ...], gradients: Normalised
) -> tuple[jax.Array, jax.Array, jax.Array]:
    _, scale, bias, mean, rate = kept
    given = gradients[0]

    def seen(x: jax.Array, given: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The input without its mean, and the gradient before the leaky ReLU."""
        centred, inner = _centred(x, mean, how), _wide(how.inner(given, x))
        along = centred * _each(rate * scale)
        if not how.slope:
            return centred, jnp.where(along > -bias, inner, 0.0)  # at 0 as JAX's ReLU
        return centred, jnp.where(along >= -bias, inner, how.slope * inner)

    # What passes a barrier XLA does not recognise: it reads x and the gradient anew each time,
    # where it would store signs of the forward pass, and the gradient between the two passes.
    x = jax.lax.optimization_barrier(kept[0])
    centred, gradient = seen(x, given)
    sums = _both_sums(gradient, gradient * centred)
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


def _both_sums(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums over the pixels of two arrays of one shape.

    A GPU adds up in two stages: of a pair the second is one kernel, and can go on computing.
    """
    return jax.lax.platform_dependent(a, b, cpu=one_by_one, default=in_pairs)


def one_by_one(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums (g, c) or (c,), each by itself."""
    return a.sum(PIXELS), b.sum(PIXELS)


def in_pairs(a: jax.Array, b: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The same sums, both at once."""
    nothing, axes = a.dtype.type(0), tuple(axis % a.ndim for axis in PIXELS)
    return jax.lax.reduce((a, b), (nothing, nothing), lambda x, y: (x[0] + y[0], x[1] + y[1]), axes)


def _centred(x: jax.Array, mean: jax.Array, how: _How) -> jax.Array:
    return _wide(how.apart(x)) - _each(mean)


def _each(of_group: jax.Array) -> jax.Array:
    """(c,) or (g, c), beside the pixels it belongs to."""
    return of_group[..., None, None, None, :]


def _wide(x: jax.Array) -> jax.Array:
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
