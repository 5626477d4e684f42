"""Regions of interest from a DICOM Segmentation object, laid on the grid of a scan."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.errors import InvalidDicomError

from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.types import Geometry

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
GRID_TOLERANCE = 0.05
"""Share of a voxel by which a segment's pixel may miss a voxel's centre."""
HALF = 0.5
"""From this fraction on a voxel of a fractional segmentation belongs to the segment."""


def read_segmentation(path: Path, geometry: Geometry) -> dict[str, np.ndarray]:
    """Reads the segments of a SEG file, binary or fractional.

    Pixels must lie on the voxels of ``geometry``; rows and columns may be turned or swapped, and
    slices without a frame are empty. Nothing is resampled.

    Args:
        path: the file.
        geometry: the scan on which the regions were drawn.

    Returns:
        Segment label to (z, y, x) bool.

    Raises:
        DicomInputError: no SEG file, another type of segmentation, frames off the grid, or two
            segments of one label.
    """
    dataset = _dataset(path)
    labels = _labels(dataset, path)
    frames = _frames(dataset, path)
    found = {label: np.zeros(geometry.shape, bool) for label in labels.values()}
    to_index = np.linalg.inv(geometry.affine_lps())
    groups = _need(dataset, "PerFrameFunctionalGroupsSequence", path)
    if len(groups) != len(frames):
        why = f"{len(groups)} items for {len(frames)} frames"
        raise DicomInputError(path, "PerFrameFunctionalGroupsSequence", why)
    for frame, group in zip(frames, groups, strict=True):
        number = int(_item(group, dataset, "SegmentIdentificationSequence", path)
                     .ReferencedSegmentNumber)  # fmt: skip
        if number not in labels:
            raise DicomInputError(path, "ReferencedSegmentNumber", f"{number} is no segment")
        index = _voxels(to_index, _plane(group, dataset, path), frame.shape, geometry.shape, path)
        found[labels[number]][tuple(index[:, frame])] = True
    return found


def _dataset(path: Path) -> pydicom.Dataset:
    try:
        dataset = pydicom.dcmread(path)
    except (InvalidDicomError, OSError) as error:
        raise DicomInputError(path, "file", f"not DICOM ({type(error).__name__})") from None
    if dataset.get("SOPClassUID") != SEGMENTATION_STORAGE:
        raise DicomInputError(path, "SOPClassUID", "not a Segmentation object")
    return dataset


def _need(dataset: pydicom.Dataset, keyword: str, path: Path) -> Any:
    value = getattr(dataset, keyword, None)
    if value is None:
        raise DicomInputError(path, keyword, "missing")
    return value


def _item(
    group: pydicom.Dataset, dataset: pydicom.Dataset, keyword: str, path: Path
) -> pydicom.Dataset:
    """The one item of a functional group, of this frame or shared by all."""
    shared = getattr(dataset, "SharedFunctionalGroupsSequence", None) or [pydicom.Dataset()]
    for place in (group, shared[0]):
        sequence = getattr(place, keyword, None)
        if sequence:
            return sequence[0]
    raise DicomInputError(path, keyword, "missing for a frame, and not shared either")


def _labels(dataset: pydicom.Dataset, path: Path) -> dict[int, str]:
    """Segment number to its label."""
    segments = _need(dataset, "SegmentSequence", path)
    labels = {int(s.SegmentNumber): str(s.SegmentLabel) for s in segments}
    if len(set(labels.values())) < len(labels):
        raise DicomInputError(path, "SegmentLabel", "two segments have one label; rename one")
    return labels


def _frames(dataset: pydicom.Dataset, path: Path) -> np.ndarray:
    """(frames, rows, columns) bool."""
    kind = _need(dataset, "SegmentationType", path)
    if kind not in ("BINARY", "FRACTIONAL"):
        raise DicomInputError(path, "SegmentationType", f"{kind}; expected BINARY or FRACTIONAL")
    try:
        pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    except (AttributeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise DicomInputError(path, "PixelData", f"unreadable ({type(error).__name__})") from None
    largest = 1.0 if kind == "BINARY" else float(_need(dataset, "MaximumFractionalValue", path))
    return pixels >= HALF * largest


def _plane(group: pydicom.Dataset, dataset: pydicom.Dataset, path: Path) -> np.ndarray:
    """(4, 3) matrix from (row, column, 1) of a frame to LPS mm."""
    place = _item(group, dataset, "PlanePositionSequence", path)
    turn = _item(group, dataset, "PlaneOrientationSequence", path)
    measures = _item(group, dataset, "PixelMeasuresSequence", path)
    along_row, along_column = np.reshape(np.array(turn.ImageOrientationPatient, float), (2, 3))
    row_mm, column_mm = (float(v) for v in measures.PixelSpacing)
    plane = np.zeros((4, 3))
    plane[:3, 0], plane[:3, 1] = along_column * row_mm, along_row * column_mm
    plane[:, 2] = [*map(float, place.ImagePositionPatient), 1.0]
    return plane


def _voxels(
    to_index: np.ndarray,
    plane: np.ndarray,
    size: tuple[int, int],
    shape: tuple[int, int, int],
    path: Path,
) -> np.ndarray:
    """Voxel index (3, rows, columns) of every pixel of a frame; none may lie between voxels."""
    rows, columns = np.meshgrid(*map(np.arange, size), indexing="ij")
    exact = np.einsum("ij,jrc->irc", (to_index @ plane)[:3], [rows, columns, np.ones(size)])
    index = np.rint(exact).astype(int)
    off = np.abs(exact - index).max()
    if off > GRID_TOLERANCE:
        why = f"pixels miss the voxels of the scan by up to {off:.2g} voxels; draw on this scan"
        raise DicomInputError(path, "ImagePositionPatient", why)
    limits = np.reshape(shape, (3, 1, 1))
    if (index < 0).any() or (index >= limits).any():
        why = f"a frame of {size} pixels reaches outside the scan's {shape} voxels"
        raise DicomInputError(path, "ImagePositionPatient", why)
    return index
