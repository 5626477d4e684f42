"""The 36 features of NIQE in every block, and how sharp each block is.

An image is normalised by its local mean and SD; in every block a generalised Gaussian with unequal
sides is fitted (by moments; Lasmar et al. 2009, doi:10.1109/ICIP.2009.5414404) to the normalised
values and to their products with four neighbours. Once at full and once at half size.
"""

import dataclasses
import functools
import math
import operator

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import gamma

FEATURES = 36
CHUNK = 64
"""Blocks are handed to the compiler in this number, so that it compiles once."""

_SIGMA, _RADIUS = 7.0 / 6.0, 3
_SHAPES = np.arange(200, 10001) / 1000.0
"""Exponents of the generalised Gaussian that are tried, as published."""
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))
_WIDTHS = np.sqrt(gamma(1 / _SHAPES) / gamma(3 / _SHAPES))
_CENTRES = gamma(2 / _SHAPES) / gamma(1 / _SHAPES)
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))


@dataclasses.dataclass(frozen=True)
class Blocks:
    """The blocks of a stack of images that lie in its mask.

    Attributes:
        sample: (b,) which image a block is of.
        features: (b, 36) float64; NaN but for the exponents where a block is constant.
        sharpness: (b,) mean local SD at full size, grey levels.
    """

    sample: np.ndarray
    features: np.ndarray
    sharpness: np.ndarray


def block_features(images: np.ndarray, mask: np.ndarray, *, block: int) -> Blocks:
    """Features of the blocks that lie wholly inside the mask.

    Args:
        images: (n, y, x) grey levels; outside the mask they are read as 0.
        mask: (n, y, x) bool.
        block: side in pixels, even.

    Raises:
        ValueError: shapes differ, an odd block, or one larger than the frame.

    >>> images = np.random.default_rng(0).normal(128, 20, (2, 128, 128)).astype("f4")
    >>> block_features(images, np.ones(images.shape, bool), block=16).features.shape
    (128, 36)
    """
    if images.shape != mask.shape or images.ndim != 3:
        raise ValueError(f"images {images.shape} and mask {mask.shape}: expected equal (n, y, x)")
    n, height, width = images.shape
    if block % 2 or not 2 * _RADIUS <= block <= min(height, width):
        raise ValueError(
            f"NIQE blocks of {block} pixels: expected an even number that fits the frame of "
            f"{height} x {width} pixels"
        )
    rows, columns = height // block, width // block
    frame = np.s_[:, : rows * block, : columns * block]
    whole = mask[frame].reshape(n, rows, block, columns, block).all((2, 4))
    sample, row, column = np.nonzero(whole)
    full, half, spread = _normalised(jnp.asarray(images[frame]), jnp.asarray(mask[frame]))
    features = np.empty((len(sample), FEATURES))
    sharpness = np.empty(len(sample))
    for start in range(0, len(sample), CHUNK):
        part = slice(start, start + CHUNK)
        places = [np.resize(index[part], CHUNK) for index in (sample, row, column)]
        found, sharp = _chunk(full, half, spread, *places, block=block)
        size = len(sample[part])
        features[part], sharpness[part] = found[:size], sharp[:size]
    return Blocks(sample, features, sharpness)


def _taps(weights: tuple[float, ...], x: jax.Array, axis: int, stride: int = 1) -> jax.Array:
    """Weighted sum of shifted copies along an axis; only whole windows, every ``stride``-th."""
    size = x.shape[axis] - len(weights) + 1
    cut = functools.partial(jax.lax.slice_in_dim, x, axis=axis, stride=stride)
    return functools.reduce(operator.add, (w * cut(k, k + size) for k, w in enumerate(weights)))


@jax.jit
def _blur(x: jax.Array) -> jax.Array:
    """Local Gaussian mean, (n, y, x) -> same; the border repeats its last pixel."""
    kernel = [math.exp(-0.5 * (k / _SIGMA) ** 2) for k in range(-_RADIUS, _RADIUS + 1)]
    weights = tuple(w / sum(kernel) for w in kernel)
    for axis in (1, 2):
        width = [(0, 0)] * 3
        width[axis] = (_RADIUS, _RADIUS)
        x = _taps(weights, jnp.pad(x, width, mode="edge"), axis)
    return x


def _cubic(x: float) -> float:
    """Keys' kernel, a = -0.5 (doi:10.1109/TASSP.1981.1163711)."""
    x = abs(x)
    if x <= 1.0:
        return 1.5 * x**3 - 2.5 * x**2 + 1.0
    return -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0 if x < 2.0 else 0.0


@jax.jit
def _halved(x: jax.Array) -> jax.Array:
    """Half size by the bicubic kernel stretched by two, (n, y, x) -> (n, y/2, x/2).

    New pixel j lies midway between old pixels 2j and 2j + 1; beyond the border the image is
    mirrored, border pixel included. That is what MATLAB's imresize does.
    """
    kernel = [_cubic(0.5 * (k - 3.5)) for k in range(8)]
    weights = tuple(w / sum(kernel) for w in kernel)
    for axis in (1, 2):
        width = [(0, 0)] * 3
        width[axis] = (3, 3)
        x = _taps(weights, jnp.pad(x, width, mode="symmetric"), axis, stride=2)
    return x


