"""How an MDME study is scanned: everything a protocol fixes, as data.

The two scans of the paper (JMIR Med Inform 2026;14:e79389, "Data") are :data:`ROUTINE` and
:data:`FAST`. A protocol that cannot exist is refused when it is made.
"""

import dataclasses

from qsr_jax.types import CORNER, Geometry


@dataclasses.dataclass(frozen=True)
class Angles:
    """Effective flip angles as functions of the relative transmit field B1 (1 = nominal).

    ``theta = theta_deg + slope_deg (B1 - 1)`` is the saturation angle,
    ``alpha = min(ratio theta + offset_deg, cap_deg)`` the excitation angle.

    Attributes:
        theta_deg: saturation angle at B1 = 1.
        slope_deg: its growth per unit of B1.
        ratio: growth of the excitation angle per degree of saturation angle.
        offset_deg: excitation angle at saturation angle 0.
        cap_deg: largest excitation angle that a slice profile reaches.
        echo_gain: factors that make the echoes comparable (slice profiles differ per echo).
    """

    theta_deg: float
    slope_deg: float
    ratio: float
    offset_deg: float
    cap_deg: float
    echo_gain: tuple[float, float]


IDEAL = Angles(120.0, 120.0, 0.75, 0.0, 180.0, (1.0, 1.0))
"""Level A: the nominal 120 and 90 degrees, both proportional to B1. For unit tests."""

EFFECTIVE = Angles(106.0, 88.0, 1.0, -34.5, 69.0, (1.036, 0.977))
"""Level B: slice-profile averages of Warntjes 2008 (doi:10.1002/mrm.21635): 106 degrees at B1 = 1
and 80-115 degrees for B1 = 70-110 %, excitation = saturation - 34.5 degrees, at most 69."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One MDME scan: four delays after saturation times two echoes.

    Attributes:
        name: "routine" or "fast", or a user's own.
        tr_ms: repetition time.
        te_ms: effective times of the two echoes, rising.
        td_ms: delays between saturation and excitation, rising.
        matrix: acquired samples (frequency, phase); frequency runs along the rows' axis (A-P).
        recon: side of the square reconstructed matrix.
        acceleration: parallel-imaging factor R.
        g_factor: mean noise amplification of the parallel-imaging reconstruction.
        fov_mm: side of the square field of view.
        slices: number of slices, contiguous.
        slice_mm: slice thickness.
        fermi: (radius, width) of the k-space window, as fractions of the sampled half axis.
        angles: effective flip angles.
    """

    name: str
    tr_ms: float
    te_ms: tuple[float, float]
    td_ms: tuple[float, ...]
    matrix: tuple[int, int]
    recon: int
    acceleration: float
    g_factor: float
    fov_mm: float
    slices: int
    slice_mm: float
    fermi: tuple[float, float]
    angles: Angles

    def __post_init__(self) -> None:
        """Refuses what cannot be scanned, naming the value and the rule."""
        rising = all(a < b for a, b in zip(self.td_ms, self.td_ms[1:], strict=False))
        lengths = (self.tr_ms, self.fov_mm, self.slices, self.slice_mm, *self.matrix, *self.fermi)
        rules = (
            (min(lengths) > 0, "lengths, times and counts must be positive", lengths),
            (0 < self.te_ms[0] < self.te_ms[1], "te_ms must be positive and rising", self.te_ms),
            (len(self.td_ms) >= 3, "td_ms needs at least 3 delays", self.td_ms),
            (self.td_ms[0] > 0 and rising, "td_ms must be positive and rising", self.td_ms),
            (self.td_ms[-1] < self.tr_ms, f"td_ms must stay below TR {self.tr_ms}", self.td_ms),
            (max(self.matrix) <= self.recon, f"matrix exceeds recon {self.recon}", self.matrix),
            (min(self.acceleration, self.g_factor) >= 1, "acceleration and g_factor must be >= 1",
             (self.acceleration, self.g_factor)),
        )  # fmt: skip
        for holds, rule, value in rules:
            if not holds:
                raise ValueError(f"protocol {self.name!r}: {rule}; got {value}")

    @property
    def pixel_mm(self) -> float:
        """Side of a reconstructed pixel."""
        return self.fov_mm / self.recon


ROUTINE = Protocol(
    name="routine",
    tr_ms=4000.0,
    te_ms=(18.3, 91.4),
    td_ms=(170.0, 670.0, 1840.0, 3840.0),
    matrix=(320, 256),
    recon=512,
    acceleration=2.0,
    g_factor=1.08,
    fov_mm=220.0,
    slices=24,
    slice_mm=5.0,
    fermi=(0.9, 0.03),
    angles=EFFECTIVE,
)
"""The paper's routine scan. Not from the paper: g-factor (our estimate) and Fermi window (public
default of mri4all/console)."""

FAST = dataclasses.replace(
    ROUTINE, name="fast", matrix=(192, 128), recon=256, acceleration=3.0, g_factor=1.4
)
"""The paper's fast scan. With these g-factors its SNR is 1.15 times the routine's."""


def _tiny(protocol: Protocol) -> Protocol:
    matrix = (protocol.matrix[0] // 4, protocol.matrix[1] // 4)
    return dataclasses.replace(protocol, matrix=matrix, recon=protocol.recon // 4, slices=6)


PROTOCOLS: dict[str, tuple[Protocol, Protocol]] = {
    "paper": (ROUTINE, FAST),
    "tiny": (_tiny(ROUTINE), _tiny(FAST)),
}
"""(routine, fast) pairs by name. ``tiny`` has the physics of ``paper`` on 6 slices and a quarter of
the matrix, for tests and demonstrations."""


def geometries(routine: Protocol, fast: Protocol, alignment: str) -> tuple[Geometry, Geometry]:
    """Where the (routine, fast) voxels lie: axial, the isocentre in the middle of the stack.

    Columns run to the patient's left, rows to the back, slices to the head. The fast grid is
    centred as ``alignment`` says (corner: outer edges at half the field of view; sample: pixel n/2
    on the isocentre) and the routine grid refines it.

    Raises:
        ValueError: the protocols do not share field of view and slices, or their matrices are not
            a whole ratio apart, or the alignment is unknown.
    """
    same = (routine.fov_mm, routine.slices, routine.slice_mm)
    if same != (fast.fov_mm, fast.slices, fast.slice_mm) or routine.recon % fast.recon:
        raise ValueError(
            f"protocols {routine.name!r} and {fast.name!r} must share field of view and slices, "
            f"and have recon matrices in a whole ratio; got {routine.recon} and {fast.recon}"
        )
    pixel = fast.pixel_mm
    first = -(fast.recon // 2) * pixel
    if alignment == CORNER:
        first += pixel / 2
    coarse = Geometry(
        origin_mm=(first, first, -(fast.slices - 1) / 2 * fast.slice_mm),
        row_dir=(1.0, 0.0, 0.0),
        col_dir=(0.0, 1.0, 0.0),
        spacing_mm=(fast.slice_mm, pixel, pixel),
        shape=(fast.slices, fast.recon, fast.recon),
    )
    return coarse.refined(routine.recon // fast.recon, alignment), coarse
