"""What flows through the house: volumes in physical units, predictions, and where they lie.

Axes are always ``(z, y, x, c)``: slice, row, column, map. Positions are DICOM patient coordinates
(LPS, mm); a position names the *centre* of a voxel.
"""

import dataclasses
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from qsr_jax.mean_law import MeanLaw

ItemT = TypeVar("ItemT")

CORNER, SAMPLE = "corner", "sample"
"""The two grid alignments of a fine grid against a coarse one (same field of view).

``corner``: both share the outer edge; fine pixel j lies at coarse index j/2 - 1/4 (factor 2).
``sample``: both share pixel N/2, as plain zero-filling gives; fine pixel j lies at index j/2.
"""

ALIGNMENTS = (CORNER, SAMPLE)


def first_voxel_shift(alignment: str, scale: int) -> float:
    """Offset of the first fine voxel from the first coarse one, in coarse pixels.

    Raises:
        ValueError: ``alignment`` is not one of :data:`ALIGNMENTS`.
    """
    if alignment not in ALIGNMENTS:
        raise ValueError(f"grid alignment {alignment!r} is not one of {', '.join(ALIGNMENTS)}")
    return (1.0 / scale - 1.0) / 2.0 if alignment == CORNER else 0.0


def triple(values: Iterable[float]) -> tuple[float, float, float]:
    """Three numbers as plain floats, however an array holds them.

    Raises:
        ValueError: not three.
    """
    first, second, third = (float(value) for value in values)
    return first, second, third


@dataclasses.dataclass(frozen=True)
class Geometry:
    """A regular stack of slices in patient space.

    Attributes:
        origin_mm: centre of voxel (0, 0, 0), LPS.
        row_dir: unit vector along which the column index grows (first half of
            ImageOrientationPatient).
        col_dir: unit vector along which the row index grows (second half).
        spacing_mm: distance between (slices, rows, columns).
        shape: number of (slices, rows, columns).
    """

    origin_mm: tuple[float, float, float]
    row_dir: tuple[float, float, float]
    col_dir: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def normal(self) -> np.ndarray:
        """Unit vector along which the slice index grows."""
        return np.cross(self.row_dir, self.col_dir)

    def slice_positions_mm(self) -> np.ndarray:
        """ImagePositionPatient of every slice, (z, 3) mm."""
        steps = np.arange(self.shape[0])[:, None] * self.spacing_mm[0]
        return np.asarray(self.origin_mm) + steps * self.normal

    def affine_lps(self) -> np.ndarray:
        """(4, 4) matrix from voxel index (z, y, x, 1) to LPS mm."""
        affine = np.eye(4)
        columns = (self.normal, np.asarray(self.col_dir), np.asarray(self.row_dir))
        for axis, (direction, step) in enumerate(zip(columns, self.spacing_mm, strict=True)):
            affine[:3, axis] = direction * step
        affine[:3, 3] = self.origin_mm
        return affine

    def refined(self, scale: int, alignment: str) -> "Geometry":
        """The in-plane finer grid of the same field of view, see :data:`ALIGNMENTS`."""
        shift = first_voxel_shift(alignment, scale)
        dz, dy, dx = self.spacing_mm
        origin = (
            np.asarray(self.origin_mm)
            + shift * dy * np.asarray(self.col_dir)
            + shift * dx * np.asarray(self.row_dir)
        )
        nz, ny, nx = self.shape
        return dataclasses.replace(
            self,
            origin_mm=triple(origin),
            spacing_mm=(dz, dy / scale, dx / scale),
            shape=(nz, ny * scale, nx * scale),
        )


