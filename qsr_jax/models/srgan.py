"""The SRGAN generator (paper, Figure 1A and "Network Architecture"; Ledig 2017, arXiv:1609.04802).

9x9 convolution; residual blocks of two 3x3 convolutions with batch norm; a closing 3x3 convolution
with the long skip; a 1x1 convolution to ``scale**2`` channels; pixel shuffle; tanh. One map in, the
same map out on a finer grid, both in network scale.

Where the paper is silent: 64 features, the long skip around the block trunk and batch norm after
its closing convolution are SRGAN's; nothing follows the shuffle, so that tanh is the last layer.
"""

from typing import Any

import flax.linen as nn
import jax

from qsr_jax.models.precision import lowered, restored


def pixel_shuffle(x: jax.Array, scale: int) -> jax.Array:
    """Moves channels into space: (n, h, w, c*scale^2) to (n, scale*h, scale*w, c).

    Channel ``(i * scale + j) * c + k`` becomes output row offset i, column offset j, channel k
    (Shi 2016, arXiv:1609.05158).
    """
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, scale, scale, c // scale**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, h * scale, w * scale, -1)


class ResidualBlock(nn.Module):
    """conv, batch norm, ReLU, conv, batch norm, plus the input."""

    features: int
    norm_momentum: float
    axis_name: str | None
    dtype: Any
    train: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, features) to the same shape; ``train`` as in :class:`Generator`."""
        y = x
        for index in range(2):
            # A bias before batch norm is cancelled by it, and Adam would blow up its rounding.
            y = nn.Conv(self.features, (3, 3), use_bias=False, dtype=self.dtype)(y)
            y = nn.BatchNorm(
                use_running_average=not self.train,
                momentum=self.norm_momentum,
                axis_name=self.axis_name if self.train else None,
                dtype=self.dtype,
            )(y)
            y = nn.relu(y) if index == 0 else y
        return x + y


class Generator(nn.Module):
    """Maps (n, h, w, 1) to (n, scale*h, scale*w, 1), network scale in and out.

    Attributes:
        features: width of every convolution but the last.
        blocks: number of residual blocks (paper: 5).
        scale: factor between the grids (paper: 2).
        norm_momentum: share of the old value kept by the running statistics of batch norm.
        axis_name: device axis over which batch statistics are shared, or None.
        dtype: in which the trunk computes, None: as its inputs; the first and the last convolution
            see values of the map itself and stay float32, as do parameters and statistics.
        remat: whether the backward pass computes each block again instead of keeping it.
    """

    features: int
    blocks: int
    scale: int
    norm_momentum: float
    axis_name: str | None = None
    dtype: Any = None
    remat: bool = False

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs the network; ``train`` chooses batch or running statistics."""
        x = lowered(nn.relu(nn.Conv(self.features, (9, 9))(x)), self.dtype)  # (n, h, w, features)
        y = x
        block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
        for index in range(self.blocks):
            y = block(
                self.features,
                self.norm_momentum,
                self.axis_name,
                self.dtype,
                train,
                name=f"ResidualBlock_{index}",
            )(y)
        y = nn.Conv(self.features, (3, 3), use_bias=False, dtype=self.dtype)(y)
        y = nn.BatchNorm(
            use_running_average=not train,
            momentum=self.norm_momentum,
            axis_name=self.axis_name if train else None,
            dtype=self.dtype,
        )(y)
        y = restored(nn.relu(x + y))
        y = nn.Conv(self.scale**2, (1, 1))(y)  # (n, h, w, scale^2)
        return nn.tanh(pixel_shuffle(y, self.scale))
