"""How an MDME study is scanned: everything a protocol fixes, as data.

The two scans of the paper (JMIR Med Inform 2026;14:e79389, "Data") are :data:`ROUTINE` and
:data:`FAST`. A protocol that cannot exist is refused when it is made.
"""

import dataclasses

from qsr_jax.physics.effective_angles import CALIBRATED, LINEAR, SLICE_ORDERS, Angles
from qsr_jax.types import CORNER, Geometry

TRAIN_TOLERANCE = 0.05
"""How far, in echo spacings, an echo time may lie from a multiple (headers are rounded)."""

THETA_SOURCES = ("data", "nominal", "map")
"""Where the fit's saturation angle comes from: the scan's own delays, smoothed (W08 eq. 4); the
nominal angle everywhere; or a map that is given, such as another scan's of the same session."""

LEAST_ECHO, MOST_EDGE = 0.55, 1.0
"""Least part of an echo that is read; largest change of gain at the rim of k-space."""


@dataclasses.dataclass(frozen=True)
class Played:
    """What the scanner plays where it differs from what the header (and so the fit) says.

    Attributes:
        echo_spacing_ms: time between the echoes of the train.
        td_offset_ms: added to every delay, after it was scaled.
        td_scale: factor on TR and on every delay, which are made of the same slots.
        saturation_scale: factor on the flip angle of the saturation pulse, as B1 would act on it.
        saturation_width: thickness of the saturated slab over that of the excited slice.
        refocusing_width: thickness of the refocused slab, likewise.
        slice_order: of :data:`SLICE_ORDERS`, in which the slots take the slices.
    """

    echo_spacing_ms: float
    td_offset_ms: float = 0.0
    td_scale: float = 1.0
    saturation_scale: float = 1.0
    saturation_width: float = 1.0
    refocusing_width: float = 1.0
    slice_order: str = LINEAR


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One MDME scan: some delays after saturation times two echoes.

    Attributes:
        name: "routine" or "fast", or a user's own.
        tr_ms: repetition time.
        te_ms: effective times of the two echoes, rising.
        td_ms: delays between saturation and excitation, rising.
        matrix: acquired samples (frequency, phase); frequency runs along the rows' axis (A-P).
        recon: side of the square reconstructed matrix.
        acceleration: parallel-imaging factor R; every R-th phase line is acquired.
        echo_spacing_ms: nominal time between the echoes of the train; both ``te_ms`` are multiples.
        lines_per_echo: phase lines per shot and echo image; the train is twice as long, its first
            half fills the first echo image, its second half the second.
        played: what the scanner really plays.
        fov_mm: side of the square field of view.
        slices: number of slices, contiguous.
        slots: of a repetition; each saturates one slice and acquires another. As many as the stack
            that the scanner plays has slices; of it, ``slices`` are simulated.
        slice_mm: slice thickness.
        fermi: (radius, width) of the k-space window, as fractions of the sampled half axis.
        partial_echo: part of the frequency samples that is read, the last ones; the others are 0.
        edge_gain: of the maker's filter at the rim of k-space, less 1; below 0 it smooths.
        theta_source: one of :data:`THETA_SOURCES`.
        angles: effective flip angles.
    """

    name: str
    tr_ms: float
    te_ms: tuple[float, float]
    td_ms: tuple[float, ...]
    matrix: tuple[int, int]
    recon: int
    acceleration: int
    echo_spacing_ms: float
    lines_per_echo: int
    played: Played
    fov_mm: float
    slices: int
    slots: int
    slice_mm: float
    fermi: tuple[float, float]
    angles: Angles
    partial_echo: float = 1.0
    edge_gain: float = 0.0
    theta_source: str = "data"

    def __post_init__(self) -> None:
        """Refuses what cannot be scanned, naming the value and the rule."""
        for holds, rule, value in (*self._timing_rules(), *self._sampling_rules()):
            if not holds:
                raise ValueError(f"protocol {self.name!r}: {rule}; got {value}")

    def _timing_rules(self) -> tuple[tuple[bool, str, object], ...]:
        """(holds, rule, value) of the delays and the echo train."""
        rising = all(a < b for a, b in zip(self.td_ms, self.td_ms[1:], strict=False))
        lines, spacing = self.lines_per_echo, self.echo_spacing_ms
        played = self.played_td_ms[0] if self.td_ms else 0.0
        times = (self.tr_ms, spacing, self.played.echo_spacing_ms, lines)
        if not (len(self.te_ms) == 2 and len(self.td_ms) >= 3 and min(times) > 0):
            return (
                (len(self.te_ms) == 2, "te_ms needs 2 echoes", self.te_ms),
                (len(self.td_ms) >= 3, "td_ms needs at least 3 delays", self.td_ms),
                (min(times) > 0, "times and lines_per_echo must be positive", times),
            )
        first, second = self.echo_numbers
        on_train = all(
            abs(te - n * spacing) <= TRAIN_TOLERANCE * spacing
            for te, n in zip(self.te_ms, self.echo_numbers, strict=True)
        )
        train_ms = self.train_length * self.played.echo_spacing_ms
        slot_ms = self.played_tr_ms / max(self.slots, 1)
        return (
            (0 < self.te_ms[0] < self.te_ms[1], "te_ms must be positive and rising", self.te_ms),
            (rising and self.td_ms[0] > 0, "td_ms must be positive and rising", self.td_ms),
            (played > 0, "the first delay with played.td_offset_ms must be positive", played),
            (self.played_td_ms[-1] < self.played_tr_ms,
             f"the last delay as played must stay below TR {self.played_tr_ms}",
             self.played_td_ms[-1]),
            (min(value for key, value in vars(self.played).items()
                 if key.endswith(("_scale", "_width"))) > 0,
             "scales and widths as played must be positive", self.played),
            (self.played.slice_order in SLICE_ORDERS,
             f"played.slice_order must be one of {SLICE_ORDERS}", self.played.slice_order),
            (self.td_ms[-1] < self.tr_ms, f"td_ms must stay below TR {self.tr_ms}", self.td_ms),
            (on_train, f"te_ms must be multiples of echo_spacing_ms {spacing}", self.te_ms),
            (1 <= first <= lines < second <= 2 * lines,
             f"te_ms must fall on echoes 1..{lines} and {lines + 1}..{2 * lines} of the train",
             (first, second)),
            (train_ms <= slot_ms, f"the echo train must fit into TR/slots = {slot_ms:.4g} ms",
             f"{train_ms:.4g} ms"),
        )  # fmt: skip

    def _sampling_rules(self) -> tuple[tuple[bool, str, object], ...]:
        """(holds, rule, value) of matrix, slices and acceleration."""
        lengths = (self.fov_mm, self.slices, self.slots, self.slice_mm, *self.matrix, *self.fermi)
        whole = isinstance(self.acceleration, int) and self.acceleration >= 1
        return (
            (min(lengths) > 0, "lengths and counts must be positive", lengths),
            (max(self.matrix) <= self.recon, f"matrix exceeds recon {self.recon}", self.matrix),
            (all(n % 2 == 0 for n in self.matrix), "matrix must be even", self.matrix),
            (whole, "acceleration must be a whole number >= 1", self.acceleration),
            (LEAST_ECHO <= self.partial_echo <= 1.0,
             f"partial_echo must lie in {LEAST_ECHO}..1", self.partial_echo),
            (abs(self.edge_gain) <= MOST_EDGE,
             f"edge_gain must lie in -{MOST_EDGE:g}..{MOST_EDGE:g}", self.edge_gain),
            (self.theta_source in THETA_SOURCES,
             f"theta_source must be one of {', '.join(THETA_SOURCES)}", self.theta_source),
        )  # fmt: skip

    @property
    def pixel_mm(self) -> float:
        """Side of a reconstructed pixel."""
        return self.fov_mm / self.recon

    @property
    def played_tr_ms(self) -> float:
        """Repetition time as the scanner plays it."""
        return self.played.td_scale * self.tr_ms

    @property
    def played_td_ms(self) -> tuple[float, ...]:
        """Delays as the scanner plays them."""
        scale, offset_ms = self.played.td_scale, self.played.td_offset_ms
        return tuple(scale * td + offset_ms for td in self.td_ms)

    @property
    def train_length(self) -> int:
        """Refocusing pulses per excitation (the header's EchoTrainLength)."""
        return 2 * self.lines_per_echo

    @property
    def echo_numbers(self) -> tuple[int, int]:
        """Which echo of the train, from 1, holds the centre of each echo image's k-space."""
        first, second = (round(te / self.echo_spacing_ms) for te in self.te_ms)
        return first, second


ROUTINE = Protocol(
    name="routine",
    tr_ms=4000.0,
    te_ms=(18.3, 91.4),
    td_ms=(170.0, 670.0, 1840.0, 3840.0),
    matrix=(320, 256),
    recon=512,
    acceleration=2,
    echo_spacing_ms=9.14,
    lines_per_echo=8,
    played=Played(echo_spacing_ms=9.14),
    fov_mm=220.0,
    slices=24,
    slots=24,
    slice_mm=5.0,
    fermi=(0.9, 0.03),
    angles=CALIBRATED[LINEAR],
)
"""The paper's routine scan. Not printed there: the echo spacing, which makes both echo times
multiples (TE2 = 5 TE1 = 10 echoes), the 8 lines per echo (its echo train length of 16 halved) and
the Fermi window (public default of mri4all/console)."""

FAST = dataclasses.replace(
    ROUTINE,
    name="fast",
    matrix=(192, 128),
    recon=256,
    acceleration=3,
)
"""The paper's fast scan. What an installation plays otherwise:
:mod:`qsr_jax.physics.installation`."""


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

    >>> routine, fast = geometries(ROUTINE, FAST, CORNER)
    >>> routine.shape, fast.shape, [round(step, 3) for step in fast.spacing_mm]
    ((24, 512, 512), (24, 256, 256), [5.0, 0.859, 0.859])

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
