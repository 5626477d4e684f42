"""Reads one folder as one map series, or refuses it with file, keyword, tag and reason."""

import dataclasses
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom.find import image_files
from qsr_jax.data.dicom.header import Header
from qsr_jax.data.dicom.orientation import canonical_signs, turned
from qsr_jax.data.protocols import NotAMapError, recognise
from qsr_jax.maps import MapSpec, check, spec_of
from qsr_jax.types import Geometry, Volume

GAP_TOLERANCE = 0.01
"""Slice distances may differ from their mean by this fraction."""
SHEAR_TOLERANCE_MM = 0.01
SAME_PLACE_MM = 1e-3
ORTHONORMAL_TOLERANCE = 1e-4
LEAST_MAXIMUM = 10.0
"""A map of ms or percent reaches more than this somewhere; a map in seconds does not."""

_SHARED_NUMBERS = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient")
_SHARED_SECRETS = (
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "ImageType",
)


@dataclasses.dataclass(frozen=True)
class Series:
    """One map of one scan, and where it comes from.

    Attributes:
        volume: one map (c = 1), physical units, canonical orientation (see ``orientation``).
        map_name: "t1", "t2" or "pd".
        files: one per slice, in the order of ``volume``.
        patient_id: PatientID; for pairing and provenance, never for records or messages.
        study_uid: StudyInstanceUID; likewise.
        series_uid: SeriesInstanceUID; likewise.
        frame_uid: FrameOfReferenceUID; likewise.
        description: SeriesDescription; likewise.
        sha256: hex digest over the digests of ``files``.
    """

    volume: Volume
    map_name: str
    files: tuple[Path, ...]
    patient_id: str
    study_uid: str
    series_uid: str
    frame_uid: str
    description: str
    sha256: str


def read_series(folder: Path) -> Series:
    """Reads the map series in ``folder``; nothing is guessed, repaired or left out.

    Accepted are single-frame MR images of one series, uncompressed or RLE, with RescaleSlope in
    every slice, at even distances. Files may come in any order and with any name.

    Raises:
        DicomInputError: naming the file, the keyword, its tag and the reason.
    """
    headers: list[Header] = []
    for path in image_files(folder):
        header = Header(path)
        header.check_image()
        map_name = _map_of(header)
        _check_same(header, headers)
        headers.append(header)
    headers, geometry = _stacked(headers)
    values = np.stack([_physical(header, spec_of(map_name)) for header in headers])
    first = headers[0]
    if values.max() < LEAST_MAXIMUM:
        why = f"largest value {values.max():g} {spec_of(map_name).unit}; empty, or another unit?"
        first.refuse("PixelData", why)
    values, geometry, reversed_slices = turned(values, geometry, canonical_signs(geometry))
    if reversed_slices:
        headers.reverse()
    volume = Volume(np.ascontiguousarray(values[..., None]), (map_name,), geometry)
    return Series(
        volume=volume,
        map_name=map_name,
        files=tuple(header.path for header in headers),
        patient_id=first.optional_text("PatientID"),
        study_uid=first.text("StudyInstanceUID"),
        series_uid=first.text("SeriesInstanceUID"),
        frame_uid=first.text("FrameOfReferenceUID"),
        description=first.optional_text("SeriesDescription"),
        sha256=hashlib.sha256("".join(h.sha256 for h in headers).encode()).hexdigest(),
    )


def owner_of(folder: Path) -> tuple[str, str]:
    """PatientID and StudyInstanceUID of the first file of a folder.

    Raises:
        DicomInputError: the file cannot be read or does not say them.
    """
    header = Header(image_files(folder)[0])
    return header.text("PatientID"), header.text("StudyInstanceUID")


def _map_of(header: Header) -> str:
    """The map that ImageType names, by the table of protocols."""
    value = header.value("ImageType")
    if value is None:
        header.refuse("ImageType", "missing")
    try:
        name, _ = recognise([value] if isinstance(value, str) else list(value))
    except NotAMapError as error:
        header.refuse("ImageType", str(error))
    return name


def _check_same(header: Header, earlier: Sequence[Header]) -> None:
    """Refuses a file that does not belong to the series of the files before it."""
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        header.text(keyword)
    for other in earlier:
        if header.text("SOPInstanceUID") == other.text("SOPInstanceUID"):
            header.refuse("SOPInstanceUID", f"also in {other.path.name}")
    if not earlier:
        return
    first = earlier[0]
    for keyword in _SHARED_NUMBERS:
        if header.value(keyword) != first.value(keyword):
            why = f"{header.value(keyword)} differs from {first.value(keyword)}"
            header.refuse(keyword, f"{why} in {first.path.name}")
    for keyword in _SHARED_SECRETS:
        if header.value(keyword) != first.value(keyword):
            header.refuse(keyword, f"differs from the one in {first.path.name}")


