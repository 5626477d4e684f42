"""What a maker would find for the fit's constants: the simulated slice, measured on a phantom.

The fit (W08, doi:10.1002/mrm.21635) knows effective angles and gains of its echoes only; which
values stand for real slice profiles, trains and neighbours is found once, on an object of known
relaxation times, at the nominal protocol and over the transmit fields of a head.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from qsr_jax.physics.effective_angles import Angles
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.mdme_voxel_fit import fit_density, fit_echoes, fit_saturation, fit_t1
from qsr_jax.physics.slice_state import slice_state

PHANTOM_T1_MS, PHANTOM_T2_MS = 1000.0, 85.0
"""Relaxation times of the phantom, between those of white and grey matter."""

FIELDS = np.linspace(0.75, 1.25, 11)
"""Transmit fields at which it is measured, nominal in the middle."""


def calibrated_angles(protocol: Protocol, *, cross_talk: bool) -> Angles:
    """Effective angles and gains with which the fit reads the phantom right.

    The gains make T2 right at the nominal field (their product is 1: the excitation angle takes
    what they have in common). The saturation angle is what the fit itself finds, linear in B1. The
    excitation angle is the one that makes PD right at every field, the receive gain being
    proportional to it as the fit assumes; a straight line of the saturation angle with a cap is
    fitted to it. T1 has no constant to calibrate and stays as it is read.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> alone = calibrated_angles(ROUTINE, cross_talk=False)
    >>> [round(gain, 2) for gain in alone.echo_gain]
    [1.08, 0.93]

    Args:
        protocol: as it is played; the fit believes the same times.
        cross_talk: whether the neighbours' pulses act.
    """
    state = slice_state(
        protocol, [PHANTOM_T1_MS], [PHANTOM_T2_MS], FIELDS.tolist(), cross_talk=cross_talk
    )
    train = state.signal()
    echoes = train[:, np.array(protocol.echo_numbers) - 1, 0, 0]
    middle = len(FIELDS) // 2

    first, second = echoes[:, 0], echoes[:, 1]
    te1, te2 = protocol.te_ms
    rho = (first * second).sum(axis=0) / (first * first).sum(axis=0)
    gain = float(np.sqrt(rho[middle] * np.exp((te2 - te1) / PHANTOM_T2_MS)))
    first = first * gain
    rho = rho / gain**2
    t2_ms = (te2 - te1) / -np.log(rho)
    merged = (first + rho * second / gain) / (1 + rho * rho) * np.exp(te1 / t2_ms)

    theta_deg = np.asarray(fit_saturation(jnp.asarray(merged), protocol), float)
    slope = np.polynomial.polynomial.polyfit(FIELDS - 1, theta_deg - theta_deg[middle], [1])[1]
    alpha_deg = _excitation_deg(merged, theta_deg, protocol)
    ratio, offset, cap = _line_with_cap(theta_deg, alpha_deg)
    return Angles(float(theta_deg[middle]), float(slope), ratio, offset, cap, (gain, 1 / gain))


def reading(
    tissue: tuple[float, float, float], b1: float, protocol: Protocol, *, cross_talk: bool
) -> tuple[float, float, float]:
    """T1 (ms), T2 (ms), PD (%) that the fit reads of a homogeneous object, without noise.

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> white = reading((815.0, 78.7, 68.2), 1.0, ROUTINE, cross_talk=True)
    >>> [round(value) for value in white]
    [799, 80, 68]

    Args:
        tissue: T1 (ms), T2 (ms), PD (%).
        b1: transmit field relative to nominal.
        protocol: as it is played, and what the fit believes.
        cross_talk: whether the neighbours' pulses act.
    """
    t1_ms, t2_ms, pd_percent = tissue
    train = slice_state(protocol, [t1_ms], [t2_ms], [b1], cross_talk=cross_talk).signal()
    echoes = pd_percent / 100 * train[:, np.array(protocol.echo_numbers) - 1, 0, 0]
    found_t2, relaxed = fit_echoes(jnp.asarray(echoes), protocol)
    found_t1, found_pd = fit_density(relaxed, fit_saturation(relaxed, protocol), protocol)
    return found_t1.item(), found_t2.item(), found_pd.item()


def _excitation_deg(relaxed: np.ndarray, theta_deg: np.ndarray, protocol: Protocol) -> np.ndarray:
    """(fields,) excitation angles in degrees that make PD 100 % (W08 eq. 3 and 5 solved for it)."""
    cosine = np.cos(np.deg2rad(theta_deg))

    def shape(t1_ms: jax.Array) -> jax.Array:
        level = (1 - cosine * jnp.exp(-protocol.tr_ms / t1_ms)) / (1 - cosine)
        return jnp.stack([level - jnp.exp(-td / t1_ms) for td in protocol.td_ms])

    t1_ms = fit_t1(jnp.asarray(relaxed), shape)
    curve = np.asarray(shape(t1_ms), float)
    amplitude = (relaxed * curve).sum(axis=0) / (curve * curve).sum(axis=0)
    rest = cosine * np.exp(-protocol.tr_ms / np.asarray(t1_ms, float))

    def excess(alpha: float, nominal: float | None, at: int) -> float:
        water = amplitude[at] * (1 - rest[at] * np.cos(alpha)) / (1 - cosine[at])
        return float(np.sin(alpha) * (alpha / nominal if nominal else 1.0) - water)

    nominal = optimize.brentq(excess, 0.1, np.pi / 2, (None, len(FIELDS) // 2))
    found = [optimize.brentq(excess, 0.1, 2.0, (nominal, at)) for at in range(len(FIELDS))]
    return np.rad2deg(found)


def _line_with_cap(theta_deg: np.ndarray, alpha_deg: np.ndarray) -> tuple[float, float, float]:
    """(ratio, offset, cap) of ``min(ratio theta + offset, cap)`` nearest to the angles."""

    def off(values: np.ndarray) -> np.ndarray:
        ratio, offset, cap = values
        return np.minimum(ratio * theta_deg + offset, cap) - alpha_deg

    best = optimize.least_squares(off, (0.5, alpha_deg[0] - 0.5 * theta_deg[0], alpha_deg.max()))
    ratio, offset, cap = (float(value) for value in best.x)
    return ratio, offset, cap
