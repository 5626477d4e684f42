"""One scanner installation: what differs from one to the next, and from subject to subject in it.

A cohort is scanned by one installation, or by several in turn. Their properties are drawn from the
laws of :data:`DRAWS`, each from a stream of its own, so that fixing one moves no other. A law says
who it is drawn for, what it is and where it is from; "our choice" means that no source was found.
"""

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from qsr_jax.physics.effective_angles import ALONE, CALIBRATED
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.scanner import Scanner

COHORT, SUBJECT = "cohort", "subject"
UNIFORM, NORMAL, ONE_OF = "uniform", "normal", "one of"
CUT_SD = 2.0
"""Normal draws are cut at this many standard deviations."""

MEAN, DRAWN = "mean", "drawn"
INSTALLATIONS = (DRAWN, MEAN)
"""Installation as drawn by the cohort's seed, or with every cohort's draw at its mean."""


@dataclasses.dataclass(frozen=True)
class Draw:
    """The law of one property.

    Attributes:
        per: "cohort" or "subject".
        law: "uniform" (low, high), "normal" (mean, standard deviation) or "one of" the values, all
            equally likely; the first of them stands for their mean.
        values: of the law.
        said: what it is, its unit and its source.
    """

    per: str
    law: str
    values: tuple[float, ...] | tuple[str, ...]
    said: str

    @property
    def mean(self) -> float | str:
        """What the mean installation has."""
        if self.law == UNIFORM:
            low, high = (float(value) for value in self.values)
            return (low + high) / 2
        return self.values[0]

    def draw(self, rng: np.random.Generator) -> float | str:
        """One value."""
        if self.law == ONE_OF:
            return self.values[int(rng.integers(len(self.values)))]
        first, second = (float(value) for value in self.values)
        if self.law == UNIFORM:
            return round(float(rng.uniform(first, second)), 4)
        return round(first + second * float(np.clip(rng.standard_normal(), -CUT_SD, CUT_SD)), 4)

    def __str__(self) -> str:
        """Such as "per cohort, uniform 30 to 55 (mean 42.5)"."""
        if self.law == ONE_OF:
            return f"per {self.per}, one of {', '.join(map(str, self.values))}"
        first, second = self.values
        if self.law == UNIFORM:
            return f"per {self.per}, uniform {first} to {second} (mean {self.mean:g})"
        return f"per {self.per}, normal {first} ± {second}, cut at {CUT_SD:g} SD"


