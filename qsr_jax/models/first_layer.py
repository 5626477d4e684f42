"""From an image of few channels to many features: the first layer of a discriminator.

A 3x3 convolution of one channel is nine products a value. That is less than it costs a GPU to store
its result, read it again for the leaky ReLU and the zeros around, and store that; cuDNN has no
convolution that does all three in bfloat16. So on a GPU the products are written out, and XLA makes
one kernel of everything, which stores once. A CPU convolves.

The backward pass takes the signs from the result, which a leaky ReLU keeps, and convolves.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.models.norm import Edges

SIDE = 3
"""Of the kernel, in pixels."""


class FirstLayer(nn.Module):
    """A 3x3 convolution without edges, a leaky ReLU, zeros around; parameters as of ``nn.Conv``.

    Attributes:
        features: channels of the result.
        slope: of the leaky ReLU, above 0.
        edges: zeros put around the result, for a convolution without any of its own.
        dtype: of factors and result, None: the input's.
    """

    features: int
    slope: float
    edges: Edges
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, c) to (n, h - 2, w - 2, features) and its edges."""
        shape = (SIDE, SIDE, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return _made(x, kernel, bias, self.slope, self.edges)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _made(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, slope: float, edges: Edges
) -> jax.Array:
    ways = {"cpu": convolved, "default": written_out}
    ways = {name: functools.partial(way, slope=slope) for name, way in ways.items()}
    return jnp.pad(jax.lax.platform_dependent(x, kernel, bias, **ways), edges)


def _forward(
    x: jax.Array, kernel: jax.Array, bias: jax.Array, slope: float, edges: Edges
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    y = jax.lax.optimization_barrier(_made(x, kernel, bias, slope, edges))
    return y, (x, kernel, y)


def _backward(
    slope: float, edges: Edges, kept: tuple[jax.Array, ...], given: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    x, kernel, y = kept
    inside = tuple(slice(low, -high or None) for low, high in edges)
    gradient = jnp.where(y[inside] >= 0, given[inside], slope * given[inside])
    _, pull_back = jax.vjp(_convolution, x, kernel)
    return *pull_back(gradient), gradient.sum((0, 1, 2))


_made.defvjp(_forward, _backward)


def convolved(x: jax.Array, kernel: jax.Array, bias: jax.Array, *, slope: float) -> jax.Array:
    """(n, h, w, c) with (3, 3, c, f) and (f,) to (n, h - 2, w - 2, f), in the precision of x."""
    return nn.leaky_relu(_convolution(x, kernel) + bias, slope)


def written_out(x: jax.Array, kernel: jax.Array, bias: jax.Array, *, slope: float) -> jax.Array:
    """The same as a sum of products, in float32 at least and rounded once."""
    wide = jnp.promote_types(x.dtype, jnp.float32)
    seen, kernel, total = x.astype(wide), kernel.astype(wide), bias.astype(wide)
    height, width = x.shape[1] - SIDE + 1, x.shape[2] - SIDE + 1
    for row, column, channel in np.ndindex(SIDE, SIDE, x.shape[-1]):
        moved = seen[:, row : row + height, column : column + width, channel, None]
        total = total + moved * kernel[row, column, channel]
    return nn.leaky_relu(total, slope).astype(x.dtype)


def _convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