def _contrast(x: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Normalised image ``(x - mean) / (SD + 1)`` and the local SD, (n, y, x) each."""
    # Neither differences nor variances move with the origin; near it, float32 keeps their digits.
    origin = jnp.where(mask, x, 0.0).sum((1, 2)) / jnp.maximum(mask.sum((1, 2)), 1)
    moved = x - origin[:, None, None]
    mean = _blur(moved)
    spread = jnp.sqrt(jnp.abs(_blur(moved * moved) - mean * mean))
    # Air is exactly 0: at its edge the origin stays there, or rounding gives zeros a sign, and
    # zeros lie on neither side of a fit.
    air = _blur((x == 0.0).astype(x.dtype)) > 0.0
    off = jnp.where(air, x - _blur(x), moved - mean)
    return off / (spread + 1.0), spread


@jax.jit
def _normalised(images: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Normalised images at full and half size, and the local SD at full size."""
    images = jnp.where(mask, images, 0.0)
    full, spread = _contrast(images, mask)
    half, _ = _contrast(_halved(images), mask[:, ::2, ::2])
    return full, half, spread


@functools.partial(jax.jit, static_argnames="block")
def _chunk(
    full: jax.Array,
    half: jax.Array,
    spread: jax.Array,
    sample: jax.Array,
    row: jax.Array,
    column: jax.Array,
    *,
    block: int,
) -> tuple[jax.Array, jax.Array]:
    """Features (k, 36) and sharpness (k,) of k blocks, given by image, row and column of blocks."""

    def blocks(x: jax.Array, side: int) -> jax.Array:
        def cut(i: jax.Array, r: jax.Array, c: jax.Array) -> jax.Array:
            return jax.lax.dynamic_slice(x, (i, r * side, c * side), (1, side, side))[0]

        return jax.vmap(cut)(sample, row, column)

    moments = _moments(blocks(full, block)), _moments(blocks(half, block // 2))
    features = _features(jnp.concatenate(moments, 1))
    return features, blocks(spread, block).mean((1, 2))


def _moments(x: jax.Array) -> jax.Array:
    """Of (k, b, b) normalised blocks and of their products with neighbours, (4, 5, k).

    Means of size and of square, and the root mean squares of what lies below and above 0.
    Neighbours are taken round the block's end.
    """
    products = [x, *(x * jnp.roll(x, shift, (1, 2)) for shift in _NEIGHBOURS)]
    return jnp.stack([jnp.stack(_moments_of_one(product)) for product in products], 1)


def _moments_of_one(x: jax.Array) -> tuple[jax.Array, ...]:
    square = x * x

    def side(mine: jax.Array) -> jax.Array:
        return jnp.sqrt(jnp.where(mine, square, 0.0).sum((1, 2)) / mine.sum((1, 2)))

    return jnp.abs(x).mean((1, 2)), square.mean((1, 2)), side(x < 0), side(x > 0)


def _features(moments: jax.Array) -> jax.Array:
    """The 36 features (k, 36) of moments (4, 10, k), those of full size first."""
    found = []
    for shape, left, right, centre in zip(*(jnp.split(x, 2) for x in _fit(*moments)), strict=True):
        found += [shape[0], 0.5 * (left[0] + right[0])]
        for index in range(1, 1 + len(_NEIGHBOURS)):
            found += [shape[index], centre[index], left[index], right[index]]
    return jnp.stack(found, -1)


def _fit(
    size: jax.Array, square: jax.Array, left: jax.Array, right: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Exponent, left width, right width and mean of the asymmetric Gaussian of given moments.

    Constant values have no widths; their exponent is the first that is tried, as in the authors'
    code, where the smallest of nothing but NaN is the first. One search serves all moments, and
    its steps are written out: a loop would start kernels of a GPU at every one of them.
    """
    skew = left / right
    ratio = size**2 / square
    ratio = ratio * (skew**3 + 1.0) * (skew + 1.0) / (skew**2 + 1.0) ** 2
    ratios = jnp.asarray(_RATIOS, size.dtype)
    above = jnp.searchsorted(ratios, ratio, method="scan_unrolled")
    above = jnp.clip(above, 1, len(_RATIOS) - 1)
    nearest = jnp.where(ratio - ratios[above - 1] <= ratios[above] - ratio, above - 1, above)
    shape, width, centre = (
        jnp.asarray(table, size.dtype)[nearest] for table in (_SHAPES, _WIDTHS, _CENTRES)
    )
    left, right = left * width, right * width
    shape = jnp.where(jnp.isnan(ratio), _SHAPES[0], shape)
    return shape, left, right, (right - left) * centre
