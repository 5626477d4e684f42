"""ESRGAN's generator (Wang 2018, arXiv:1809.00219): dense blocks inside residuals, no batch norm.

A dense block is five 3x3 convolutions, each of which sees everything before it in the block (Huang
2017, arXiv:1608.06993), leaky ReLU after the first four. Three of them, each scaled by
:data:`RESIDUAL`, and a scaled sum around them make a block; then a closing convolution with the
long skip. Ours: what it learns is added to the cubic interpolation of the input, and one sub-pixel
step makes the grid finer (ESRGAN doubles twice by nearest neighbours and has two convolutions more
behind).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.models.interpolated import added, interpolated
from qsr_jax.models.precision import lowered, restored

DENSE, LAYERS = 3, 5
"""Dense blocks of a block, and convolutions of each."""

RESIDUAL, SLOPE = 0.2, 0.2
"""Of what a block adds, and of leaky ReLU below 0."""


class DenseBlocks(nn.Module):
    """Three dense blocks and the sum around them."""

    features: int
    growth: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, features) to the same shape."""
        y = x
        for _ in range(DENSE):
            seen = y
            for _ in range(LAYERS - 1):
                made = nn.Conv(self.growth, (3, 3), dtype=self.dtype)(seen)
                seen = jnp.concatenate([seen, nn.leaky_relu(made, SLOPE)], -1)
            y = y + RESIDUAL * nn.Conv(self.features, (3, 3), dtype=self.dtype)(seen)
        return x + RESIDUAL * y


class Rrdb(nn.Module):
    """Maps (n, h, w, c) to (n, scale*h, scale*w, channels), network scale in and out.

    With ``spread`` twice the channels, see :func:`qsr_jax.models.interpolated.added`.

    Attributes:
        features: width between the dense blocks (ESRGAN: 64).
        growth: channels that a convolution adds (ESRGAN: 32).
        blocks: of three dense blocks each (ESRGAN: 23).
        scale: factor between the grids.
        channels: maps that come out.
        alignment: of the grids, see :data:`qsr_jax.types.ALIGNMENTS`.
        dtype: in which the trunk computes, None: as its inputs; the first and the last convolution
            and the interpolation stay float32.
        remat: whether the backward pass computes each block again instead of keeping it.
        spread: whether the logarithm of each map's spread comes out behind the maps.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "features": (1, 4096),
        "growth": (1, 4096),
        "blocks": (1, 256),
    }
    features: int
    growth: int
    blocks: int
    scale: int
    channels: int = 1
    alignment: str = "corner"
    dtype: Any = None
    remat: bool = False
    spread: bool = False

    @property
    def reach(self) -> int:
        """Coarse pixels seen beyond a pixel on every side: 15 a block, three around them."""
        return DENSE * LAYERS * self.blocks + 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs the network; ``train`` changes nothing."""
        del train
        base = interpolated(x, channels=self.channels, scale=self.scale, alignment=self.alignment)
        x = lowered(nn.Conv(self.features, (3, 3), name="first")(x), self.dtype)
        y = x
        block = nn.remat(DenseBlocks) if self.remat else DenseBlocks
        for index in range(self.blocks):
            y = block(self.features, self.growth, self.dtype, name=f"block_{index}")(y)
        closed = nn.Conv(self.features, (3, 3), dtype=self.dtype, name="closing")(y)
        return added(base, restored(x + closed), self.scale, spread=self.spread, name="last")
