"""SwinIR (Liang 2021, arXiv:2108.10257): attention inside small windows that shift between layers.

A layer is multi-head attention among the pixels of a window with a learned bias for every relative
place, and a two-layer perceptron, each behind a layer norm and around a sum (Liu 2021,
arXiv:2103.14030). Every second layer shifts its windows by half of one; pixels that the shift
brings together from opposite edges do not see each other. A block is some layers, a 3x3 convolution
and a sum. Ours: what it learns is added to the cubic interpolation of the input.

Windows begin at the corner of what the network is given: a crop and its slice are cut into other
windows unless the crop begins at a multiple of the window, so no margin makes them agree exactly.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.models.interpolated import added, interpolated, padded
from qsr_jax.models.precision import lowered, restored

WIDER = 2
"""Width of the perceptron's hidden layer, in widths of the trunk (SwinIR-light's)."""

FORBIDDEN = -1e9
"""Added to the logit of two pixels that must not see each other."""

WEIGHTS = nn.initializers.truncated_normal(0.02)
"""Of the dense layers and of the biases of places."""


def windows_of(x: jax.Array, window: int) -> jax.Array:
    """(n, h, w, c) to (n, number of windows, window^2, c), row by row."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // window, window, w // window, window, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, -1, window**2, c)


def from_windows(x: jax.Array, window: int, height: int, width: int) -> jax.Array:
    """The inverse of :func:`windows_of`: (n, windows, window^2, c) to (n, h, w, c)."""
    n, c = len(x), x.shape[-1]
    x = x.reshape(n, height // window, width // window, window, window, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, height, width, c)


def relative_places(window: int) -> np.ndarray:
    """Which of (2 window - 1)^2 biases two pixels of a window share, (window^2, window^2)."""
    places = np.stack(np.divmod(np.arange(window**2), window), -1)
    apart = places[:, None] - places[None] + window - 1
    return apart[..., 0] * (2 * window - 1) + apart[..., 1]


def wrapped_pairs(height: int, width: int, window: int, shift: int) -> np.ndarray:
    """Logits to add, (windows, window^2, window^2): FORBIDDEN between opposite edges of the image.

    Of an image rolled by ``shift``; its last ``shift`` rows and columns came from the first ones.
    """
    rows, columns = (np.arange(n) >= n - shift for n in (height, width))
    side = (2 * rows[:, None] + columns).astype(np.float32)[None, ..., None]
    regions = np.asarray(side.reshape(height // window, window, width // window, window))
    regions = regions.transpose(0, 2, 1, 3).reshape(-1, window**2)
    return np.where(regions[:, :, None] == regions[:, None], 0.0, FORBIDDEN).astype(np.float32)


class Layer(nn.Module):
    """Attention in windows that are shifted by ``shift`` pixels, and the perceptron."""

    features: int
    heads: int
    window: int
    shift: int
    dtype: Any

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, features) to the same shape; h and w are multiples of the window."""
        height, width = x.shape[1:3]
        y = nn.LayerNorm(dtype=self.dtype)(x)
        y = jnp.roll(y, (-self.shift,) * 2, (1, 2))
        y = self._attention(windows_of(y, self.window), height, width)
        y = from_windows(y, self.window, height, width)
        x = x + jnp.roll(y, (self.shift,) * 2, (1, 2))
        y = nn.LayerNorm(dtype=self.dtype)(x)
        y = nn.gelu(self._dense(WIDER * self.features, "wide")(y), approximate=False)
        return x + self._dense(self.features, "narrow")(y)

    def _attention(self, x: jax.Array, height: int, width: int) -> jax.Array:
        """Among the pixels of each window, (n, windows, window^2, features) to the same shape."""
        n, count, pixels, _ = x.shape
        split = (n, count, pixels, 3, self.heads, self.features // self.heads)
        query, key, value = jnp.moveaxis(
            self._dense(3 * self.features, "qkv")(x).reshape(split), 3, 0
        )
        logits = jnp.einsum("nwphd,nwqhd->nwhpq", query, key) * split[-1] ** -0.5
        table = self.param("places", WEIGHTS, ((2 * self.window - 1) ** 2, self.heads))
        logits = restored(logits) + table[relative_places(self.window)].transpose(2, 0, 1)
        if self.shift:
            logits += wrapped_pairs(height, width, self.window, self.shift)[:, None]
        weights = nn.softmax(logits).astype(value.dtype)
        y = jnp.einsum("nwhpq,nwqhd->nwphd", weights, value).reshape(x.shape)
        return self._dense(self.features, "out")(y)

    def _dense(self, features: int, name: str) -> nn.Dense:
        return nn.Dense(features, kernel_init=WEIGHTS, dtype=self.dtype, name=name)


class SwinIR(nn.Module):
    """Maps (n, h, w, c) to (n, scale*h, scale*w, channels), network scale in and out.

    Any h and w will do: the input is padded at its far edges to a multiple of the window with its
    own edge values, and the result is cut. With ``spread`` twice the channels, see
    :func:`qsr_jax.models.interpolated.added`.

    Attributes:
        features: width of the trunk (SwinIR-light: 60).
        blocks: of some layers, a convolution and a sum (4).
        layers: of each block (6).
        heads: of the attention; they divide ``features`` (6).
        window: side of a window, coarse pixels (8).
        scale: factor between the grids.
        channels: maps that come out.
        alignment: of the grids, see :data:`qsr_jax.types.ALIGNMENTS`.
        dtype: in which the trunk computes, None: as its inputs; the first and the last convolution,
            the softmax and the interpolation stay float32.
        remat: whether the backward pass computes each layer again instead of keeping it.
        spread: whether the logarithm of each map's spread comes out behind the maps.

    Raises:
        ValueError: the heads do not divide the features.
    """

    RANGES: ClassVar[Mapping[str, tuple[float, float]]] = {
        "features": (1, 4096),
        "blocks": (1, 256),
        "layers": (1, 256),
        "heads": (1, 256),
        "window": (2, 64),
    }
    features: int
    blocks: int
    layers: int
    heads: int
    window: int
    scale: int
    channels: int = 1
    alignment: str = "corner"
    dtype: Any = None
    remat: bool = False
    spread: bool = False

    def __post_init__(self) -> None:
        """Refuses heads of a broken width."""
        if self.features % self.heads:
            raise ValueError(
                f"model.heads is {self.heads}; expected a divisor of model.features, "
                f"{self.features}"
            )
        super().__post_init__()

    @property
    def reach(self) -> int:
        """Coarse pixels seen beyond a pixel on every side, at most: a window, then half a layer."""
        half = (self.window + 1) // 2
        return self.window + self.blocks * (self.layers * half + 1) + 3

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Runs the network; ``train`` changes nothing."""
        del train
        height, width = x.shape[1:3]
        base = interpolated(x, channels=self.channels, scale=self.scale, alignment=self.alignment)
        x = nn.Conv(self.features, (3, 3), name="first")(padded(x, self.window))
        x = lowered(x, self.dtype)
        y = nn.LayerNorm(dtype=self.dtype, name="norm_first")(x)
        for index in range(self.blocks):
            y = y + self._block(y, index)
        y = nn.LayerNorm(dtype=self.dtype, name="norm_last")(y)
        y = restored(x + nn.Conv(self.features, (3, 3), dtype=self.dtype, name="closing")(y))
        y = y[:, :height, :width]
        return added(base, y, self.scale, spread=self.spread, name="last")

    def _block(self, x: jax.Array, index: int) -> jax.Array:
        layer = nn.remat(Layer) if self.remat else Layer
        for number in range(self.layers):
            shift = self.window // 2 * (number % 2)
            x = layer(
                self.features, self.heads, self.window, shift, self.dtype,
                name=f"layer_{index}_{number}",
            )(x)  # fmt: skip
        return nn.Conv(self.features, (3, 3), dtype=self.dtype, name=f"conv_{index}")(x)
