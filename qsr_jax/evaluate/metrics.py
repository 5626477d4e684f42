"""Image metrics: one value per sample and map, never a mean of means.

Every metric takes ``pred`` and ``ref`` (n, y, x, c) in the same physical unit and ``mask``
(n, y, x) bool, and returns (n, c). Only what lies inside the mask counts, whatever stands outside,
NaN included; a sample with nothing to count gives NaN. The whole frame is a mask of ones.
"""

import dataclasses
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from qsr_jax.maps import MapSpec

SSIM_SIGMA = 1.5
SSIM_RADIUS = 5
SSIM_K1, SSIM_K2 = 0.01, 0.03


def _mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over (y, x) inside the mask, (n, y, x, c) -> (n, c)."""
    inside = mask[..., None]
    return jnp.where(inside, values, 0.0).sum((1, 2)) / inside.sum((1, 2))


@jax.jit
def bias(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean of ``pred - ref``, in the unit of the map."""
    return _mean(pred - ref, mask)


@jax.jit
def mae(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean absolute error, in the unit of the map."""
    return _mean(jnp.abs(pred - ref), mask)


@jax.jit
def rmse(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """Root of the mean squared error, in the unit of the map."""
    return jnp.sqrt(_mean((pred - ref) ** 2, mask))


@jax.jit
def psnr(pred: jax.Array, ref: jax.Array, mask: jax.Array, *, data_range: jax.Array) -> jax.Array:
    """Peak signal-to-noise ratio ``10 log10(L^2 / MSE)`` in dB; infinite at equality.

    The paper prints ``20 log(L^2 / MSE)`` (its equation 5), which counts the decibels twice.

    Args:
        pred: (n, y, x, c) physical unit.
        ref: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        data_range: () or (c,) L, same unit.
    """
    return 20.0 * jnp.log10(data_range / rmse(pred, ref, mask))


def _window() -> list[float]:
    """The 11 weights of a Gaussian of sigma 1.5 cut at radius 5, sum one."""
    weights = [math.exp(-0.5 * (k / SSIM_SIGMA) ** 2) for k in range(-SSIM_RADIUS, SSIM_RADIUS + 1)]
    return [w / sum(weights) for w in weights]


@jax.jit
def _blur(x: jax.Array) -> jax.Array:
    """Gaussian means over whole windows, (n, y, x, c) -> (n, y - 10, x - 10, c)."""
    *half, centre = _window()[: SSIM_RADIUS + 1]
    for axis in (1, 2):
        size = x.shape[axis] - 2 * SSIM_RADIUS
        cut = functools.partial(jax.lax.slice_in_dim, x, axis=axis)
        # Folding the symmetric window in two makes this two to three times faster on a CPU.
        x = centre * cut(SSIM_RADIUS, SSIM_RADIUS + size) + sum(
            w * (cut(k, k + size) + cut(2 * SSIM_RADIUS - k, 2 * SSIM_RADIUS - k + size))
            for k, w in enumerate(half)
        )
    return x


@jax.jit
def whole_windows(mask: jax.Array) -> jax.Array:
    """Centres whose 11 x 11 window lies in the mask, (n, y, x) -> (n, y - 10, x - 10) bool."""
    for axis in (1, 2):
        window = [1, 1, 1]
        window[axis] = 2 * SSIM_RADIUS + 1
        mask = jax.lax.reduce_window(mask, True, jax.lax.bitwise_and, window, (1, 1, 1), "VALID")
    return mask


def ssim(pred: jax.Array, ref: jax.Array, mask: jax.Array, *, data_range: jax.Array) -> jax.Array:
    """Structural similarity, mean over the windows that lie wholly inside the mask; 1 at equality.

    Gaussian window (sigma 1.5, 11 x 11), population covariance, K1 = 0.01, K2 = 0.03: equation 6
    of the paper, Wang et al. 2004 (doi:10.1109/TIP.2003.819861). With a mask of ones it is
    scikit-image's ``structural_similarity(gaussian_weights=True, use_sample_covariance=False)``,
    which leaves out the same border.

    Args:
        pred: (n, y, x, c) physical unit.
        ref: (n, y, x, c) same unit.
        mask: (n, y, x) bool.
        data_range: () or (c,) L, same unit.

    Raises:
        ValueError: the frame is smaller than the window.
    """
    if min(ref.shape[1:3]) <= 2 * SSIM_RADIUS:
        raise ValueError(f"SSIM needs a frame of at least 11 x 11, got {ref.shape[1:3]}")
    # Three compilations and not one: fused into its readers, a blur is computed several times.
    origin, *fields = _centred_fields(pred, ref, mask)
    blurred = [_blur(field) for field in fields]
    return _similarity(origin, *blurred, whole_windows(mask), data_range)


@jax.jit
def _centred_fields(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> tuple[jax.Array, ...]:
    """The mean of ``ref``, and what is blurred: both maps about it, their squares, their product.

    Covariances do not move with the origin; near it, float32 keeps their digits.
    """
    inside = mask[..., None]
    origin = _mean(ref, mask)[:, None, None, :]
    a = jnp.where(inside, pred - origin, 0.0)
    b = jnp.where(inside, ref - origin, 0.0)
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
) -> jax.Array:
    """Equation 6 in every window, and its mean over the windows that count."""
    variances = squares - mean_a**2 - mean_b**2
    covariance = product - mean_a * mean_b
    mean_a, mean_b = mean_a + origin, mean_b + origin
    c1, c2 = (SSIM_K1 * data_range) ** 2, (SSIM_K2 * data_range) ** 2
    luminance = (2.0 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2.0 * covariance + c2) / (variances + c2)
    return _mean(luminance * structure, windows)


@dataclasses.dataclass(frozen=True)
class Metric:
    """One row of :data:`METRICS`.

    Attributes:
        compute: the function.
        unit: "map" for the unit of the map, else the unit itself ("" for none).
        better: "low", "high" or "zero".
        ranged: whether it needs a ``data_range``.
    """

    compute: Callable[..., jax.Array]
    unit: str
    better: str
    ranged: bool


METRICS: dict[str, Metric] = {
    "mae": Metric(mae, unit="map", better="low", ranged=False),
    "rmse": Metric(rmse, unit="map", better="low", ranged=False),
    "bias": Metric(bias, unit="map", better="zero", ranged=False),
    "psnr": Metric(psnr, unit="dB", better="high", ranged=True),
    "ssim": Metric(ssim, unit="", better="high", ranged=True),
}


@dataclasses.dataclass(frozen=True)
class Convention:
    """Where PSNR and SSIM look and what L is; no such number is given without one.

    Attributes:
        place: what the mask covers, "brain" or "frame".
        stored_range: L in stored units, or None for the largest value the scanner writes.
    """

    place: str
    stored_range: int | None

    def data_range(self, spec: MapSpec) -> float:
        """L in the physical unit of the map; the metrics do not care for a common unit."""
        return spec.scanner_max if self.stored_range is None else self.stored_range * spec.slope

    def text(self, spec: MapSpec) -> str:
        """The convention in words, to stand beside the number."""
        return f"{self.place}, L = {self.data_range(spec):g} {spec.unit}"


BRAIN = Convention("brain", stored_range=None)
PAPER = Convention("frame", stored_range=65535)
CONVENTIONS = (BRAIN, PAPER)
