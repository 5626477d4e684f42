"""A U-Net of residual blocks (Ronneberger 2015, arXiv:1505.04597), without batch norm.

Blocks are those of DRUNet (Zhang 2021, arXiv:2008.13751): a wide view for few weights.
At ``scale`` 1 it may be told the noise level of its input, one number per sample, which it sees as
one more constant channel: then it is a denoiser ``(x, sigma) -> x``.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.models.interpolated import added, interpolated, padded
from qsr_jax.models.precision import lowered, restored
from qsr_jax.models.residual import Block


class UNet(nn.Module):
    """Maps (n, h, w, c) to (n, scale*h, scale*w, channels), network scale in and out.

    Any h and w will do: the input is padded at its far edges to a multiple of ``2**depth`` with its
    own edge values, and the result is cut.

    Attributes:
        features: width at full size; it doubles at every halving.
        depth: number of halvings.
        blocks: residual blocks at every size, down and up.
        scale: factor between the grids.
        channels: maps that come out.
        alignment: of the grids, see :data:`qsr_jax.types.ALIGNMENTS`.
        dtype: in which the trunk computes, None: as its inputs; the first and the last convolution
            stay float32.
        remat: whether the backward pass computes each block again instead of keeping it.
        spread: whether the logarithm of each map's spread comes out behind the maps.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "features": (1, 4096),
        "depth": (1, 8),
        "blocks": (1, 256),
    }
    features: int
    depth: int
    blocks: int
    scale: int
    channels: int = 1
    alignment: str = "corner"
    dtype: Any = None
    remat: bool = False
    spread: bool = False

    @property
    def reach(self) -> int:
        """Coarse pixels seen beyond a pixel on every side, at most.

        Two convolutions a block, down and up at every size and once in the middle, each as wide as
        a pixel of its size; the other pixel of every halving; the first and the last convolution.
        """
        sizes = 2**self.depth
        return 2 + 4 * self.blocks * (sizes - 1) + 2 * self.blocks * sizes + sizes - 1

    @nn.compact
    def __call__(self, x: jax.Array, sigma: jax.Array | None = None, *, train: bool) -> jax.Array:
        """Runs the network; ``sigma`` (n,) in network scale; ``train`` changes nothing."""
        del train
        height, width = x.shape[1:3]
        base = interpolated(x, channels=self.channels, scale=self.scale, alignment=self.alignment)
        if sigma is not None:
            level = jnp.broadcast_to(sigma[:, None, None, None], (*x.shape[:3], 1))
            x = jnp.concatenate([x, level.astype(x.dtype)], -1)
        x = padded(x, 2**self.depth)
        y = self._trunk(lowered(nn.Conv(self.features, (3, 3), name="first")(x), self.dtype))
        y = restored(y)[:, :height, :width]
        return added(base, y, self.scale, spread=self.spread, name="last")

    def _trunk(self, x: jax.Array) -> jax.Array:
        """Down and up again: (n, h, w, features) to the same shape."""
        kept = []
        for level in range(self.depth):
            x = self._blocks(x, f"down_{level}")
            kept.append(x)
            width = self.features * 2 ** (level + 1)
            x = nn.Conv(width, (2, 2), strides=(2, 2), dtype=self.dtype, name=f"halve_{level}")(x)
        x = self._blocks(x, "middle")
        for level in reversed(range(self.depth)):
            width = self.features * 2**level
            x = nn.ConvTranspose(
                width, (2, 2), strides=(2, 2), dtype=self.dtype, name=f"double_{level}"
            )(x)
            x = self._blocks(x + kept[level], f"up_{level}")
        return x

    def _blocks(self, x: jax.Array, name: str) -> jax.Array:
        block = nn.remat(Block) if self.remat else Block
        for index in range(self.blocks):
            x = block(x.shape[-1], 1.0, self.dtype, name=f"{name}_{index}")(x)
        return x
