"""Structural similarity, Gaussian and uniform windows, over the windows that lie in the mask.

Wang et al. 2004 (doi:10.1109/TIP.2003.819861); K1 = 0.01 and K2 = 0.03 are also the paper's.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp

from qsr_jax.evaluate.masked import inside_only, masked_mean

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
    def radius(self) -> int:
        """Pixels on each side of the centre."""
        return len(self.weights) // 2

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


@functools.partial(jax.jit, static_argnames="weights")
def _blur(x: jax.Array, weights: tuple[float, ...]) -> jax.Array:
    """Weighted means over whole windows, (n, y, x, c) -> (n, y - 2 r, x - 2 r, c)."""
    radius = len(weights) // 2
    *half, centre = weights[: radius + 1]
    for axis in (1, 2):
        size = x.shape[axis] - 2 * radius
        cut = functools.partial(jax.lax.slice_in_dim, x, axis=axis)
        # Folding the symmetric window in two makes this two to three times faster on a CPU.
        x = centre * cut(radius, radius + size) + sum(
            w * (cut(k, k + size) + cut(2 * radius - k, 2 * radius - k + size))
            for k, w in enumerate(half)
        )
    return x


@functools.partial(jax.jit, static_argnames="window")
def whole_windows(mask: jax.Array, *, window: str = "gaussian") -> jax.Array:
    """Centres whose window lies in the mask, (n, y, x) -> (n, y - 2 r, x - 2 r) bool."""
    for axis in (1, 2):
        size = [1, 1, 1]
        size[axis] = len(WINDOWS[window].weights)
        mask = jax.lax.reduce_window(mask, True, jax.lax.bitwise_and, size, (1, 1, 1), "VALID")
    return mask


def ssim(
    pred: jax.Array,
    ref: jax.Array,
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
        pred: (n, y, x, c) physical unit.
        ref: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        data_range: () or (c,) L, same unit.
        window: key of :data:`WINDOWS`.

    Returns:
        (n, c), no unit; NaN for a sample whose mask holds no whole window.

    Raises:
        ValueError: unknown window, or the frame is smaller than the window.
    """
    if window not in WINDOWS:
        raise ValueError(f"SSIM window {window!r} is not one of {', '.join(WINDOWS)}")
    shape, size = WINDOWS[window], len(WINDOWS[window].weights)
    if min(ref.shape[1:3]) < size:
        raise ValueError(f"SSIM needs a frame of at least {size} x {size}, got {ref.shape[1:3]}")
    # Three compilations and not one: fused into its readers, a blur is computed several times.
    origin, *fields = _centred_fields(pred, ref, mask)
    blurred = [_blur(field, shape.weights) for field in fields]
    windows = whole_windows(mask, window=window)
    return _similarity(origin, *blurred, windows, data_range, shape.covariance_factor)


def ssim_uniform(
    pred: jax.Array, ref: jax.Array, mask: jax.Array, *, data_range: jax.Array
) -> jax.Array:
    """:func:`ssim` with the uniform window."""
    return ssim(pred, ref, mask, data_range=data_range, window="uniform")


@jax.jit
def _centred_fields(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> tuple[jax.Array, ...]:
    """The mean of ``ref``, and what is blurred: both maps about it, their squares, their product.

    Covariances do not move with the origin; near it, float32 keeps their digits.
    """
    origin = masked_mean(ref, mask)[:, None, None, :]
    a, b = (inside_only(jnp.where(mask[..., None], x, 0.0) - origin, mask) for x in (pred, ref))
    return origin, a, b, a * a + b * b, a * b


@jax.jit
def _similarity(
    origin: jax.Array,
    mean_a: jax.Array,
    mean_b: jax.Array,
    squares: jax.Array,
    product: jax.Array,
    windows: jax.Array,
    data_range: jax.Array,
    covariance_factor: float,
) -> jax.Array:
    """Equation 6 in every window, and its mean over the windows that count."""
    variances = covariance_factor * (squares - mean_a**2 - mean_b**2)
    covariance = covariance_factor * (product - mean_a * mean_b)
    mean_a, mean_b = mean_a + origin, mean_b + origin
    c1, c2 = (SSIM_K1 * data_range) ** 2, (SSIM_K2 * data_range) ** 2
    luminance = (2.0 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2.0 * covariance + c2) / (variances + c2)
    return masked_mean(luminance * structure, windows)
