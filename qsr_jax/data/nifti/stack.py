"""NIfTI files as stacks of slices: where they lie, turned the way stacks are looked at."""

from pathlib import Path

import numpy as np

from qsr_jax.data.dicom.orientation import canonical_signs, turned
from qsr_jax.data.nifti.files import read_placed
from qsr_jax.types import Geometry, triple

ORTHONORMAL_TOLERANCE = 1e-4
SQUARE_TOLERANCE = 1e-4


def read_stack(path: Path) -> tuple[np.ndarray, Geometry]:
    """A volume (z, y, x) float64 in canonical orientation, and where its voxels lie.

    Raises:
        ValueError: the file or its geometry cannot be trusted.
        OSError: it cannot be read.
    """
    values, affine = read_placed(path)
    geometry, upside_down = stack_geometry(path, values.shape, affine)
    values = values[::-1] if upside_down else values
    values, geometry, _ = turned(values, geometry, canonical_signs(geometry))
    return np.ascontiguousarray(values), geometry


def stack_geometry(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> tuple[Geometry, bool]:
    """Where the voxels (z, y, x) lie, and whether the slices must be reversed for that.

    Args:
        path: opens the error messages.
        shape: (z, y, x).
        affine: (4, 4) from index (z, y, x, 1) to LPS mm.

    Raises:
        ValueError: no extent, sheared, oblong pixels, or one slice.
    """
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    if not steps.min() > 0:
        raise ValueError(f"{path}: affine: voxels without extent")
    dz, dy, dx = (affine[:3, :3] / steps).T
    if np.abs(np.stack([dz, dy, dx]) @ np.stack([dz, dy, dx]).T - np.eye(3)).max() > (
        ORTHONORMAL_TOLERANCE
    ):
        raise ValueError(f"{path}: affine: axes are not orthogonal; the stack is sheared")
    if abs(steps[1] / steps[2] - 1) > SQUARE_TOLERANCE:
        why = f"{steps[1]:g} x {steps[2]:g} mm; expected square pixels along the first two axes"
        raise ValueError(f"{path}: affine: {why}")
    if shape[0] < 2:
        raise ValueError(f"{path}: one slice alone; a stack has at least 2")
    column = dy - (dy @ dx) * dx
    column /= np.linalg.norm(column)
    upside_down = bool(np.cross(dx, column) @ dz < 0)
    first = affine @ [shape[0] - 1 if upside_down else 0, 0, 0, 1]
    slices, rows, columns = shape
    geometry = Geometry(
        origin_mm=triple(first[:3]),
        row_dir=triple(dx),
        col_dir=triple(column),
        spacing_mm=triple(steps),
        shape=(slices, rows, columns),
    )
    return geometry, upside_down
