"""From the images of an MDME scan to T1, T2 and PD (W08: doi:10.1002/mrm.21635, eq. 1-5).

Two echoes give T2; the delays, extrapolated to TE 0, give T1 and the saturation angle; that angle,
smoothed as W08 does, is then known and T1 and PD are fitted again.
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qsr_jax.maps import MAPS
from qsr_jax.physics.protocol import Angles, Protocol
from qsr_jax.physics.signal import excitation_rad, receive_gain

T1_RANGE_MS = (200.0, 6000.0)
ECHO_RATIO_RANGE = (0.01, 0.999)
GRID_SIZE = 40
NEWTON_STEPS = 4
SIGNAL_SHARE = 0.15
"""Share of the largest signal above which a voxel counts for the angle map."""

MEDIAN_MM, SAMPLE_MM, SMOOTH_MM = 10.0, 1.7, 2.5
"""Angle map: window (W08), spacing of the samples, smoothing when it is interpolated."""


@dataclasses.dataclass(frozen=True)
class Fit:
    """Fitted maps, (z, y, x) float32, not clipped.

    Attributes:
        t1_ms: longitudinal relaxation time.
        t2_ms: transverse relaxation time.
        pd_percent: proton density, water = 100; may be negative where there is only noise.
        theta_deg: effective saturation angle used.
    """

    t1_ms: np.ndarray
    t2_ms: np.ndarray
    pd_percent: np.ndarray
    theta_deg: np.ndarray


def signed(images: jax.Array) -> jax.Array:
    """Complex (delay, echo, ...) images to signed real ones: phase against the longest delay."""
    reference = images[-1]
    unit = jnp.conj(reference) / jnp.maximum(jnp.abs(reference), jnp.finfo(jnp.float32).tiny)
    return jnp.real(images * unit)


def fit_echoes(real: jax.Array, protocol: Protocol) -> tuple[jax.Array, jax.Array]:
    """T2 from the echo ratio of all delays, and the signal at TE 0 merged from both echoes.

    The echo ratio is the intensity-weighted ``rho = sum S1 S2 / sum S1^2``, clipped to
    :data:`ECHO_RATIO_RANGE`; ``T2 = (TE2 - TE1) / -ln rho``.

    Args:
        real: (delay, 2, ...) signed signal.
        protocol: echo times and gains.

    Returns:
        t2_ms (...), signal at TE 0 (delay, ...).
    """
    first, second = (real[:, echo] * gain for echo, gain in enumerate(protocol.angles.echo_gain))
    power = jnp.sum(first * first, axis=0)
    rho = jnp.sum(first * second, axis=0) / jnp.maximum(power, jnp.finfo(jnp.float32).tiny)
    rho = jnp.clip(rho, *ECHO_RATIO_RANGE)
    te1, te2 = protocol.te_ms
    t2_ms = (te2 - te1) / -jnp.log(rho)
    merged = (first + rho * second) / (1.0 + rho * rho)
    return t2_ms, merged * jnp.exp(te1 / t2_ms)


def fit_t1(data: jax.Array, shape: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """T1 of ``data = B shape(T1)``, B >= 0, by variable projection.

    The log grid picks the best start; Gauss-Newton steps in log T1 with B eliminated (Golub and
    Pereyra, doi:10.1137/0710036) refine it, exactly so when there is no noise.

    Args:
        data: (delay, ...) signal.
        shape: T1 in ms, () or (...), to the curve (delay, ...) of unit amplitude.

    Returns:
        T1 (...) ms, inside :data:`T1_RANGE_MS`.
    """
    low, high = np.log(T1_RANGE_MS)
    log_grid = jnp.linspace(low, high, GRID_SIZE, dtype=data.dtype)

    def dot(a: jax.Array, b: jax.Array) -> jax.Array:
        return sum(x * y for x, y in zip(a, b, strict=True))

    def try_one(index: jax.Array, best: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        curve = shape(jnp.exp(log_grid[index]))
        score = dot(data, curve) * jax.lax.rsqrt(dot(curve, curve))
        better = score > best[0]
        return jnp.where(better, score, best[0]), jnp.where(better, log_grid[index], best[1])

    def step(_: int, log_t1: jax.Array) -> jax.Array:
        def of_log(u: jax.Array) -> jax.Array:
            return shape(jnp.exp(u))

        curve, slope = jax.jvp(of_log, (log_t1,), (jnp.ones_like(log_t1),))
        power = dot(curve, curve)
        amplitude = dot(data, curve) / power
        tangent = slope - curve * (dot(slope, curve) / power)
        move = dot(tangent, data) / (amplitude * dot(tangent, tangent))
        move = jnp.where(jnp.isfinite(move), move, 0.0)
        return jnp.clip(log_t1 + jnp.clip(move, -0.2, 0.2), low, high)

    start = (jnp.full_like(data[0], -jnp.inf), jnp.full_like(data[0], low))
    _, log_t1 = jax.lax.fori_loop(0, GRID_SIZE, try_one, start)
    return jnp.exp(jax.lax.fori_loop(0, NEWTON_STEPS, step, log_t1))


def _exponentials(t1_ms: jax.Array, td_ms: tuple[float, ...]) -> jax.Array:
    return jnp.stack([jnp.exp(-td / t1_ms) for td in td_ms])


def fit_saturation(relaxed: jax.Array, protocol: Protocol) -> jax.Array:
    """Saturation angle in degrees from the free recovery ``A - B e^{-TD/T1}`` (W08 eq. 4).

    ``cos th = (A - B) / (A - B e^{-TR/T1})``.

    Args:
        relaxed: (delay, ...) signal at TE 0.
        protocol: delays and TR.
    """
    mean = jnp.mean(relaxed, axis=0)

    def shape(t1_ms: jax.Array) -> jax.Array:
        decay = _exponentials(t1_ms, protocol.td_ms)
        return jnp.mean(decay, axis=0) - decay

    t1_ms = fit_t1(relaxed - mean, shape)
    curve = shape(t1_ms)
    b = jnp.sum((relaxed - mean) * curve, axis=0) / jnp.sum(curve * curve, axis=0)
    a = mean + b * jnp.mean(_exponentials(t1_ms, protocol.td_ms), axis=0)
    cos_theta = (a - b) / (a - b * jnp.exp(-protocol.tr_ms / t1_ms))
    return jnp.rad2deg(jnp.arccos(jnp.clip(jnp.nan_to_num(cos_theta), -0.99, 0.99)))


def fit_density(
    relaxed: jax.Array, theta_deg: jax.Array, protocol: Protocol
) -> tuple[jax.Array, jax.Array]:
    """T1 (ms) and PD (%) with the saturation angle known.

    The steady state ties the curve, ``A - B = cos th (A - B E_R)`` with ``E_R = e^{-TR/T1}``, so
    only B and T1 are free; ``M0 = B (1 - cos th cos al E_R) / (1 - cos th)`` and
    ``PD = M0 / (sin al . receive gain)`` (W08 eq. 5).
    """
    theta = jnp.deg2rad(theta_deg)
    cos_theta = jnp.cos(theta)

    def shape(t1_ms: jax.Array) -> jax.Array:
        level = (1.0 - cos_theta * jnp.exp(-protocol.tr_ms / t1_ms)) / (1.0 - cos_theta)
        return jnp.stack([level - jnp.exp(-td / t1_ms) for td in protocol.td_ms])

    t1_ms = fit_t1(relaxed, shape)
    curve = shape(t1_ms)
    b = jnp.sum(relaxed * curve, axis=0) / jnp.sum(curve * curve, axis=0)
    alpha = excitation_rad(theta, protocol.angles)
    steady = 1.0 - cos_theta * jnp.cos(alpha) * jnp.exp(-protocol.tr_ms / t1_ms)
    m0 = b * steady / (1.0 - cos_theta)
    return t1_ms, 100.0 * m0 / (jnp.sin(alpha) * receive_gain(alpha, protocol.angles))


def smooth_angles(
    theta_deg: np.ndarray, signal: np.ndarray, pixel_mm: float, angles: Angles
) -> np.ndarray:
    """Median filter of 10 mm (W08) over the voxels with signal, then a smooth interpolation.

    The window is a disc in the slice. Samples every ~1.7 mm suffice because the field is smooth;
    where there is no signal the map goes over to its neighbours' value, far away to the nominal.

    Args:
        theta_deg: (z, y, x) voxel-wise saturation angle.
        signal: (z, y, x) bool, True where the angle means something.
        pixel_mm: pixel side.
        angles: gives the nominal angle.
    """
    step = max(1, round(SAMPLE_MM / pixel_mm))
    sample_mm = step * pixel_mm
    values = np.where(signal, theta_deg, np.nan)[:, ::step, ::step]
    reach = int(MEDIAN_MM / 2 / sample_mm)
    offsets = [
        (dy, dx)
        for dy in range(-reach, reach + 1)
        for dx in range(-reach, reach + 1)
        if np.hypot(dy, dx) * sample_mm <= MEDIAN_MM / 2
    ]
    here = np.isfinite(values)
    padded = np.pad(values, ((0, 0), (reach, reach), (reach, reach)), constant_values=np.nan)
    z, y, x = np.nonzero(here)
    window = np.stack([padded[z, y + reach + dy, x + reach + dx] for dy, dx in offsets], axis=-1)
    window.sort(axis=-1)  # nan goes last
    count = np.isfinite(window).sum(axis=-1)
    rows = np.arange(len(window))
    median = 0.5 * (window[rows, (count - 1) // 2] + window[rows, count // 2])

    nominal = angles.theta_deg
    excess, weight = np.zeros(here.shape, np.float32), here.astype(np.float32)
    excess[here] = median - nominal
    sigma = (0.0, SMOOTH_MM / sample_mm, SMOOTH_MM / sample_mm)
    excess, weight = (ndimage.gaussian_filter(a, sigma, mode="constant") for a in (excess, weight))
    smooth = excess / (weight + 1e-6)
    size = theta_deg.shape[-1]
    to_fine = _linear_rows(size, smooth.shape[-1], step)
    to_fine_y = _linear_rows(theta_deg.shape[-2], smooth.shape[-2], step)
    return (nominal + to_fine_y @ smooth @ to_fine.T).astype(np.float32)


def _linear_rows(size: int, samples: int, step: int) -> np.ndarray:
    """(size, samples) weights that interpolate samples taken at 0, step, 2 step, ... linearly."""
    position = np.minimum(np.arange(size) / step, samples - 1)
    return np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(samples)))


@functools.partial(jax.jit, static_argnames="protocol")
def _first_pass(images: jax.Array, protocol: Protocol) -> tuple[jax.Array, ...]:
    real = signed(images)
    t2_ms, relaxed = fit_echoes(real, protocol)
    return t2_ms, relaxed, fit_saturation(relaxed, protocol), real[-1, 0]


_second_pass = jax.jit(fit_density, static_argnames="protocol")


def fit(images: np.ndarray, protocol: Protocol, *, pixel_mm: float) -> Fit:
    """T1, T2 and PD of a whole scan.

    Args:
        images: (z, delay, echo, y, x) complex64, as :func:`qsr_jax.physics.acquire.acquire` gives.
        protocol: times and angles, as nominal for the scanner.
        pixel_mm: pixel side, for the angle map's filter.

    Raises:
        ValueError: delays or echoes do not match the protocol, or the scan holds no signal.
    """
    expected = (len(protocol.td_ms), len(protocol.te_ms))
    if images.shape[1:3] != expected:
        raise ValueError(f"images have (delay, echo) {images.shape[1:3]}, protocol {expected}")
    firsts = [jax.tree.map(np.asarray, _first_pass(one, protocol)) for one in images]
    t2_ms, relaxed, theta_deg, last = (np.stack(parts) for parts in zip(*firsts, strict=True))
    if not last.max() > 0.0:
        raise ValueError("the scan holds no signal: its longest delay is zero everywhere")
    theta_deg = smooth_angles(
        theta_deg, last > SIGNAL_SHARE * last.max(), pixel_mm, protocol.angles
    )
    seconds = [
        jax.tree.map(np.asarray, _second_pass(m, theta, protocol))
        for m, theta in zip(relaxed, theta_deg, strict=True)
    ]
    t1_ms, pd_percent = (np.stack(parts) for parts in zip(*seconds, strict=True))
    return Fit(t1_ms=t1_ms, t2_ms=t2_ms, pd_percent=pd_percent, theta_deg=theta_deg)


def clip_to_scanner(fitted: Fit) -> np.ndarray:
    """(z, y, x, 3) T1 (ms), T2 (ms), PD (%) as a scanner writes them: from 0 to ``scanner_max``."""
    columns = {"t1": fitted.t1_ms, "t2": fitted.t2_ms, "pd": fitted.pd_percent}
    return np.stack(
        [np.clip(columns[name], 0.0, spec.scanner_max) for name, spec in MAPS.items()], axis=-1
    )
