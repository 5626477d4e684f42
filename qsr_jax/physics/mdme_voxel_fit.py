"""T1, T2, PD and saturation angle of single voxels of an MDME scan (W08, eq. 1-5).

Two echoes give T2; the delays, extrapolated to TE 0, give T1 and the saturation angle, or T1 and PD
where that angle is known. W08: Warntjes et al. 2008, doi:10.1002/mrm.21635.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.mdme_signal import excitation_rad, receive_gain

T1_RANGE_MS = (200.0, 6000.0)
"""Where T1 is searched; in air the fit ends on these bounds."""

ECHO_RATIO_RANGE = (0.01, 0.999)
"""Second echo over first: T2 from 16 ms up to far beyond what a scanner writes."""

GRID_SIZE, NEWTON_STEPS = 12, 3
"""Logarithmic steps of 36 %, then enough Gauss-Newton steps for 0.01 % from half a step away."""


def signed(images: jax.Array) -> jax.Array:
    """Complex (delay, echo, ...) images to signed real ones: phase against the longest delay.

    >>> signed(jnp.array([[1j], [-1j], [2j]])).ravel().round(3).tolist()
    [1.0, -1.0, 2.0]
    """
    cosine, sine = images[-1].real, images[-1].imag
    scale = jax.lax.rsqrt(cosine * cosine + sine * sine + jnp.finfo(jnp.float32).tiny)
    return (images.real * cosine + images.imag * sine) * scale


def fit_echoes(real: jax.Array, protocol: Protocol) -> tuple[jax.Array, jax.Array]:
    """T2 from the echo ratio of all delays, and the signal at TE 0 merged from both echoes.

    The echo ratio is the intensity-weighted ``rho = sum S1 S2 / sum S1^2``, clipped to
    :data:`ECHO_RATIO_RANGE`; ``T2 = (TE2 - TE1) / -ln rho``.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.mdme_signal import signal
    >>> real = signal(jnp.array([800.0]), jnp.array([80.0]), jnp.array([70.0]), 1.0, ROUTINE)
    >>> t2_ms, relaxed = fit_echoes(real, ROUTINE)
    >>> round(float(t2_ms[0]), 2), relaxed.shape
    (80.0, (4, 1))

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

    >>> td_ms = (100.0, 500.0, 2000.0)
    >>> def decay(t1_ms):
    ...     return jnp.stack([jnp.exp(-td / t1_ms) for td in td_ms])
    >>> round(float(fit_t1(3.0 * decay(jnp.asarray(800.0)), decay)), 1)
    800.0

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

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.mdme_signal import signal
    >>> real = signal(jnp.array([800.0]), jnp.array([80.0]), jnp.array([70.0]), 1.0, ROUTINE)
    >>> round(float(fit_saturation(fit_echoes(real, ROUTINE)[1], ROUTINE)[0]), 2)
    100.51

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

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> from qsr_jax.physics.mdme_signal import signal
    >>> real = signal(jnp.array([800.0]), jnp.array([80.0]), jnp.array([70.0]), 1.0, ROUTINE)
    >>> relaxed = fit_echoes(real, ROUTINE)[1]
    >>> t1_ms, pd_percent = fit_density(relaxed, jnp.array([100.51]), ROUTINE)
    >>> round(float(t1_ms[0]), 1), round(float(pd_percent[0]), 2)
    (800.0, 70.0)
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