@dataclasses.dataclass(frozen=True)
class Volume:
    """Maps of one scan, in physical units. Carries no personal data.

    Attributes:
        maps: (z, y, x, c) float32, physical units of ``names``.
        names: c keys of :data:`qsr_jax.maps.MAPS`.
        geometry: where the voxels lie.
        mask: (z, y, x) bool, True inside the head, or None where nobody has made one.

    Raises:
        ValueError: an array contradicts the names or the geometry.
    """

    maps: np.ndarray
    names: tuple[str, ...]
    geometry: Geometry
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Refuses arrays that contradict the names or the geometry."""
        _check_shape("maps have", self.maps, self.names, self.geometry)
        if self.mask is not None and self.mask.shape != self.geometry.shape:
            raise ValueError(f"mask has shape {self.mask.shape}, not {self.geometry.shape}")

    def select(self, names: Sequence[str]) -> "Volume":
        """The same scan with these maps alone, in this order.

        Raises:
            ValueError: a map that is not there.
        """
        channels = _channels(self.names, names)
        return dataclasses.replace(self, maps=self.maps[..., channels], names=tuple(names))


@dataclasses.dataclass(frozen=True)
class Familiarity:
    """How like a scan is to those that a model learned from.

    Attributes:
        scores: what was compared to how unlike it is: 0 is usual, beyond 1 is out of range.
        reasons: what is out of range, in words, the worst first.
        places: (slice, row, column) of the middle of every place that is, from 0, in pixels of the
            scan.
        subjects: how many it was compared with.
    """

    scores: Mapping[str, float]
    reasons: tuple[str, ...]
    places: tuple[tuple[int, int, int], ...] = ()
    subjects: int = 0

    @property
    def score(self) -> float:
        """The worst of the scores."""
        return max(self.scores.values())

    @property
    def is_unfamiliar(self) -> bool:
        """Whether anything is out of range."""
        return self.score > 1.0

    @property
    def words(self) -> str:
        """The outcome in a sentence, for people and headers; 400 characters at most."""
        said = f"scans the model learned from (score {self.score:.2f}, limit 1)"
        if not self.is_unfamiliar:
            return f"like the {said}"
        return textwrap.shorten(f"UNLIKE the {said}: {'; '.join(self.reasons)}", 400)

    @classmethod
    def worst_of(cls, several: "Sequence[Familiarity | None]") -> "Familiarity | None":
        """The one with the highest score of several of one scan; None where nobody tells."""
        told = [one for one in several if one is not None]
        return max(told, key=lambda one: one.score) if told else None


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a predictor says: a value and, where it knows one, a spread.

    Attributes:
        mean: (z, y, x, c) float32, physical units of ``names``.
        std: same shape and units, or None when the predictor has no spread.
        names: c keys of :data:`qsr_jax.maps.MAPS`.
        geometry: where the voxels lie.
        clamped: for each of ``names`` the number of voxels that lay outside the map's range and
            were set to its nearer end; None when the predictor clamps nothing.
        familiarity: how like the scan is to those the predictor learned from; None when it cannot
            tell.
        mean_laws: for each of ``names``, from ``std`` to how sure a mean is; None where nobody
            found out.
        std_against: what ``std`` is the error against, one of :data:`TARGETS`; None where nobody
            says.

    Raises:
        ValueError: ``mean``, ``std``, ``clamped`` or ``mean_laws`` contradict the names or the
            geometry.
    """

    mean: np.ndarray
    std: np.ndarray | None
    names: tuple[str, ...]
    geometry: Geometry
    clamped: tuple[int, ...] | None = None
    mean_laws: tuple[MeanLaw, ...] | None = None
    familiarity: Familiarity | None = None
    std_against: str | None = None

    def __post_init__(self) -> None:
        """Refuses arrays that contradict the names or the geometry."""
        _check_shape("mean has", self.mean, self.names, self.geometry)
        if self.std is not None:
            _check_shape("std has", self.std, self.names, self.geometry)
        if self.clamped is not None and len(self.clamped) != len(self.names):
            raise ValueError(f"clamped counts {len(self.clamped)} maps, expected {self.names}")
        if self.mean_laws is not None and len(self.mean_laws) != len(self.names):
            raise ValueError(f"{len(self.mean_laws)} laws of means, expected one for {self.names}")

    def std_of_mean(self, inside: np.ndarray) -> np.ndarray:
        """How sure the mean over a place is: (c,) standard deviations in units of the maps.

        Of a region or a tissue; the voxels of a lesion err as one, and its mean as they do.

        Args:
            inside: (z, y, x) bool, the voxels of the place.

        Raises:
            ValueError: no voxel, or the predictor knows no spread, or not that of means.
        """
        if self.std is None or self.mean_laws is None:
            raise ValueError(
                "this prediction does not tell how sure a mean is; expected that of a network that "
                "tells its spread and was calibrated on validation subjects"
            )
        count = int(np.count_nonzero(inside))
        if not count:
            raise ValueError("a mean over no voxel; expected a place with one or more")
        variance = np.square(self.std[inside], dtype=np.float64).mean(0)
        return np.sqrt(variance * [law.ratio(count) for law in self.mean_laws])

    def select(self, names: Sequence[str]) -> "Prediction":
        """These maps alone, in this order.

        Raises:
            ValueError: a map that is not there.
        """
        channels = _channels(self.names, names)
        return dataclasses.replace(
            self,
            mean=self.mean[..., channels],
            std=None if self.std is None else self.std[..., channels],
            names=tuple(names),
            clamped=_of(self.clamped, channels),
            mean_laws=_of(self.mean_laws, channels),
        )


def _check_shape(what: str, array: np.ndarray, names: tuple[str, ...], geometry: Geometry) -> None:
    """Refuses an array that is not (z, y, x, one channel per name)."""
    expected = (*geometry.shape, len(names))
    if array.shape != expected:
        raise ValueError(
            f"{what} shape {array.shape}, expected {expected}: (z, y, x) of the geometry and "
            f"one channel for each of {', '.join(names)}"
        )


def _channels(held: tuple[str, ...], wanted: Sequence[str]) -> list[int]:
    """Where the wanted maps lie along the last axis."""
    missing = [name for name in wanted if name not in held]
    if missing:
        raise ValueError(f"no {' and '.join(missing)} among {', '.join(held)}")
    return [held.index(name) for name in wanted]


def _of(each: tuple[ItemT, ...] | None, channels: Sequence[int]) -> tuple[ItemT, ...] | None:
    """What is known of these maps, if anything is."""
    return None if each is None else tuple(each[c] for c in channels)


Predictor = Callable[[Volume], Prediction]
"""Everything that makes maps: an interpolation, a network, later a reconstruction."""

ROUTINE, TRUTH, REPEAT = "routine", "truth", "repeat"
TARGETS = (ROUTINE, TRUTH, REPEAT)
"""What a network may learn to make: the routine scan, what was simulated, or one of several routine
scans of the same subject, drawn anew at every step (Lehtinen 2018, arXiv:1803.04189)."""

Batch = Mapping[str, Any]
"""One batch of records as arrays:

``lr`` (n, h, w, 1) and ``hr`` (n, s*h, s*w, 1) uint16 stored values, of all scans where ``hr`` is
of several, ``mask`` (n, s*h, s*w, 1) uint8, ``sample_id`` (n,) int32 index of the record in its
split. Of weighted images ``lr`` is (n, h, w, 3); ``acquisition_ms`` (n, 7) float32 is beside it.
"""
