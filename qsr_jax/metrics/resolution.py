"""Effective resolution, from how spatial frequencies of two images go together, ring by ring.

Two scans of one subject share what is signal and not what is noise: Fourier-ring correlation
(Saxton and Baumeister 1982, doi:10.1111/j.1365-2818.1982.tb00405.x; as a measure of resolution van
Heel and Schatz 2005, doi:10.1016/j.jsb.2005.05.009). Against a noise-free truth the same sums give
the transfer of each frequency: what fraction of the truth's detail is there, noise left out.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.metrics.masked import inside_only, masked_mean

FRC_THRESHOLD = 1.0 / 7.0
"""Correlation at which one scan alone has as much signal as noise needs to be read
(Rosenthal and Henderson 2003, doi:10.1016/j.jmb.2003.07.013)."""
TRANSFER_HALF = 0.5
"""Fraction of detail at the frequency by which optics are named (MTF50)."""
LEAST_SIDE = 8
"""Frames of fewer pixels have no rings of frequency."""

_TAPER_PARTS = 32
"""The edge of the mask is softened over this part of the frame on each side."""


@dataclasses.dataclass(frozen=True)
class RingSums:
    """Sums over rings of spatial frequency, of every sample and map.

    Attributes:
        frequency_per_mm: (r,) middle of each ring, cycles per mm, up to the coarser Nyquist limit.
        cross: (n, c, r) real part of test times conjugate reference.
        test: (n, c, r) power of the test image.
        reference: (n, c, r) power of the reference.
    """

    frequency_per_mm: np.ndarray
    cross: np.ndarray
    test: np.ndarray
    reference: np.ndarray

    def pooled(self) -> "RingSums":
        """All samples, the slices of a subject say, as one."""
        sums = (x.sum(0, keepdims=True) for x in (self.cross, self.test, self.reference))
        return RingSums(self.frequency_per_mm, *sums)

    def correlation(self) -> np.ndarray:
        """Fourier-ring correlation (n, c, r), -1 to 1."""
        return self.cross / np.sqrt(self.test * self.reference)

    def transfer(self) -> np.ndarray:
        """Fraction of the reference's detail that is in the test image (n, c, r); 1 is all."""
        return self.cross / self.reference


def ring_sums(
    test: np.ndarray, reference: np.ndarray, mask: np.ndarray, *, spacing_mm: tuple[float, float]
) -> RingSums:
    """Sums over rings of frequency, inside a mask whose edge is softened inwards.

    Args:
        test: (n, y, x, c) any unit.
        reference: (n, y, x, c) same unit.
        mask: (n, y, x) bool; what lies outside does not matter.
        spacing_mm: distance of rows and of columns.

    Raises:
        ValueError: the frame is too small to have rings.

    >>> image, mask = np.eye(16, dtype="f4")[None, ..., None], np.ones((1, 16, 16), bool)
    >>> sums = ring_sums(image, image, mask, spacing_mm=(0.5, 0.5))
    >>> sums.correlation().shape, round(float(sums.frequency_per_mm[-1]), 3)
    ((1, 1, 8), 1.0)
    """
    shape = test.shape[1:3]
    if min(shape) < LEAST_SIDE:
        raise ValueError(
            f"a frame of {shape} pixels has no rings of frequency; expected {LEAST_SIDE} or more"
        )
    index, weights, frequency = _rings(shape, spacing_mm)
    sums = _sums(test, reference, mask, index, weights, rings=len(frequency))
    return RingSums(frequency, *(np.asarray(x, np.float64) for x in sums))


