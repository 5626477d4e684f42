"""Twice as many pixels a side by a transposed 2x2 convolution of stride 2, as one product.

No two windows of such a convolution meet: every coarse pixel makes its own 2x2 fine ones, which is
a matrix product and a rearrangement. XLA's CPU compiler has no fast way for the gradient of the
dilated convolution that :class:`flax.linen.ConvTranspose` asks for; a training step of the default
page spent 140 of 360 ms of a core in two of them.
"""

from typing import Any

import flax.linen as nn
import jax

SIDE = 2


class Doubling(nn.Module):
    """``nn.ConvTranspose(features, (2, 2), strides=(2, 2))``: its weights, names and values.

    Attributes:
        features: channels that come out.
        dtype: in which it computes, None: as its input.
    """

    features: int
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, c) to (n, 2 h, 2 w, features)."""
        n, h, w, c = x.shape
        shape = (SIDE, SIDE, c, self.features)
        kernel = self.param("kernel", nn.linear.default_kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        turned = kernel[::-1, ::-1].transpose(2, 0, 1, 3)  # as a convolution's gradient turns it
        made = x.reshape(-1, c) @ turned.reshape(c, -1)
        made = made.reshape(n, h, w, SIDE, SIDE, self.features).transpose(0, 1, 3, 2, 4, 5)
        return made.reshape(n, SIDE * h, SIDE * w, self.features) + bias
