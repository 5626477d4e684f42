"""NIfTI files of (z, y, x) arrays, and MINC label maps; the only room that knows nibabel.

NIfTI counts voxels (x, y, z) and points to RAS; the house counts (z, y, x) and points to LPS. Both
turns happen here and nowhere else.
"""

import lzma
import math
from pathlib import Path

import nibabel
import numpy as np

from qsr_jax.types import Geometry

_FLIP_LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_REVERSE_AXES = [2, 1, 0, 3]
_DTYPES = (np.float32, np.uint8)
MAX_VOXELS = 2**28
MINC = (".mnc", ".mnc.gz")
SAME_PLACE_MM = 1e-3


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


def _loaded(path: Path) -> nibabel.Nifti1Pair:
    """The file's header; its voxels are not read yet."""
    try:
        image = nibabel.load(path)
    except (nibabel.filebasedimages.ImageFileError, EOFError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(image, nibabel.Nifti1Pair):
        raise ValueError(f"{path}: {type(image).__name__}, expected NIfTI")
    return image


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: not a readable NIfTI file ({type(error).__name__})")


def _three_axes(path: Path, array: np.ndarray) -> np.ndarray:
    """The array without a fourth and further axes of one; refuses every other number of axes."""
    if array.ndim > 3 and set(array.shape[3:]) == {1}:
        array = array.reshape(array.shape[:3])
    if array.ndim != 3:
        raise ValueError(f"{path}: {array.ndim} axes, expected 3 (x, y, z)")
    return array


def read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads a 3-D NIfTI file: array (z, y, x) and the (4, 4) matrix from its index to LPS mm.

    Raises:
        ValueError: not a NIfTI file, or not of three axes.
    """
    image = _loaded(path)
    try:
        array = _three_axes(path, np.asarray(image.dataobj))
    except EOFError as error:
        raise _unreadable(path, error) from error
    affine = _FLIP_LPS_RAS @ image.affine
    return array.transpose(2, 1, 0), affine[:, _REVERSE_AXES]


def read_grid(path: Path) -> tuple[tuple[int, ...], np.ndarray]:
    """Shape (z, y, x) of a 3-D NIfTI file and the matrix of :func:`read_nifti`; no voxel is read.

    Raises:
        ValueError: not a NIfTI file, or not of three axes.
    """
    image = _loaded(path)
    if len(image.shape) != 3:
        raise ValueError(f"{path}: {len(image.shape)} axes, expected 3 (x, y, z)")
    return image.shape[::-1], (_FLIP_LPS_RAS @ image.affine)[:, _REVERSE_AXES]


def read_placed(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Reads a 3-D NIfTI file whose header says beyond doubt where its voxels lie.

    Returns:
        Array (z, y, x) float64, scaled as the header says, and the matrix of :func:`read_nifti`.

    Raises:
        ValueError: not such a file, too large, no orientation, two that disagree, or not in mm.
    """
    image = _loaded(path)
    if not isinstance(image, nibabel.Nifti1Image):
        raise ValueError(f"{path}: {type(image).__name__}, expected NIfTI")
    if math.prod(image.shape) > MAX_VOXELS:
        raise ValueError(f"{path}: {image.shape} voxels, more than {MAX_VOXELS}")
    unit = image.header.get_xyzt_units()[0]
    if unit not in ("mm", "unknown"):
        raise ValueError(f"{path}: xyzt_units: {unit}, expected mm")
    placed = [m for m, code in (image.get_sform(True), image.get_qform(True)) if code > 0]
    if not placed:
        raise ValueError(f"{path}: sform_code and qform_code are 0: nothing says where it lies")
    if len(placed) == 2 and not np.allclose(placed[0], placed[1], atol=SAME_PLACE_MM):
        raise ValueError(f"{path}: sform and qform differ; expected one place for each voxel")
    array, affine = read_nifti(path)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{path}: values are {array.dtype}, expected real numbers")
    return array.astype(np.float64), affine


def read_any(path: Path, *, content: bytes | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Reads a volume in the file's own axes, to be sampled wherever it lies.

    Args:
        path: the file, named in errors.
        content: its bytes, if they were unpacked already.

    Returns:
        Array (i, j, k) as the header scales it, and the (4, 4) matrix from its index to RAS mm.

    Raises:
        ValueError: not a NIfTI file, not of three axes, or nothing says where it lies.
    """
    try:
        image = nibabel.load(path) if content is None else nibabel.Nifti1Image.from_bytes(content)
        array = np.asarray(image.dataobj) if isinstance(image, nibabel.Nifti1Pair) else None
    except FileNotFoundError:
        raise
    except (nibabel.filebasedimages.ImageFileError, nibabel.wrapstruct.WrapStructError, EOFError,
            OSError, ValueError) as error:  # fmt: skip
        raise _unreadable(path, error) from error
    if array is None or not isinstance(image, nibabel.Nifti1Pair):
        raise ValueError(f"{path}: {type(image).__name__}, expected NIfTI")
    array = _three_axes(path, array)
    if image.header["sform_code"] <= 0 and image.header["qform_code"] <= 0:
        raise ValueError(f"{path}: sform_code and qform_code are 0: nothing says where it lies")
    return array, image.affine


def _read_minc(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A MINC volume in the file's own axes, and the (4, 4) matrix from its index to RAS mm."""
    try:
        image = nibabel.load(path)
        assert isinstance(image, nibabel.spatialimages.SpatialImage)  # MINC holds nothing else
        array = np.asarray(image.dataobj)
    except nibabel.tripwire.TripWireError:
        raise ValueError(
            f"{path}: MINC 2 files need h5py (pip install h5py); or convert it: mnc2nii IN OUT.nii"
        ) from None
    except (nibabel.filebasedimages.ImageFileError, EOFError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a readable MINC file ({type(error).__name__})") from error
    if not isinstance(image, nibabel.Minc1Image) or array.ndim != 3:  # MINC 2's class is derived
        raise ValueError(f"{path}: {type(image).__name__} of {array.ndim} axes, expected MINC of 3")
    return array, image.affine


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A volume (i, j, k) and the (4, 4) matrix from its index to RAS mm: NIfTI, .nii.xz, MINC.

    Raises:
        ValueError: not such a file, or not of three axes.
        OSError: it cannot be read.
    """
    if path.name.endswith(MINC):
        return _read_minc(path)
    if path.name.endswith(".xz"):
        try:
            content = lzma.decompress(path.read_bytes())
        except lzma.LZMAError as error:
            raise ValueError(f"{path}: not a readable .xz file ({error})") from None
        return read_any(path, content=content)
    return read_any(path)
