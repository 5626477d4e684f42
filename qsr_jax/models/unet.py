"""A U-Net of residual blocks (Ronneberger 2015, arXiv:1505.04597), without batch norm.

Blocks are those of DRUNet (Zhang 2021, arXiv:2008.13751): a wide view for few weights.
At ``scale`` 1 it may be told the noise level of its input, one number per sample, which it sees as
one more constant channel: then it is a denoiser ``(x, sigma) -> x``. It may be told a scan's times
and how bright its tissues are (``film``, ``encoders``): :mod:`qsr_jax.models.embedding`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.models.doubling import Doubling
from qsr_jax.models.embedding import ContrastEncoder, Embedding
from qsr_jax.models.interpolated import (
    DIRECT_LOG_SPREAD,
    LOG_SPREAD,
    added,
    interpolated,
    padded,
    pixel_unshuffle,
)
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
        fold: pixels a side that the trunk sees as one (FFDNet: 2); a quarter of the work at 2.
        direct: whether maps are made from nothing and not as a difference from the input, which
            may then have other channels.
        film: whether every block is told the scan's numbers and thumbnail.
        encoders: whether the contrasts, the first channels, go one by one through the same
            convolutions, each told its own times.
        noise_units: whether what is added to the input is multiplied by the noise level it is
            told: every level then needs outputs of one size.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "features": (1, 4096),
        "depth": (1, 8),
        "blocks": (1, 256),
        "fold": (1, 4),
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
    fold: int = 1
    direct: bool = False
    film: bool = False
    encoders: bool = False
    noise_units: bool = False

    @property
    def reach(self) -> int:
        """Coarse pixels seen beyond a pixel on every side, at most.

        Two convolutions a block, down and up at every size and once in the middle, each as wide as
        a pixel of its size; the other pixel of every halving; the first and the last convolution,
        and those of the contrasts. Folded pixels count ``fold`` times, and the rest of their own.
        """
        sizes = 2**self.depth
        trunk = 2 + 4 * self.blocks * (sizes - 1) + 2 * self.blocks * sizes + sizes - 1
        return self.fold * trunk + self.fold - 1 + (2 if self.encoders else 0)

    @property
    def told(self) -> tuple[str, ...]:
        """Which of an example's inputs it takes by their names, beside the image."""
        times = ("times",) if self.encoders else ()
        return times + (("numbers", "thumbnail") if self.film else ())

    @nn.compact
    def __call__(
        self,
        x: jax.Array,
        sigma: jax.Array | None = None,
        *,
        train: bool,
        times: jax.Array | None = None,
        numbers: jax.Array | None = None,
        thumbnail: jax.Array | None = None,
    ) -> jax.Array:
        """Runs the network; ``train`` changes nothing.

        Args:
            x: (n, h, w, c).
            sigma: (n,) in network scale, or None.
            train: whether in training.
            times: (n, contrasts, k) of ``encoders``.
            numbers: (n, k) of ``film``.
            thumbnail: (n, s, s, contrasts) of ``film``.

        Raises:
            ValueError: it takes something by name that is not given, or counts in noise and no
                level is given.
        """
        del train
        counted = _given(sigma, "sigma") if self.noise_units else None
        height, width = x.shape[1:3]
        if self.direct:
            base = jnp.zeros((len(x), height * self.scale, width * self.scale, self.channels))
        else:
            base = interpolated(
                x, channels=self.channels, scale=self.scale, alignment=self.alignment
            )
        if sigma is not None:
            level = jnp.broadcast_to(sigma[:, None, None, None], (*x.shape[:3], 1))
            x = jnp.concatenate([x, level.astype(x.dtype)], -1)
        if self.encoders:
            times = _given(times, "times")
            count = times.shape[1]
            seen = ContrastEncoder(self.features, name="contrasts")(x[..., :count], times)
            x = jnp.concatenate([seen, x[..., count:]], -1)
        told = None
        if self.film:
            whole = _given(thumbnail, "thumbnail")
            told = Embedding(name="told")(_given(numbers, "numbers"), whole)
        x = pixel_unshuffle(padded(x, self.fold * 2**self.depth), self.fold)
        x = lowered(nn.Conv(self.features, (3, 3), name="first")(x), self.dtype)
        y = restored(self._trunk(x, told))
        start = DIRECT_LOG_SPREAD if self.direct else LOG_SPREAD
        made = self._unfolded(base, y, log_spread=start)
        return made if counted is None else base + counted[:, None, None, None] * (made - base)

    def _unfolded(self, base: jax.Array, y: jax.Array, *, log_spread: float) -> jax.Array:
        """The last convolution on the trunk's grid, its pixels unfolded and the padding cut."""
        height, width = (side // self.scale for side in base.shape[1:3])
        factor = self.scale * self.fold
        rows, columns = (-(-side // self.fold) for side in (height, width))
        y = y[:, :rows, :columns]
        beyond = ((0, 0), (0, rows * factor - base.shape[1]), (0, columns * factor - base.shape[2]))
        base, shape = jnp.pad(base, (*beyond, (0, 0))), base.shape
        made = added(base, y, factor, spread=self.spread, name="last", log_spread=log_spread)
        return made[:, : shape[1], : shape[2]]

    def _trunk(self, x: jax.Array, told: jax.Array | None) -> jax.Array:
        """Down and up again: (n, h, w, features) to the same shape."""
        kept = []
        for level in range(self.depth):
            x = self._blocks(x, told, f"down_{level}")
            kept.append(x)
            width = self.features * 2 ** (level + 1)
            x = nn.Conv(width, (2, 2), strides=(2, 2), dtype=self.dtype, name=f"halve_{level}")(x)
        x = self._blocks(x, told, "middle")
        for level in reversed(range(self.depth)):
            width = self.features * 2**level
            x = Doubling(width, self.dtype, name=f"double_{level}")(x)
            x = self._blocks(x + kept[level], told, f"up_{level}")
        return x

    def _blocks(self, x: jax.Array, told: jax.Array | None, name: str) -> jax.Array:
        block = nn.remat(Block) if self.remat else Block
        for index in range(self.blocks):
            x = block(x.shape[-1], 1.0, self.dtype, name=f"{name}_{index}")(x, told)
        return x


def _given(told: jax.Array | None, name: str) -> jax.Array:
    """What a network takes by name."""
    if told is None:
        raise ValueError(f"the network wants to be told {name}, and was not")
    return told