def resolution_mm(
    curve: np.ndarray, frequency_per_mm: np.ndarray, *, threshold: float
) -> np.ndarray:
    """Period of the frequency at which a curve first falls below a threshold, mm.

    Args:
        curve: (..., r) correlation or transfer.
        frequency_per_mm: (r,) of its rings.
        threshold: :data:`FRC_THRESHOLD` or :data:`TRANSFER_HALF`.

    Returns:
        (...) mm. A curve that never falls gives the period of the last ring, which is the limit of
        the grid; one that starts below, or is not a number, gives NaN.

    >>> frequency = np.array([0.1, 0.2, 0.3])
    >>> round(float(resolution_mm(np.array([1.0, 0.6, 0.4]), frequency, threshold=0.5)), 6)
    4.0
    """
    curve = np.asarray(curve, np.float64)
    below = curve < threshold
    first = np.where(below.any(-1), below.argmax(-1), len(frequency_per_mm))
    after = np.clip(first, 1, len(frequency_per_mm) - 1)
    high, low = (np.take_along_axis(curve, i[..., None], -1)[..., 0] for i in (after - 1, after))
    part = np.clip((high - threshold) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
    f_high, f_low = frequency_per_mm[after - 1], frequency_per_mm[after]
    period = 1.0 / np.where(
        first == len(frequency_per_mm), frequency_per_mm[-1], f_high + part * (f_low - f_high)
    )
    return np.where((first == 0) | np.isnan(curve).any(-1), np.nan, period)


def _rings(
    shape: tuple[int, int], spacing_mm: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ring and weight of every coefficient of the half plane, and the rings' frequencies (r,).

    Ring 0, the mean over the frame, is left out: it is given number r, as what lies beyond. The
    weight counts the coefficients of the other half plane, which are conjugate.
    """
    ky = np.fft.fftfreq(shape[0], spacing_mm[0])
    kx = np.fft.rfftfreq(shape[1], spacing_mm[1])
    width = 1.0 / min(n * d for n, d in zip(shape, spacing_mm, strict=True))
    count = int(0.5 / max(spacing_mm) / width)
    ring = np.rint(np.hypot(ky[:, None], kx) / width).astype(np.int32) - 1
    ring[(ring < 0) | (ring >= count)] = count
    weights = np.full(len(kx), 2.0, np.float32)
    weights[0] = 1.0
    if shape[1] % 2 == 0:
        weights[-1] = 1.0
    return ring, weights, width * (1 + np.arange(count))


def _soft(mask: jax.Array) -> jax.Array:
    """Weights 0 to 1 (n, y, x) float32 that rise from the edge of the mask inwards."""
    radius = max(1, min(mask.shape[1:]) // _TAPER_PARTS)
    weight = mask.astype(jnp.float32)
    for reduce, start in ((jax.lax.min, 1.0), (jax.lax.add, 0.0)):
        for axis in (1, 2):
            window = [1, 1, 1]
            window[axis] = 2 * radius + 1
            weight = jax.lax.reduce_window(weight, start, reduce, window, (1, 1, 1), "SAME")
    return weight / (2 * radius + 1) ** 2


@functools.partial(jax.jit, static_argnames="rings")
def _sums(
    test: jax.Array,
    reference: jax.Array,
    mask: jax.Array,
    index: jax.Array,
    weights: jax.Array,
    *,
    rings: int,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Cross sum and both powers, (n, c, r) each."""
    weight = _soft(mask)[..., None]

    def spectrum(x: jax.Array) -> jax.Array:
        centred = inside_only(x, mask) - masked_mean(x, mask)[:, None, None, :]
        return jnp.fft.rfft2(jnp.where(weight > 0, centred * weight, 0.0), axes=(1, 2))

    a, b = spectrum(test), spectrum(reference)
    powers = (a.real**2 + a.imag**2, b.real**2 + b.imag**2)
    products = (a.real * b.real + a.imag * b.imag, *powers)

    def by_ring(x: jax.Array) -> jax.Array:
        weighted = x * weights[:, None]
        flat = jnp.moveaxis(weighted, (1, 2), (0, 1)).reshape(-1, *x.shape[:1], *x.shape[3:])
        sums = jax.ops.segment_sum(flat, index.ravel(), num_segments=rings + 1)
        return jnp.moveaxis(sums[:rings], 0, -1)

    cross, first, second = (by_ring(x) for x in products)
    return cross, first, second
