"""The paper's SRGAN, generator and discriminator (Figure 1; Ledig 2017, arXiv:1609.04802).

Generator: 9x9 convolution; residual blocks of two 3x3 convolutions with batch norm; a closing 3x3
convolution with the long skip; a 1x1 convolution to ``scale**2`` channels; pixel shuffle; tanh. One
map in, the same map out on a finer grid, both in network scale.

Discriminator: eight 3x3 convolutions with leaky ReLU, batch norm on all but the first, and one
fully connected output: the *logit*; the paper's probability is its sigmoid, which the losses
contain.

Where the paper is silent: 64 features, the long skip around the block trunk and batch norm after
its closing convolution are SRGAN's; nothing follows the shuffle, so that tanh is the last layer.
Widths 64, 64, 128, 128, 256, 256, 512, 512 with stride 2 at every second convolution and slope 0.2
are SRGAN's too. The features are averaged over space before the fully connected output, so that one
network judges crops and whole slices of any size (SRGAN's Dense(1024) on a 512 x 512 image alone
would hold 537 million weights).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.models.first_layer import FirstLayer
from qsr_jax.models.interpolated import pixel_shuffle
from qsr_jax.models.norm import NO_EDGES, BatchNorm, Edges
from qsr_jax.models.precision import lowered, restored

SLOPE = 0.2
"""Of the discriminator's leaky ReLU."""


@dataclasses.dataclass(frozen=True)
class Norm:
    """Batch norm of a generator, see :class:`Generator`."""

    train: bool
    momentum: float
    axis_name: str | None
    dtype: Any

    def __call__(self, x: jax.Array, *, slope: float) -> jax.Array:
        """Normalises by batch or running statistics; ``slope`` 0 adds a ReLU, 1 nothing."""
        if self.train:
            return BatchNorm(
                slope, axis_name=self.axis_name, dtype=self.dtype, momentum=self.momentum
            )(x)
        y = nn.BatchNorm(use_running_average=True, dtype=self.dtype)(x)
        return y if slope else nn.relu(y)


class ResidualBlock(nn.Module):
    """conv, batch norm, ReLU, conv, batch norm, plus the input."""

    features: int
    norm: Norm | None
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, features) to the same shape."""
        y = convolved(x, self.features, self.norm, self.dtype, slope=0.0)
        return x + convolved(y, self.features, self.norm, self.dtype)


def convolved(
    x: jax.Array, features: int, norm: Norm | None, dtype: Any, *, slope: float = 1.0
) -> jax.Array:
    """A 3x3 convolution, the norm that follows it, if any, and with ``slope`` 0 a ReLU."""
    # A bias before batch norm is cancelled by it, and Adam would blow up its rounding.
    y = nn.Conv(features, (3, 3), use_bias=norm is None, dtype=dtype)(x)
    if norm is not None:
        return norm(y, slope=slope)
    return y if slope else nn.relu(y)


class Generator(nn.Module):
    """Maps (n, h, w, c) to (n, scale*h, scale*w, channels), network scale in and out.

    Attributes:
        features: width of every convolution but the last.
        blocks: number of residual blocks (paper: 5).
        scale: factor between the grids (paper: 2).
        channels: maps that come out (paper: 1).
        norm_momentum: share of the old value kept by the running statistics of batch norm.
        norm: False leaves batch norm out; its momentum then says nothing, and every convolution has
            a bias.
        axis_name: device axis over which batch statistics are shared, or None.
        dtype: in which the trunk computes, None: as its inputs; the first and the last convolution
            see values of the map itself and stay float32, as do parameters and statistics.
        remat: whether the backward pass computes each block again instead of keeping it.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "features": (1, 4096),
        "blocks": (1, 256),
        "norm_momentum": (0.0, 0.9999),
    }
    features: int
    blocks: int
    scale: int
    norm_momentum: float
    channels: int = 1
    norm: bool = True
    axis_name: str | None = None
    dtype: Any = None
    remat: bool = False

    @property
    def reach(self) -> int:
        """Coarse pixels seen beyond a pixel on every side: 9x9, two a block, 3x3."""
        return 4 + 2 * self.blocks + 1

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs the network; ``train`` chooses batch or running statistics."""
        x = lowered(nn.relu(nn.Conv(self.features, (9, 9))(x)), self.dtype)  # (n, h, w, features)
        y = x
        batch_norm = Norm(train, self.norm_momentum, self.axis_name, self.dtype)
        norm = batch_norm if self.norm else None
        block = nn.remat(ResidualBlock) if self.remat else ResidualBlock
        for index in range(self.blocks):
            y = block(self.features, norm, self.dtype, name=f"ResidualBlock_{index}")(y)
        y = convolved(y, self.features, norm, self.dtype)
        y = restored(nn.relu(x + y))
        y = nn.Conv(self.scale**2 * self.channels, (1, 1))(y)
        return nn.tanh(pixel_shuffle(y, self.scale))


class Discriminator(nn.Module):
    """Maps images (n, h, w, c) in network scale to logits (n,); positive means "real".

    Attributes:
        features: widths of the convolutions; every second one halves the image.
        axis_name: device axis over which batch statistics are shared, or None.
        dtype: in which convolutions compute, None: as their inputs; parameters, statistics and
            logits stay float32.
    """

    features: Sequence[int]
    axis_name: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array, *, groups: int = 1) -> jax.Array:
        """Runs the network. It only ever judges in training, so it has no running statistics.

        Args:
            x: images of ``groups`` batches, one batch after the other, each judged by statistics
                of its own.
            groups: how many.
        """
        first, *others = self.features
        behind = edges_of(x.shape, stride=2) if others else NO_EDGES
        x = jnp.pad(x, edges_of(x.shape, stride=1))
        x = FirstLayer(first, SLOPE, behind, self.dtype, name="Conv_0")(x)
        for index, width in enumerate(others, start=1):
            stride, last = 1 + index % 2, index == len(others)
            x = nn.Conv(
                width,
                (3, 3),
                strides=(stride, stride),
                padding="VALID",
                use_bias=False,
                dtype=self.dtype,
                name=f"Conv_{index}",
            )(x)
            edges = NO_EDGES if last else edges_of(x.shape, stride=3 - stride)
            name = f"BatchNorm_{index - 1}"
            norm = BatchNorm(SLOPE, edges, self.axis_name, self.dtype, name=name)
            x = norm(x, groups=groups)
        return nn.Dense(1)(restored(x).mean(axis=(1, 2)))[:, 0]


def edges_of(shape: tuple[int, ...], *, stride: int) -> Edges:
    """The zeros that a 3x3 convolution of (n, h, w, c) pads with, said "SAME"."""
    pads = jax.lax.padtype_to_pads(shape[1:3], (3, 3), (stride, stride), "SAME")
    return (0, 0), *((before, behind) for before, behind in pads), (0, 0)
