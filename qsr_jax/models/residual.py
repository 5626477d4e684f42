"""A residual network without batch norm (EDSR: Lim 2017, arXiv:1707.02921).

What it learns is the difference from cubic interpolation of its input, so that an untrained network
is the interpolation, and no statistics of a batch stand between training and prediction. 3x3
convolutions; residual blocks of two of them whose second is scaled; a long skip; sub-pixel
upsampling (Shi 2016, arXiv:1609.05158). Nothing bounds its output: who reads it clamps.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax

from qsr_jax.models.embedding import Film
from qsr_jax.models.interpolated import added, interpolated
from qsr_jax.models.precision import lowered, restored


class Block(nn.Module):
    """Convolution, ReLU, convolution, times ``residual_scale``, plus the input.

    Told something, the first convolution's features are scaled and shifted by it before the ReLU.
    """

    features: int
    residual_scale: float
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array, told: jax.Array | None = None) -> jax.Array:
        """Maps (n, h, w, features) to the same shape; ``told`` (n, k), or None."""
        y = nn.Conv(self.features, (3, 3), dtype=self.dtype)(x)
        y = nn.relu(y if told is None else Film()(y, told))
        return x + self.residual_scale * nn.Conv(self.features, (3, 3), dtype=self.dtype)(y)


class Residual(nn.Module):
    """Maps (n, h, w, c) to (n, scale*h, scale*w, channels), network scale in and out.

    With ``spread`` twice the channels, see :func:`qsr_jax.models.interpolated.added`.

    Attributes:
        features: width of every convolution but the last.
        blocks: number of residual blocks.
        scale: factor between the grids.
        residual_scale: of what a block adds (EDSR: 0.1 for wide networks, 1 for narrow ones).
        channels: maps that come out.
        alignment: of the grids, see :data:`qsr_jax.types.ALIGNMENTS`.
        dtype: in which the trunk computes, None: as its inputs; the first convolution, the last one
            and the interpolation see values of the maps themselves and stay float32.
        remat: whether the backward pass computes each block again instead of keeping it.
        spread: whether the logarithm of each map's spread comes out behind the maps.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "features": (1, 4096),
        "blocks": (1, 256),
        "residual_scale": (1e-3, 10.0),
    }
    features: int
    blocks: int
    scale: int
    residual_scale: float = 1.0
    channels: int = 1
    alignment: str = "corner"
    dtype: Any = None
    remat: bool = False
    spread: bool = False

    @property
    def reach(self) -> int:
        """Coarse pixels seen beyond a pixel on every side: two a block, three around them."""
        return 2 * self.blocks + 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs the network; ``train`` changes nothing."""
        del train
        base = interpolated(x, channels=self.channels, scale=self.scale, alignment=self.alignment)
        x = lowered(nn.Conv(self.features, (3, 3))(x), self.dtype)
        y = x
        block = nn.remat(Block) if self.remat else Block
        for index in range(self.blocks):
            y = block(self.features, self.residual_scale, self.dtype, name=f"Block_{index}")(y)
        y = restored(x + nn.Conv(self.features, (3, 3), dtype=self.dtype)(y))
        return added(base, y, self.scale, spread=self.spread)
