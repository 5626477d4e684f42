"""The scanner and what goes wrong in it: everything that is not the protocol's, as data."""

import dataclasses

import numpy as np
from scipy import fft


@dataclasses.dataclass(frozen=True)
class Scanner:
    """Receive array, reference scan and disturbances.

    Attributes:
        coils: receive coils around the head; a multiple of eight stands in rows of eight.
        coil_radius_mm: of the cylinder they lie on; a head array's.
        coil_size_mm: radius of a coil's loop.
        coil_offset_mm: where the middle of the array lies from the isocentre, along (x, y, z).
        reference_lines: samples along each axis of the external reference scan for the coil maps
            (an ASSET calibration); its noise per sample is the receiver's.
        phase_rad: largest weight of each term of the smooth image phase.
        cross_talk: whether the pulses of neighbouring slices act on a slice's edges, each at its
            own time; False is a slice alone, as with wide gaps.
        b1_strength: factor on the transmit field's deviation from 1; 0 is a perfect field.
        b1_gain: factor on the whole field: what the prescan got wrong.
        motion_mm: standard deviation of the head's place along x and y in each delay.
        motion_deg: standard deviation of its rotation in the slice plane. Both are 0 by default:
            the paper's volunteers lay still and no source gives a number.
        pose_mm: standard deviation of the head's place along x, y and z in each scan but the
            reference one, against which the truth is told.
        pose_deg: standard deviation of its rotation about these axes.
        csf_pulsation: CSF's signal is scaled by a factor drawn from 1 -+ this for every slice and
            delay. 0 by default: the sequence suppresses flow and a delay's shots average the heart
            beat; 0.1 is the strongest that seems plausible.
        density_correction: part of the residual receive field, in its logarithm, that the maker's
            intensity correction takes out of PD; 1 is all that is found.
        oversampling: truth points per acquired sample, at least 1.
    """

    coils: int = 8
    coil_radius_mm: float = 130.0
    coil_size_mm: float = 50.0
    coil_offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    reference_lines: int = 32
    phase_rad: float = 0.5
    cross_talk: bool = True
    b1_strength: float = 1.0
    b1_gain: float = 1.0
    motion_mm: float = 0.0
    motion_deg: float = 0.0
    pose_mm: float = 0.0
    pose_deg: float = 0.0
    density_correction: float = 1.0
    csf_pulsation: float = 0.0
    oversampling: float = 2.0

    def __post_init__(self) -> None:
        """Refuses a scanner that cannot be, naming the value and the rule."""
        for name, low, high in (
            ("coils", 1, 64),
            ("coil_radius_mm", 1.0, np.inf),
            ("coil_size_mm", 1.0, np.inf),
            ("reference_lines", 8, 128),
            ("phase_rad", 0.0, np.pi),
            ("b1_strength", 0.0, 2.0),
            ("b1_gain", 0.5, 1.5),
            ("motion_mm", 0.0, 5.0),
            ("motion_deg", 0.0, 5.0),
            ("pose_mm", 0.0, 5.0),
            ("pose_deg", 0.0, 5.0),
            ("density_correction", 0.0, 1.0),
            ("csf_pulsation", 0.0, 0.9),
            ("oversampling", 1.0, 8.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"scanner: {name} must lie in {low:g}..{high:g}; got {value}")

    def truth_points(self, matrix: tuple[int, int]) -> int:
        """Points along each side of the truth grid for the widest acquired ``matrix``.

        >>> SCANNER.truth_points((320, 256))
        640
        """
        return int(fft.next_fast_len(int(np.ceil(self.oversampling * max(matrix) / 2))) * 2)


SCANNER = Scanner()
"""A quiet scanner with eight coils."""
