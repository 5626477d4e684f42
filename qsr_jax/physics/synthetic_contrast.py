"""Weighted images computed from maps: what a scanner would show at the stated sequence times.

The equations are those of :mod:`qsr_jax.physics.weighted_signal`; here they have the fixed times of
named sequences. A double inversion follows from the same steady state at an excitation of 90
degrees.
"""

import dataclasses

import jax
import jax.numpy as jnp

from qsr_jax.physics.weighted_signal import decay, inversion_recovery, spin_echo


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

    No inversion: :func:`qsr_jax.physics.weighted_signal.spin_echo`; one:
    :func:`qsr_jax.physics.weighted_signal.inversion_recovery`; two, with ``E(t) = exp(-t / T1)``:
    ``PD (1 - 2 E(TI2) + 2 E(TI1) - E(TR)) exp(-TE/T2)``, TI1 > TI2.

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
    maps, flip_deg = (t1_ms, t2_ms, pd_percent), sequence.flip_deg
    tr_ms, te_ms = sequence.tr_ms, sequence.te_ms
    match sequence.ti_ms:
        case ():
            image = spin_echo(*maps, tr_ms=tr_ms, te_ms=te_ms, flip_deg=flip_deg)
        case (ti_ms,):
            image = inversion_recovery(
                *maps, tr_ms=tr_ms, te_ms=te_ms, ti_ms=ti_ms, flip_deg=flip_deg
            )
        case (first_ms, second_ms):
            left = [decay(t_ms, t1_ms) for t_ms in (second_ms, first_ms, tr_ms)]
            state = 1.0 - 2.0 * left[0] + 2.0 * left[1] - left[2]
            image = pd_percent * state * decay(te_ms, t2_ms)
    return image if sequence.signed else jnp.abs(image)
