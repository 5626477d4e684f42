"""NIfTI files of (z, y, x) arrays; the only room that knows nibabel.

NIfTI counts voxels (x, y, z) and points to RAS; the house counts (z, y, x) and points to LPS. Both
turns happen here and nowhere else.
"""

from pathlib import Path

import nibabel
import numpy as np

from qsr_jax.types import Geometry

_FLIP_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSE_AXES = [2, 1, 0, 3]
_DTYPES = (np.float32, np.uint8)


def write_nifti(array: np.ndarray, geometry: Geometry, path: Path) -> None:
    """Writes ``array`` (z, y, x), float32 or uint8, unscaled, with ``geometry`` as qform and sform.

    Raises:
        ValueError: the array has another type or shape than expected.
    """
    if array.dtype not in _DTYPES:
        raise ValueError(f"{path}: array is {array.dtype}, expected float32 or uint8")
    if array.shape != geometry.shape:
        raise ValueError(f"{path}: array has shape {array.shape}, geometry {geometry.shape}")
    affine = _FLIP_LPS_RAS @ geometry.affine_lps()[:, _REVERSE_AXES]
    image = nibabel.Nifti1Image(array.transpose(2, 1, 0), affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads a 3-D NIfTI file: array (z, y, x) and the (4, 4) matrix from its index to LPS mm.

    Raises:
        ValueError: not a NIfTI file, or not of three axes.
    """
    try:
        image = nibabel.load(path)
        array = np.asarray(image.dataobj)
    except (nibabel.filebasedimages.ImageFileError, EOFError) as error:
        raise ValueError(f"{path}: not a readable NIfTI file ({type(error).__name__})") from error
    if array.ndim != 3:
        raise ValueError(f"{path}: {array.ndim} axes, expected 3 (x, y, z)")
    affine = _FLIP_LPS_RAS @ image.affine
    return array.transpose(2, 1, 0), affine[:, _REVERSE_AXES]
