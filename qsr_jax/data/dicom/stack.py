"""Slices that lie evenly behind each other, sorted by where they are and never by their order."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from qsr_jax.data.dicom.frames import Frame
from qsr_jax.data.dicom.header import Header
from qsr_jax.types import Geometry

GAP_TOLERANCE = 0.01
"""Slice distances may differ from their mean by this fraction."""
SHEAR_TOLERANCE_MM = 0.01
"""To which comes what directions within :data:`SAME_TOLERANCE` may be off at a slice's depth."""
SAME_PLACE_MM = 1e-3
ORTHONORMAL_TOLERANCE = 2e-4
"""Many exports write direction cosines with 4 decimals: each is off by up to 5e-5, and a product of
two directions by up to 2 * 5e-5 * sqrt(3) = 1.8e-4."""
SAME_TOLERANCE = 1e-4
"""Between slices of one series: two cosines, each rounded to 4 decimals, differ by up to this, 0.01
mm at the edge of a head. Real GE SIGNA Pioneer series differ by 3e-8 to 6e-8. No sign and no
order of axes is that small a difference."""
SQUARE_TOLERANCE = 1e-4

_SHARED_NUMBERS = {"Rows": 1, "Columns": 1, "PixelSpacing": 2, "ImageOrientationPatient": 6}
_ROUNDED = {"PixelSpacing": (SAME_TOLERANCE, 0.0), "ImageOrientationPatient": (0.0, SAME_TOLERANCE)}
"""Relative and absolute tolerance of numbers that may differ by rounding; others may not differ."""
_SHARED_SECRETS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def check_one_series(headers: Sequence[Header]) -> None:
    """Refuses files that are not different images of one series of one subject.

    Raises:
        DicomInputError: naming the first file that does not belong.
    """
    seen: dict[str, Header] = {}
    for header in headers:
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            header.text(keyword)
        other = seen.setdefault(header.text("SOPInstanceUID"), header)
        if other is not header:
            header.refuse("SOPInstanceUID", f"also in {other.label}")
        for keyword in _SHARED_SECRETS:
            if header.value(keyword) != headers[0].value(keyword):
                why = f"differs from the one in {headers[0].label}; expected one series"
                header.refuse(keyword, why)


def stacked(frames: Sequence[Frame]) -> tuple[list[Frame], Geometry]:
    """Sorts slices by position and returns the regular stack they form.

    Raises:
        DicomInputError: slices that differ in size, spacing or orientation; gaps, duplicates,
            shear, pixels that are not square, fewer than two slices.
    """
    first = frames[0]
    for frame in frames:
        _check_spacing(frame)
        for keyword, count in _SHARED_NUMBERS.items():
            here, there = (f.numbers(keyword, count) for f in (frame, first))
            relative, absolute = _ROUNDED.get(keyword, (0.0, 0.0))
            if not np.allclose(here, there, rtol=relative, atol=absolute):
                got = f"{_shown(here)} in {frame.label}"
                frame.refuse(keyword, got=got, expected=f"{_shown(there)} of {first.label}")
    if len(frames) < 2:
        first.refuse("ImagePositionPatient", "one slice alone; a stack has at least 2")
    row_dir, col_dir = _directions(frames)
    normal = np.cross(row_dir, col_dir)
    positions = np.stack([frame.numbers("ImagePositionPatient", 3) for frame in frames])
    order = np.argsort(positions @ normal, kind="stable")
    ordered, places = [frames[i] for i in order], positions[order]
    spacing = _even_spacing(ordered, places, normal)
    _check_count(ordered, spacing)
    row_mm, column_mm = first.numbers("PixelSpacing", 2)
    return ordered, Geometry(
        origin_mm=tuple(places[0].tolist()),
        row_dir=tuple(row_dir.tolist()),
        col_dir=tuple(col_dir.tolist()),
        spacing_mm=(spacing, float(row_mm), float(column_mm)),
        shape=(len(ordered), int(first.number("Rows")), int(first.number("Columns"))),
    )


def _shown(numbers: np.ndarray) -> str:
    return ", ".join(f"{number:g}" for number in numbers)


def _check_spacing(frame: Frame) -> None:
    """Refuses pixels without a size, and pixels that are not square."""
    row_mm, column_mm = frame.numbers("PixelSpacing", 2)
    got = f"{row_mm:g} x {column_mm:g} mm"
    if min(row_mm, column_mm) <= 0:
        frame.refuse("PixelSpacing", got=got, expected="> 0")
    if not math.isclose(row_mm, column_mm, rel_tol=SQUARE_TOLERANCE):
        frame.refuse("PixelSpacing", got=got, expected="square pixels")


def _directions(frames: Sequence[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the slices' mean ImageOrientationPatient, made exactly orthonormal."""
    said = [frame.numbers("ImageOrientationPatient", 6) for frame in frames]
    orientation = np.mean(said, axis=0).reshape(2, 3)
    if np.abs(orientation @ orientation.T - np.eye(2)).max() > ORTHONORMAL_TOLERANCE:
        frames[0].refuse("ImageOrientationPatient", "not orthonormal")
    row_dir = orientation[0] / np.linalg.norm(orientation[0])
    col_dir = orientation[1] - (orientation[1] @ row_dir) * row_dir
    return row_dir, col_dir / np.linalg.norm(col_dir)


def _even_spacing(frames: Sequence[Frame], places: np.ndarray, normal: np.ndarray) -> float:
    """Distance of the sorted slices, mm; refuses gaps, duplicates and shear."""
    depths = (places - places[0]) @ normal
    usual = float(np.median(np.diff(depths)))
    for (a, low), (b, high) in itertools.pairwise(zip(frames, depths, strict=True)):
        if high - low < SAME_PLACE_MM:
            b.refuse("ImagePositionPatient", f"same position as {a.label}")
        if abs(high - low - usual) > GAP_TOLERANCE * usual:
            got = f"gap {high - low:g} mm to {a.label}"
            why = "slice missing?"
            b.refuse("ImagePositionPatient", why, got=got, expected=f"{usual:g} mm")
    sideways = np.linalg.norm(places - places[0] - depths[:, None] * normal, axis=1)
    sideways -= SAME_TOLERANCE * np.abs(depths)
    worst = int(np.argmax(sideways))
    if sideways[worst] > SHEAR_TOLERANCE_MM:
        frames[worst].refuse("ImagePositionPatient", f"stack is sheared {sideways[worst]:g} mm")
    return float(depths[-1]) / (len(frames) - 1)


def _check_count(frames: Sequence[Frame], spacing: float) -> None:
    """Refuses a stack with slices lost where positions alone cannot tell: ends, or every other.

    ImagesInAcquisition may count several images of each slice, hence the test for a multiple.
    """
    first = frames[0]
    if first.value("SpacingBetweenSlices") is not None:
        stated = abs(first.number("SpacingBetweenSlices"))
        if abs(stated - spacing) > GAP_TOLERANCE * spacing:
            why = f"{stated:g} mm, but slices lie {spacing:g} mm apart; slices missing?"
            first.refuse("SpacingBetweenSlices", why)
    if first.value("ImagesInAcquisition") is not None:
        stated = first.number("ImagesInAcquisition")
        if stated % len(frames):
            why = f"{stated:g}, but {len(frames)} slices are here; slices missing?"
            first.refuse("ImagesInAcquisition", why)
