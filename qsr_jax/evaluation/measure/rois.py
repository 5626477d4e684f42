"""Lesions drawn by readers: regions of interest from NIfTI label maps or DICOM-SEG files."""

from pathlib import Path

import numpy as np

from qsr_jax.data.dicom.segmentation import read_segmentation
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.types import Geometry

GRID_TOLERANCE_MM = 1e-3


class RoiError(ValueError):
    """Regions of interest that cannot be used."""


def read_rois(path: Path, geometry: Geometry) -> tuple[np.ndarray, dict[int, str]]:
    """Reads regions of interest on the grid of a scan.

    Args:
        path: NIfTI (.nii, .nii.gz) of whole numbers, 0 outside; anything else is read as DICOM-SEG.
        geometry: of the scan on which they were drawn.

    Returns:
        (z, y, x) uint8 labels, and label to name: the number itself in NIfTI, the segment label in
        DICOM-SEG. A voxel of two segments belongs to the later one.

    Raises:
        RoiError: another grid, broken numbers, more than 255 regions, or no region at all.
        DicomInputError: see :func:`qsr_jax.data.dicom.segmentation.read_segmentation`.
    """
    if path.name.endswith((".nii", ".nii.gz")):
        labels, names = _from_nifti(path, geometry)
    else:
        segments = read_segmentation(path, geometry)
        labels, names = np.zeros(geometry.shape, np.uint8), dict(enumerate(segments, start=1))
        for code, name in names.items():
            labels[segments[name]] = code
    if not labels.any():
        raise RoiError(f"{path}: holds no region; every voxel is 0")
    return labels, names


def _from_nifti(path: Path, geometry: Geometry) -> tuple[np.ndarray, dict[int, str]]:
    array, affine = read_nifti(path)
    expected = geometry.affine_lps()
    if array.shape != geometry.shape or not np.allclose(affine, expected, atol=GRID_TOLERANCE_MM):
        raise RoiError(
            f"{path}: {array.shape} voxels with the first at {affine[:3, 3].round(3).tolist()} mm "
            f"LPS, the scan has {geometry.shape} and {expected[:3, 3].round(3).tolist()}; regions "
            "must be drawn on the scan"
        )
    if (array != np.rint(array)).any() or array.min() < 0 or array.max() > 255:
        raise RoiError(f"{path}: labels must be whole numbers from 0 to 255")
    labels = array.astype(np.uint8)
    return labels, {int(code): str(code) for code in np.unique(labels[labels > 0])}