DRAWS: dict[str, Draw] = {
    "snr": Draw(COHORT, UNIFORM, (30.0, 55.0),
                "of white matter in the routine scan; 30 to 60 proposed, no source"),
    "routine_td_scale": Draw(COHORT, NORMAL, (0.9735, 0.003),
                             "TR and delays as played over the header's, routine scan: the printed "
                             "4:55 min are 19 passes of 4 x 3894 ms, the header's TR is 4000 ms"),
    "fast_td_offset_ms": Draw(COHORT, NORMAL, (3.0, 1.0),
                              "ms by which the fast scan's delays exceed the header's; offsets of "
                              "1.7 to 12.5 ms are known, the mean was chosen on T1 of Table 1"),
    "fast_td_scale": Draw(COHORT, NORMAL, (1.0, 0.003), "likewise, fast scan; our choice"),
    "fast_saturation_scale": Draw(COHORT, NORMAL, (1.0, 0.0015),
                                  "flip angle of saturation, fast over routine; our choice"),
    "fast_echo_spacing_ms": Draw(COHORT, NORMAL, (8.64, 0.08),
                                 "ms between echoes the fast scan plays (header 9.14): at 62.5 "
                                 "samples per ms its readout is 2.05 ms shorter; no source gives "
                                 "the spacing, the mean is tuned on T2 of Table 1"),
    "fast_refocusing_width": Draw(COHORT, NORMAL, (0.995, 0.01),
                                  "refocused over excited thickness, fast scan; the mean is tuned "
                                  "on the sign of PD in Table 1"),
    "fast_theta_source": Draw(COHORT, ONE_OF, ("map",),
                              "saturation angle of the fast fit: the routine scan's map serves the "
                              "session; a hypothesis, no maker says where theirs comes from"),
    "slice_order": Draw(COHORT, ONE_OF, ("linear", "interleaved"),
                        "of the slots; linear in Warntjes 2008, interleaved is usual elsewhere"),
    "fermi_width": Draw(COHORT, UNIFORM, (0.02, 0.06),
                        "of the k-space window, half axes; 0.03 (mri4all) to 0.08 (10 samples)"),
    "edge_gain": Draw(COHORT, UNIFORM, (-0.2, 0.2),
                      "of the maker's filter at the rim of k-space; our choice"),
    "partial_echo": Draw(COHORT, ONE_OF, (1.0, 1.0, 0.8),
                         "part of the frequency samples that is read; our choice"),
    "coils": Draw(COHORT, ONE_OF, (16, 8, 32), "loops around the head; usual head arrays"),
    "coil_radius_mm": Draw(COHORT, UNIFORM, (125.0, 140.0), "of the array; our choice"),
    "density_correction": Draw(COHORT, UNIFORM, (0.8, 1.0),
                               "part of the residual receive field taken out of PD; our choice"),
    "snr_factor": Draw(SUBJECT, NORMAL, (1.0, 0.06), "on the SNR: how a head loads the coils"),
    "b1_strength": Draw(SUBJECT, UNIFORM, (0.7, 1.3),
                        "on the departure of the transmit field from nominal; our choice"),
    "b1_gain": Draw(SUBJECT, NORMAL, (1.0, 0.02), "of the transmit field after the prescan"),
    "coil_x_mm": Draw(SUBJECT, NORMAL, (0.0, 3.0), "mm, array's middle left of the isocentre"),
    "coil_y_mm": Draw(SUBJECT, NORMAL, (0.0, 5.0), "mm, likewise towards the back"),
    "coil_z_mm": Draw(SUBJECT, NORMAL, (0.0, 8.0), "mm, likewise towards the top"),
}  # fmt: skip
"""All that is drawn. Ranges of what is tuned are narrow, so that any cohort stays near the paper's
Table 1; the others are as wide as seems plausible."""

COIL_SIZE_MM = {8: 50.0, 16: 45.0, 32: 40.0}
"""Radius of the loops of an array: g-factors at R = 3 of 1.44, 1.37 and 1.32."""

PROTOCOL_NAMES = tuple(DRAWS)[1 : 1 + tuple(DRAWS)[1:].index("coils")]
"""Properties of the two protocols; a protocol file says them itself."""


def draw_values(
    seed: int,
    number: int,
    *,
    fixed: Mapping[str, Any],
    installation: str,
    names: tuple[str, ...],
    scanner: int = 0,
) -> dict[str, float | str]:
    """Values of the named properties: fixed, mean or drawn.

    >>> names = ("snr", "coils")
    >>> draw_values(0, 0, fixed={"coils": 8}, installation=MEAN, names=names)
    {'snr': 42.5, 'coils': 8}

    Args:
        seed: of the cohort.
        number: of the subject; 0 is the cohort.
        fixed: values that are not drawn.
        installation: one of :data:`INSTALLATIONS`; "mean" holds the cohort's draws, not the
            subjects'.
        names: of :data:`DRAWS`.
        scanner: which of the cohort's scanners, from 0.

    Raises:
        ValueError: an installation or a fixed property that is not known.
    """
    if installation not in INSTALLATIONS:
        raise ValueError(f"installation must be one of {INSTALLATIONS}; got {installation!r}")
    unknown = sorted(fixed.keys() - DRAWS.keys())
    if unknown:
        raise ValueError(f"nothing is drawn by the name {unknown[0]!r}; expected one of {[*DRAWS]}")
    found = {}
    for name in names:
        law = DRAWS[name]
        if name in fixed:
            found[name] = fixed[name]
        elif installation == MEAN and law.per == COHORT:
            found[name] = law.mean
        else:
            key = [seed, number, zlib.crc32(name.encode()), *([scanner] if scanner else [])]
            rng = np.random.default_rng(key)
            found[name] = law.draw(rng)
    return found