def _stacked(headers: Sequence[Header]) -> tuple[list[Header], Geometry]:
    """Sorts the slices by position and returns the regular stack they form."""
    first = headers[0]
    if len(headers) < 2:
        first.refuse("ImagePositionPatient", "one slice alone; a stack has at least 2")
    row_dir, col_dir = _directions(first)
    normal = np.cross(row_dir, col_dir)
    positions = [header.numbers("ImagePositionPatient", 3) for header in headers]
    order = np.argsort([position @ normal for position in positions], kind="stable")
    headers = [headers[i] for i in order]
    places = np.stack([positions[i] for i in order])
    spacing = _even_spacing(headers, places, normal)
    _check_count(headers, spacing)
    row_mm, column_mm = first.numbers("PixelSpacing", 2)
    return headers, Geometry(
        origin_mm=tuple(places[0].tolist()),
        row_dir=tuple(row_dir.tolist()),
        col_dir=tuple(col_dir.tolist()),
        spacing_mm=(spacing, float(row_mm), float(column_mm)),
        shape=(len(headers), int(first.number("Rows")), int(first.number("Columns"))),
    )


def _directions(header: Header) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of ImageOrientationPatient, made exactly orthonormal."""
    orientation = header.numbers("ImageOrientationPatient", 6).reshape(2, 3)
    if np.abs(orientation @ orientation.T - np.eye(2)).max() > ORTHONORMAL_TOLERANCE:
        header.refuse("ImageOrientationPatient", "not orthonormal")
    row_dir = orientation[0] / np.linalg.norm(orientation[0])
    col_dir = orientation[1] - (orientation[1] @ row_dir) * row_dir
    return row_dir, col_dir / np.linalg.norm(col_dir)


def _even_spacing(headers: Sequence[Header], places: np.ndarray, normal: np.ndarray) -> float:
    """Distance of the sorted slices, mm; refuses gaps, duplicates and shear."""
    depths = (places - places[0]) @ normal
    usual = float(np.median(np.diff(depths)))
    for (a, low), (b, high) in itertools.pairwise(zip(headers, depths, strict=True)):
        if high - low < SAME_PLACE_MM:
            b.refuse("ImagePositionPatient", f"same position as {a.path.name}")
        if abs(high - low - usual) > GAP_TOLERANCE * usual:
            why = f"gap {high - low:g} mm to {a.path.name}, expected {usual:g} mm; slice missing?"
            b.refuse("ImagePositionPatient", why)
    sideways = np.linalg.norm(places - places[0] - depths[:, None] * normal, axis=1)
    worst = int(np.argmax(sideways))
    if sideways[worst] > SHEAR_TOLERANCE_MM:
        headers[worst].refuse("ImagePositionPatient", f"stack is sheared {sideways[worst]:g} mm")
    return float(depths[-1]) / (len(headers) - 1)


def _check_count(headers: Sequence[Header], spacing: float) -> None:
    """Refuses a stack with slices lost where positions alone cannot tell: ends, or every other.

    ImagesInAcquisition may count several images of each slice, hence the test for a multiple.
    """
    first = headers[0]
    if first.value("SpacingBetweenSlices") is not None:
        stated = abs(first.number("SpacingBetweenSlices"))
        if abs(stated - spacing) > GAP_TOLERANCE * spacing:
            why = f"{stated:g} mm, but slices lie {spacing:g} mm apart; slices missing?"
            first.refuse("SpacingBetweenSlices", why)
    if first.value("ImagesInAcquisition") is not None:
        stated = first.number("ImagesInAcquisition")
        if stated % len(headers):
            why = f"{stated:g}, but {len(headers)} slices are here; slices missing?"
            first.refuse("ImagesInAcquisition", why)


def _physical(header: Header, spec: MapSpec) -> np.ndarray:
    """The slice (y, x) float32 in the unit of ``spec``."""
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    if slope <= 0:
        header.refuse("RescaleSlope", f"{slope:g}; must be > 0")
    _check_real_world_values(header, spec, slope, intercept)
    values = header.stored_pixels() * slope + intercept
    try:
        check(values, spec, where=header.path.name)
    except ValueError as error:
        header.refuse("PixelData", str(error))
    return values.astype(np.float32)


def _check_real_world_values(header: Header, spec: MapSpec, slope: float, intercept: float) -> None:
    """Refuses a RealWorldValueMapping that says something else than Rescale, or another unit."""
    keyword = "RealWorldValueMappingSequence"
    for item in header.value(keyword) or ():
        try:
            stated = float(item.RealWorldValueSlope), float(item.RealWorldValueIntercept)
            unit = str(item.MeasurementUnitsCodeSequence[0].CodeValue)
        except (AttributeError, IndexError, TypeError, ValueError):
            header.refuse(keyword, "slope, intercept or unit missing or not readable")
        if not np.allclose(stated, (slope, intercept), rtol=1e-6, atol=1e-9):
            why = f"slope, intercept {stated} contradict Rescale {(slope, intercept)}"
            header.refuse(keyword, why)
        if unit != spec.ucum[0]:
            header.refuse(keyword, f"unit {unit}; expected {spec.ucum[0]} for {spec.label}")
