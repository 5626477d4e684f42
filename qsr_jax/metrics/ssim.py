"""Structural similarity, Gaussian and uniform windows, over the windows that lie in the mask.

Wang et al. 2004 (doi:10.1109/TIP.2003.819861); K1 = 0.01 and K2 = 0.03 are also the paper's.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from qsr_jax.metrics.masked import inside_only, masked_mean

SSIM_K1, SSIM_K2 = 0.01, 0.03


@dataclasses.dataclass(frozen=True)
class Window:
    """What SSIM weighs neighbours with.

    Attributes:
        weights: along one axis, sum 1, symmetric, odd in number.
        sample: whether covariances are divided by N - 1 instead of N.
    """

    weights: tuple[float, ...]
    sample: bool

    @property
    def covariance_factor(self) -> float:
        """N / (N - 1) for sample covariances of the N pixels of a window, else 1."""
        pixels = len(self.weights) ** 2
        return pixels / (pixels - 1) if self.sample else 1.0


def _gaussian(sigma: float, radius: int) -> tuple[float, ...]:
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)]
    return tuple(w / sum(weights) for w in weights)


WINDOWS: dict[str, Window] = {
    "gaussian": Window(_gaussian(1.5, 5), sample=False),
    "uniform": Window((1 / 7,) * 7, sample=True),
}
"""``gaussian``: sigma 1.5, 11 x 11, as published. ``uniform``: 7 x 7 means with sample covariance,
what scikit-image computes unless told otherwise."""


def _blur(x: jax.Array, weights: tuple[float, ...]) -> jax.Array:
    """Weighted means over whole windows, (n, y, x, c) -> (n, y - 2 r, x - 2 r, c)."""
    n, height, _, c = x.shape
    down = _blur_along(x.reshape(n, height, -1), weights, axis=1, step=1)
    across = _blur_along(down, weights, axis=2, step=c)
    return across.reshape(n, down.shape[1], -1, c)


@functools.partial(jax.jit, static_argnames=("weights", "axis", "step"))
def _blur_along(x: jax.Array, weights: tuple[float, ...], *, axis: int, step: int) -> jax.Array:
    """Weighted means of pixels ``step`` apart along an axis of (n, y, x * c).

    Maps share the last axis with x, and each direction is compiled by itself: two to three times
    faster on a CPU, which would compute the first direction again for every pixel of the second.
    """
    radius = len(weights) // 2
    *half, centre = weights[: radius + 1]
    size = x.shape[axis] - 2 * radius * step

    def cut(k: int) -> jax.Array:
        return jax.lax.slice_in_dim(x, k * step, k * step + size, axis=axis)

    # The window is symmetric: folded in two it costs half the products.
    folded = (w * (cut(k) + cut(2 * radius - k)) for k, w in enumerate(half))
    return centre * cut(radius) + sum(folded)


@functools.partial(jax.jit, static_argnames="window")
def whole_windows(mask: jax.Array, *, window: str = "gaussian") -> jax.Array:
    """Centres whose window lies in the mask, (n, y, x) -> (n, y - 2 r, x - 2 r) bool.

    >>> whole_windows(jnp.ones((1, 12, 11), bool)).shape
    (1, 2, 1)
    """
    for axis in (1, 2):
        size = [1, 1, 1]
        size[axis] = len(WINDOWS[window].weights)
        mask = jax.lax.reduce_window(mask, True, jax.lax.bitwise_and, size, (1, 1, 1), "VALID")
    return mask


def ssim(
    test: jax.Array,
    reference: jax.Array,
    mask: jax.Array,
    *,
    data_range: jax.Array,
    window: str = "gaussian",
) -> jax.Array:
    """Structural similarity, mean over the windows that lie wholly inside the mask; 1 at equality.

    Equation 6 of the paper. With a mask of ones it is scikit-image's ``structural_similarity``
    with ``gaussian_weights=True, use_sample_covariance=False`` ("gaussian") or with its defaults
    ("uniform"), which leave out the same border.

    Args:
        test: (n, y, x, c) physical unit.
        reference: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        data_range: () or (c,) L, same unit.
        window: key of :data:`WINDOWS`.

    Returns:
        (n, c), no unit; NaN for a sample whose mask holds no whole window.

    Raises:
        ValueError: unknown window, or the frame is smaller than the window.

    >>> image, mask = jnp.arange(256.0).reshape(1, 16, 16, 1), jnp.ones((1, 16, 16), bool)
    >>> round(float(ssim(image, image, mask, data_range=255.0)[0, 0]), 6)
    1.0
    """
    return ssim_against(test, mask, prepare(reference, mask, window=window), data_range=data_range)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Prepared:
    """What :func:`ssim` needs of a reference, computed once for all that is compared with it.

    Attributes:
        window: key of :data:`WINDOWS`.
        origin: (n, 1, 1, c) mean inside the mask, about which everything is taken.
        centred: (n, y, x, c) the reference, 0 outside the mask.
        mean: (n, y - 2 r, x - 2 r, c) its weighted mean in every window.
        square: likewise of its square.
        windows: (n, y - 2 r, x - 2 r) bool, windows wholly inside the mask.
    """

    window: str = dataclasses.field(metadata={"static": True})
    origin: jax.Array
    centred: jax.Array
    mean: jax.Array
    square: jax.Array
    windows: jax.Array


def prepare(reference: jax.Array, mask: jax.Array, *, window: str = "gaussian") -> Prepared:
    """Prepares a reference for :func:`ssim_against`.

    Args:
        reference: (n, y, x, c) physical unit.
        mask: (n, y, x) bool.
        window: key of :data:`WINDOWS`.

    Raises:
        ValueError: unknown window, or the frame is smaller than the window.

    >>> prepare(jnp.ones((1, 16, 16, 1)), jnp.ones((1, 16, 16), bool)).mean.shape
    (1, 6, 6, 1)
    """
    if window not in WINDOWS:
        raise ValueError(f"SSIM window {window!r} is not one of {', '.join(WINDOWS)}")
    weights = WINDOWS[window].weights
    frame = reference.shape[1:3]
    if min(frame) < len(weights):
        raise ValueError(
            f"SSIM needs a frame of at least {len(weights)} x {len(weights)}, got {frame}"
        )
    # Compiled apart and not as one: fused into its readers, a blur is computed several times.
    origin, centred, square = _centred_reference(reference, mask)
    means = _blur(centred, weights), _blur(square, weights)
    return Prepared(window, origin, centred, *means, whole_windows(mask, window=window))


def ssim_against(
    test: jax.Array, mask: jax.Array, reference: Prepared, *, data_range: jax.Array
) -> jax.Array:
    """:func:`ssim` against a reference that was prepared with the same mask.

    Args:
        test: (n, y, x, c) physical unit.
        mask: (n, y, x) bool.
        reference: of :func:`prepare`.
        data_range: () or (c,) L, same unit.

    >>> image, mask = jnp.arange(256.0).reshape(1, 16, 16, 1), jnp.ones((1, 16, 16), bool)
    >>> round(float(ssim_against(image, mask, prepare(image, mask), data_range=255.0)[0, 0]), 6)
    1.0
    """
    shape = WINDOWS[reference.window]
    fields = _centred_fields(test, mask, reference.origin, reference.centred)
    blurred = (_blur(field, shape.weights) for field in fields)
    return _similarity(reference, *blurred, data_range, shape.covariance_factor)


def ssim_uniform(
    test: jax.Array, reference: jax.Array, mask: jax.Array, *, data_range: jax.Array
) -> jax.Array:
    """:func:`ssim` with the uniform window.

    >>> image, mask = jnp.arange(256.0).reshape(1, 16, 16, 1), jnp.ones((1, 16, 16), bool)
    >>> round(float(ssim_uniform(image, image, mask, data_range=255.0)[0, 0]), 6)
    1.0
    """
    return ssim(test, reference, mask, data_range=data_range, window="uniform")


@jax.jit
def _centred_reference(
    reference: jax.Array, mask: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The mean of ``reference`` inside the mask, ``reference`` about it, and the square of that.

    Covariances do not move with the origin; near it, float32 keeps their digits.
    """
    origin = masked_mean(reference, mask)[:, None, None, :]
    centred = inside_only(jnp.where(mask[..., None], reference, 0.0) - origin, mask)
    return origin, centred, centred * centred


@jax.jit
def _centred_fields(
    test: jax.Array, mask: jax.Array, origin: jax.Array, centred: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """``test`` about the origin of the reference, its square, its product with the reference."""
    a = inside_only(jnp.where(mask[..., None], test, 0.0) - origin, mask)
    return a, a * a, a * centred


@jax.jit
def _similarity(
    reference: Prepared,
    mean_a: jax.Array,
    square_a: jax.Array,
    product: jax.Array,
    data_range: jax.Array,
    covariance_factor: float,
) -> jax.Array:
    """Equation 6 in every window, and its mean over the windows that count."""
    mean_b = reference.mean
    variances = covariance_factor * (square_a + reference.square - mean_a**2 - mean_b**2)
    covariance = covariance_factor * (product - mean_a * mean_b)
    mean_a, mean_b = mean_a + reference.origin, mean_b + reference.origin
    c1, c2 = (SSIM_K1 * data_range) ** 2, (SSIM_K2 * data_range) ** 2
    luminance = (2.0 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2.0 * covariance + c2) / (variances + c2)
    return masked_mean(luminance * structure, reference.windows)
