"""MDME signal: saturation, delay, excitation, two echoes.

Warntjes et al., Magn Reson Med 2008;60:320-329 (doi:10.1002/mrm.21635), equations 1-3 and the
effective angles of its Table of slice profiles; cited below as W08.
"""

import jax
import jax.numpy as jnp

from qsr_jax.physics.effective_angles import Angles
from qsr_jax.physics.mdme_protocol import Protocol


def excitation_rad(theta_rad: jax.Array, angles: Angles) -> jax.Array:
    """Excitation angle that goes with a saturation angle, both effective and in radians.

    >>> from qsr_jax.physics.effective_angles import EFFECTIVE
    >>> round(float(jnp.rad2deg(excitation_rad(jnp.deg2rad(100.0), EFFECTIVE))), 2)
    65.5
    """
    alpha_deg = angles.ratio * jnp.rad2deg(theta_rad) + angles.offset_deg
    return jnp.deg2rad(jnp.minimum(alpha_deg, angles.cap_deg))


def saturation_rad(b1: jax.Array | float, angles: Angles) -> jax.Array:
    """Effective saturation angle in radians of a relative transmit field ``b1`` (1 = nominal).

    >>> from qsr_jax.physics.effective_angles import EFFECTIVE
    >>> round(float(jnp.rad2deg(saturation_rad(1.1, EFFECTIVE))), 2)
    114.8
    """
    return jnp.deg2rad(angles.theta_deg + angles.slope_deg * (jnp.asarray(b1) - 1.0))


def receive_gain(alpha_rad: jax.Array, angles: Angles) -> jax.Array:
    """Receive sensitivity, 1 at B1 = 1: proportional to the excitation angle (reciprocity).

    That is the assumption of W08 eq. 5, of a body coil that transmits and receives; what a receive
    array adds is relative to it (:mod:`qsr_jax.physics.coils`).

    >>> from qsr_jax.physics.effective_angles import EFFECTIVE
    >>> alpha_rad = excitation_rad(saturation_rad(jnp.asarray(0.9), EFFECTIVE), EFFECTIVE)
    >>> round(float(receive_gain(alpha_rad, EFFECTIVE)), 3)
    0.909
    """
    return alpha_rad / excitation_rad(saturation_rad(1.0, angles), angles)


def recovery(
    t1_ms: jax.Array, theta_rad: jax.Array, alpha_rad: jax.Array, *, td_ms: float, tr_ms: float
) -> jax.Array:
    """Longitudinal magnetisation at excitation in the steady state, over M0 (W08 eq. 3).

    ``[1 - (1 - cos th) e^{-TD/T1} - cos th e^{-TR/T1}] / [1 - cos th cos al e^{-TR/T1}]``.
    Limits: ``T1 -> 0`` gives 1; ``TR, TD -> inf`` gives 1; ``TD -> 0, TR -> inf`` gives cos th.

    >>> right = jnp.asarray(jnp.pi / 2)
    >>> left = recovery(jnp.asarray(800.0), right, right, td_ms=800.0, tr_ms=1e9)
    >>> round(float(left), 4)  # 1 - 1/e
    0.6321
    """
    e_td, e_tr = jnp.exp(-td_ms / t1_ms), jnp.exp(-tr_ms / t1_ms)
    cos_theta = jnp.cos(theta_rad)
    upper = 1.0 - (1.0 - cos_theta) * e_td - cos_theta * e_tr
    return upper / (1.0 - cos_theta * jnp.cos(alpha_rad) * e_tr)


def excited(
    t1_ms: jax.Array,
    pd_percent: jax.Array,
    b1: jax.Array | float,
    protocol: Protocol,
    *,
    td_ms: tuple[float, ...],
) -> jax.Array:
    """Transverse magnetisation just after excitation, ``C PD M(TD) sin(al)`` (W08 eq. 3).

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> delays = excited(jnp.array(800.0), jnp.array(70.0), 1.0, ROUTINE, td_ms=ROUTINE.td_ms)
    >>> delays.shape, bool(delays[-1] > delays[-2] > delays[0])
    ((4,), True)

    Args:
        t1_ms: (...) longitudinal relaxation time, > 0.
        pd_percent: (...) proton density, water = 100.
        b1: (...) or scalar, transmit field relative to nominal.
        protocol: TR and angles.
        td_ms: delays.

    Returns:
        (delay, ...), 1 = fully relaxed water after a perfect 90-degree pulse.
    """
    theta = saturation_rad(b1, protocol.angles)
    alpha = excitation_rad(theta, protocol.angles)
    scale = pd_percent / 100.0 * receive_gain(alpha, protocol.angles) * jnp.sin(alpha)
    return jnp.stack(
        [scale * recovery(t1_ms, theta, alpha, td_ms=td, tr_ms=protocol.tr_ms) for td in td_ms]
    )


def signal(
    t1_ms: jax.Array,
    t2_ms: jax.Array,
    pd_percent: jax.Array,
    b1: jax.Array | float,
    protocol: Protocol,
) -> jax.Array:
    """Signed real signal of every delay and echo, ``C PD M(TD) sin(al) e^{-TE/T2}`` (W08 eq. 3).

    >>> from qsr_jax.physics.mdme_protocol import ROUTINE
    >>> one = signal(jnp.array(800.0), jnp.array(80.0), jnp.array(70.0), 1.0, ROUTINE)
    >>> one.shape, round(float(one[-1, 0]), 3)
    ((4, 2), 0.412)

    Args:
        t1_ms: (...) longitudinal relaxation time, > 0.
        t2_ms: (...) transverse relaxation time, > 0.
        pd_percent: (...) proton density, water = 100.
        b1: (...) or scalar, transmit field relative to nominal.
        protocol: times and angles.

    Returns:
        (delay, echo, ...), 1 = fully relaxed water after a perfect 90-degree pulse at TE 0.
        Echoes differ by ``1 / echo_gain`` as their slice profiles do.
    """
    magnetisation = excited(t1_ms, pd_percent, b1, protocol, td_ms=protocol.td_ms)
    echoes = jnp.stack(
        [
            jnp.exp(-te / t2_ms) / gain
            for te, gain in zip(protocol.te_ms, protocol.angles.echo_gain, strict=True)
        ]
    )
    return magnetisation[:, None] * echoes[None]
