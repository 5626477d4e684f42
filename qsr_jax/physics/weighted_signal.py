"""Spin echo, fast spin echo and inversion recovery with times that may be traced.

Steady states follow Warntjes et al., Magn Reson Med 2008;60:320-329 (doi:10.1002/mrm.21635), cited
as W08: equation 6 (spin echo) and 7 (inversion recovery, re-derived for any excitation angle), here
with a train of refocusing pulses and an inversion that leaves some magnetisation. After a train of
length L, an even number of refocusing pulses, the longitudinal magnetisation is ``exp(-L/T1)`` of
what the excitation left, but for ``(ESP / 2 T1)^2``: it recovers for TR - L only. After 90 degrees
nothing is left, and the number may be odd. Factors all contrasts of an angle share (``sin a``) are
left out.

A study is told by seven times (:mod:`qsr_jax.acquisition`); what a header does not
tell is :class:`Hidden`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from qsr_jax.acquisition import ACQUISITION


class Hidden(NamedTuple):
    """What no header tells of a study, and its usual value; leaves may be traced arrays.

    Attributes:
        flip_deg: (..., 3) excitation angles of T1w, T2w and FLAIR.
        train_per_te: (..., 3) length of the refocusing train (echo train length times echo spacing)
            over the effective echo time: 1 of a spin echo, about 2 where the middle echo counts.
        efficiency: (...) of the inversion: it leaves ``1 - 2 efficiency`` of the magnetisation. An
            adiabatic pulse of finite length in tissue of 80 ms inverts 0.95 to 1.
    """

    flip_deg: jax.Array | tuple[float, ...] = (90.0, 90.0, 90.0)
    train_per_te: jax.Array | tuple[float, ...] = (1.0, 2.0, 2.0)
    efficiency: jax.Array | float = 0.975


USUAL = Hidden()
IDEAL = Hidden(train_per_te=(0.0, 0.0, 0.0), efficiency=1.0)
"""Trains of no length and a whole inversion: the equations as they are usually printed."""

SHORTEST_MS = 1e-6
"""Relaxation times below it have decayed; the quotient's gradient would be infinity times zero."""


def decay(t_ms: jax.Array | float, relaxation_ms: jax.Array) -> jax.Array:
    """``exp(-t / T)``, 0 with a gradient of 0 where T is 0, so that it can stand in a loss.

    >>> [round(float(decay(80.0, jnp.asarray(t_ms))), 3) for t_ms in (80.0, 0.0)]
    [0.368, 0.0]

    Args:
        t_ms: time.
        relaxation_ms: T1 or T2, >= 0.
    """
    relaxation_ms = jnp.asarray(relaxation_ms)
    lives = relaxation_ms > SHORTEST_MS
    return jnp.where(lives, jnp.exp(-t_ms / jnp.where(lives, relaxation_ms, 1.0)), 0.0)


def spin_echo(
    t1_ms: jax.Array,
    t2_ms: jax.Array,
    pd: jax.Array,
    *,
    tr_ms: jax.Array | float,
    te_ms: jax.Array | float,
    flip_deg: jax.Array | float = 90.0,
    train_ms: jax.Array | float = 0.0,
) -> jax.Array:
    """Spin echo or fast spin echo, in the unit of ``pd``; all arguments broadcast.

    ``PD (1 - E(TR - L)) / (1 - cos a E(TR)) exp(-TE/T2)`` with ``E(t) = exp(-t/T1)`` and a train
    of length L; W08 equation 6 where L is 0. Limits: PD for TR to infinity and TE to 0; 0 for T2 or
    PD of 0.

    >>> white = jnp.asarray(815.0), jnp.asarray(78.7), jnp.asarray(68.2)
    >>> round(float(spin_echo(*white, tr_ms=500.0, te_ms=10.0)), 1)
    27.5

    Args:
        t1_ms: longitudinal relaxation time, >= 0.
        t2_ms: transverse relaxation time, >= 0.
        pd: proton density.
        tr_ms: repetition time.
        te_ms: (effective) echo time.
        flip_deg: excitation angle.
        train_ms: from excitation to the end of the train.
    """
    cosine = jnp.cos(jnp.deg2rad(flip_deg))
    state = (1.0 - decay(tr_ms - train_ms, t1_ms)) / (1.0 - cosine * decay(tr_ms, t1_ms))
    return pd * state * decay(te_ms, t2_ms)