@dataclasses.dataclass(frozen=True)
class Scanners:
    """The scanners of a cohort, which take its subjects in turn.

    >>> two = Scanners(0, 2, DRAWN, {}, ("coils",))
    >>> [two.drawn(subject)["coils"] for subject in (1, 2, 3)]
    [32, 8, 32]

    Attributes:
        seed: of the cohort.
        count: how many there are.
        installation: one of :data:`INSTALLATIONS`.
        fixed: values that are not drawn.
        names: properties that they have, of :data:`DRAWS`.
    """

    seed: int
    count: int
    installation: str
    fixed: Mapping[str, Any]
    names: tuple[str, ...]

    def of_subject(self, number: int) -> int:
        """Which scanner, from 0, takes a subject, from 1."""
        return (number - 1) % self.count

    def properties(self) -> dict[str, Any]:
        """What is drawn per cohort: the one scanner's values, or lists with one for each."""
        every = [self._values(COHORT, 0, scanner) for scanner in range(self.count)]
        return every[0] if self.count == 1 else {n: [one[n] for one in every] for n in every[0]}

    def drawn(self, number: int) -> dict[str, Any]:
        """Properties of the scanner that takes a subject, from 1, and those of the subject.

        Raises:
            ValueError: a property or an installation that is not known.
        """
        scanner = self.of_subject(number)
        return self._values(COHORT, 0, scanner) | self._values(SUBJECT, number, 0)

    def _values(self, per: str, number: int, scanner: int) -> dict[str, float | str]:
        return draw_values(
            self.seed,
            number,
            fixed=self.fixed,
            installation=self.installation,
            names=tuple(name for name in self.names if DRAWS[name].per == per),
            scanner=scanner,
        )


def installed(
    routine: Protocol, fast: Protocol, values: Mapping[str, Any], *, cross_talk: bool
) -> tuple[Protocol, Protocol]:
    """The (routine, fast) protocols as an installation plays, reconstructs and reads them.

    Both are read with the constants that its maker would find for the routine scan's slices.

    >>> from qsr_jax.physics.mdme_protocol import FAST, ROUTINE
    >>> mean = draw_values(0, 0, fixed={}, installation=MEAN, names=PROTOCOL_NAMES)
    >>> routine, fast = installed(ROUTINE, FAST, mean, cross_talk=True)
    >>> routine.played_td_ms[0], fast.played_td_ms[0], fast.theta_source
    (165.495, 173.0, 'map')

    Raises:
        ValueError: they could not be scanned, see :class:`qsr_jax.physics.mdme_protocol.Protocol`.
    """
    order = values["slice_order"]
    both = {
        "angles": CALIBRATED[order if cross_talk else ALONE],
        "fermi": (routine.fermi[0], values["fermi_width"]),
        "edge_gain": values["edge_gain"],
        "partial_echo": values["partial_echo"],
    }
    plain = dataclasses.replace(
        routine.played, td_scale=values["routine_td_scale"], slice_order=order
    )
    quick = dataclasses.replace(
        fast.played,
        echo_spacing_ms=values["fast_echo_spacing_ms"],
        td_offset_ms=values["fast_td_offset_ms"],
        td_scale=values["fast_td_scale"],
        saturation_scale=values["fast_saturation_scale"],
        refocusing_width=values["fast_refocusing_width"],
        slice_order=order,
    )
    return (
        dataclasses.replace(routine, played=plain, **both),
        dataclasses.replace(fast, played=quick, theta_source=values["fast_theta_source"], **both),
    )


def scanner_for(scanner: Scanner, values: Mapping[str, Any]) -> Scanner:
    """The scanner with a cohort's coils and intensity correction, and a subject's fields.

    >>> from qsr_jax.physics.scanner import SCANNER
    >>> mean = draw_values(0, 1, fixed={}, installation=MEAN, names=tuple(DRAWS))
    >>> scanner_for(SCANNER, mean).coils
    16

    Raises:
        ValueError: there can be no such scanner.
    """
    coils = values["coils"]
    return dataclasses.replace(
        scanner,
        coils=coils,
        coil_size_mm=COIL_SIZE_MM.get(coils, scanner.coil_size_mm),
        coil_radius_mm=values["coil_radius_mm"],
        coil_offset_mm=tuple(values[f"coil_{axis}_mm"] for axis in "xyz"),
        density_correction=values["density_correction"],
        b1_strength=values["b1_strength"],
        b1_gain=values["b1_gain"],
    )
