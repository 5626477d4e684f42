"""Weighted images computed from maps: what a scanner would show at the stated sequence times.

Warntjes et al., Magn Reson Med 2008;60:320-329 (doi:10.1002/mrm.21635), cited as W08: equation 6
(spin echo) and equation 7 (inversion recovery, re-derived for any excitation angle). A double
inversion follows from the same steady state at an excitation of 90 degrees.
"""

import dataclasses

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Sequence:
    """A spin-echo sequence with none, one or two inversions before its excitation.

    Attributes:
        name: key of :data:`SEQUENCES`.
        label: how people write it.
        tr_ms: repetition time.
        te_ms: echo time.
        ti_ms: times from each inversion to the excitation, the first inversion first.
        flip_deg: excitation angle; 90 where there are two inversions.
        signed: keeps the sign of the signal (PSIR); else its magnitude.
    """

    name: str
    label: str
    tr_ms: float
    te_ms: float
    ti_ms: tuple[float, ...] = ()
    flip_deg: float = 90.0
    signed: bool = False

    def __post_init__(self) -> None:
        """Refuses times and angles for which the formulas do not hold."""
        descending = list(self.ti_ms) == sorted(self.ti_ms, reverse=True)
        if len(self.ti_ms) > 2 or not descending or not 0 < self.te_ms < self.tr_ms:
            raise ValueError(
                f"sequence {self.name}: TR {self.tr_ms}, TE {self.te_ms}, TI {self.ti_ms} ms; "
                "expected 0 < TE < TR and at most two inversion times, the longer one first"
            )
        if any(not 0 < ti < self.tr_ms for ti in self.ti_ms):
            raise ValueError(f"sequence {self.name}: TI {self.ti_ms} ms; expected between 0 and TR")
        if len(self.ti_ms) == 2 and self.flip_deg != 90.0:
            raise ValueError(f"sequence {self.name}: two inversions need an excitation of 90 deg")


SEQUENCES: dict[str, Sequence] = {
    sequence.name: sequence
    for sequence in (
        Sequence("t1w", "T1w", 500.0, 10.0),
        Sequence("t2w", "T2w", 4500.0, 100.0),
        Sequence("pdw", "PDw", 8000.0, 10.0),
        Sequence("flair", "FLAIR", 15000.0, 100.0, (3000.0,)),
        Sequence("stir", "STIR", 15000.0, 100.0, (300.0,)),
        Sequence("psir", "PSIR", 6000.0, 10.0, (500.0,), signed=True),
        Sequence("dir", "DIR", 15000.0, 100.0, (3750.0, 470.0)),
    )
}
"""Times as synthetic-MRI software offers them by default. The double inversion leaves 1.3 % of
white matter of T1 700 ms and 0.3 % of fluid of 4200 ms; FLAIR leaves 5 % of that fluid."""


def weighted(
    t1_ms: jax.Array, t2_ms: jax.Array, pd_percent: jax.Array, sequence: Sequence
) -> jax.Array:
    """The image a sequence would show, in percent of the signal of fully relaxed water at TE 0.

    With ``E(t) = exp(-t / T1)`` and excitation angle a:

    - no inversion ``PD (1 - E(TR)) / (1 - cos a E(TR)) exp(-TE/T2)`` (W08 eq. 6),
    - one ``PD (1 - 2 E(TI) + E(TR)) / (1 + cos a E(TR)) exp(-TE/T2)`` (W08 eq. 7),
    - two ``PD (1 - 2 E(TI2) + 2 E(TI1) - E(TR)) exp(-TE/T2)``, TI1 > TI2.

    Limits: TR to infinity and TE to 0 without inversion give PD; T2 = 0 gives 0; no T1, T2 or PD
    of 0 gives anything but a finite number.

    >>> white = jnp.asarray(815.0), jnp.asarray(78.7), jnp.asarray(68.2)
    >>> [round(float(weighted(*white, SEQUENCES[name])), 1) for name in ("t1w", "t2w", "psir")]
    [27.5, 19.1, -4.9]

    Args:
        t1_ms: (...) longitudinal relaxation time, >= 0.
        t2_ms: (...) transverse relaxation time, >= 0.
        pd_percent: (...) proton density, water = 100.
        sequence: times and angle.

    Returns:
        (...) percent, not negative unless the sequence keeps signs.
    """

    def left(t_ms: float) -> jax.Array:
        return _decay(t_ms, t1_ms)

    cosine = jnp.cos(jnp.deg2rad(sequence.flip_deg))
    recovered = left(sequence.tr_ms)
    match sequence.ti_ms:
        case ():
            state = (1.0 - recovered) / (1.0 - cosine * recovered)
        case (ti_ms,):
            state = (1.0 - 2.0 * left(ti_ms) + recovered) / (1.0 + cosine * recovered)
        case (first_ms, second_ms):
            state = 1.0 - 2.0 * left(second_ms) + 2.0 * left(first_ms) - recovered
    image = pd_percent * state * _decay(sequence.te_ms, t2_ms)
    return image if sequence.signed else jnp.abs(image)


SHORTEST_MS = 1e-6
"""Relaxation times below it have decayed; the quotient's gradient would be infinity times zero."""


def _decay(t_ms: float, relaxation_ms: jax.Array) -> jax.Array:
    """``exp(-t / T)``, 0 with a gradient of 0 where T is 0, so that it can stand in a loss."""
    relaxation_ms = jnp.asarray(relaxation_ms)
    lives = relaxation_ms > SHORTEST_MS
    return jnp.where(lives, jnp.exp(-t_ms / jnp.where(lives, relaxation_ms, 1.0)), 0.0)