def inversion_recovery(
    t1_ms: jax.Array,
    t2_ms: jax.Array,
    pd: jax.Array,
    *,
    tr_ms: jax.Array | float,
    te_ms: jax.Array | float,
    ti_ms: jax.Array | float,
    flip_deg: jax.Array | float = 90.0,
    train_ms: jax.Array | float = 0.0,
    efficiency: jax.Array | float = 1.0,
) -> jax.Array:
    """Inversion recovery (fast) spin echo with its sign, in the unit of ``pd``.

    ``PD (1 - 2 h E(TI) + (2 h - 1) E(TR - L)) / (1 + (2 h - 1) cos a E(TR)) exp(-TE/T2)`` with an
    inversion of efficiency h; W08 equation 7 where h is 1 and L is 0. A scanner shows the
    magnitude: fluid before its null (T1 > TI / ln 2 for long TR) folds up.

    >>> fluid = jnp.asarray(4200.0), jnp.asarray(1500.0), jnp.asarray(100.0)
    >>> null = inversion_recovery(*fluid, tr_ms=15000.0, te_ms=100.0, ti_ms=2795.0)
    >>> round(float(null), 1) + 0.0
    0.0

    Args:
        t1_ms: see :func:`spin_echo`.
        t2_ms: likewise.
        pd: likewise.
        tr_ms: repetition time.
        te_ms: (effective) echo time.
        ti_ms: from the inversion to the excitation.
        flip_deg: excitation angle.
        train_ms: from excitation to the end of the train.
        efficiency: 1 inverts all, 0.5 saturates.
    """
    kept = 2.0 * efficiency - 1.0
    cosine = jnp.cos(jnp.deg2rad(flip_deg))
    recovered = 1.0 - 2.0 * efficiency * decay(ti_ms, t1_ms) + kept * decay(tr_ms - train_ms, t1_ms)
    return pd * recovered / (1.0 + kept * cosine * decay(tr_ms, t1_ms)) * decay(te_ms, t2_ms)


def weighted_signals(
    t1_ms: jax.Array,
    t2_ms: jax.Array,
    pd: jax.Array,
    acquisition_ms: jax.Array,
    *,
    hidden: Hidden = USUAL,
    signed: bool = False,
) -> jax.Array:
    """T1w, T2w and FLAIR of maps at the times of a study, (..., 3) in the unit of ``pd``.

    Gradients to every argument are finite everywhere, and 0 of the magnitude where it folds.

    >>> white = jnp.asarray(815.0), jnp.asarray(78.7), jnp.asarray(68.2)
    >>> times = jnp.asarray([530.0, 12.6, 4400.0, 98.0, 8370.0, 106.0, 2380.0])
    >>> signals = weighted_signals(*white, times, hidden=IDEAL)
    >>> [round(float(value), 1) for value in signals]
    [27.8, 19.5, 15.8]

    Args:
        t1_ms: (...), >= 0.
        t2_ms: (...), >= 0.
        pd: (...).
        acquisition_ms: (..., 7) as ACQUISITION; ``(n, 1, 1, 7)`` for maps (n, h, w).
        hidden: what the study does not tell.
        signed: keeps the sign of FLAIR, which a magnitude image does not.
    """
    times = [acquisition_ms[..., index] for index in range(len(ACQUISITION))]
    flips, trains = (jnp.moveaxis(jnp.asarray(one), -1, 0) for one in hidden[:2])
    images = [
        spin_echo(
            t1_ms,
            t2_ms,
            pd,
            tr_ms=times[2 * i],
            te_ms=times[2 * i + 1],
            flip_deg=flips[i],
            train_ms=trains[i] * times[2 * i + 1],
        )
        for i in range(2)
    ]
    flair = inversion_recovery(
        t1_ms,
        t2_ms,
        pd,
        tr_ms=times[4],
        te_ms=times[5],
        ti_ms=times[6],
        flip_deg=flips[2],
        train_ms=trains[2] * times[5],
        efficiency=hidden.efficiency,
    )
    return jnp.stack(jnp.broadcast_arrays(*images, flair if signed else jnp.abs(flair)), axis=-1)
