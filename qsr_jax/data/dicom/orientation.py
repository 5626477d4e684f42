"""One way round for every stack: the orientation in which people look at pictures.

A canonical stack has image columns that grow towards the patient's left (or, in sagittal stacks,
back) and rows that grow towards the back (or, in sagittal and coronal stacks, the feet): the
display convention of radiology. For axial stacks the slices then run from the feet to the head.
Only flips are used, never interpolation or transposition, so values stay exact.
"""

import dataclasses

import numpy as np

from qsr_jax.types import Geometry, triple

_DISPLAY_SIGN = np.array([1.0, 1.0, -1.0])  # towards left, back, feet in LPS


def canonical_signs(geometry: Geometry) -> tuple[bool, bool]:
    """Whether (row_dir, col_dir) must be turned round to be canonical."""
    return _points_away(geometry.row_dir), _points_away(geometry.col_dir)


def signs_towards(
    geometry: Geometry, row_dir: np.ndarray, col_dir: np.ndarray
) -> tuple[bool, bool]:
    """Whether (row_dir, col_dir) must be turned round to point as the given directions do."""
    return bool(np.dot(geometry.row_dir, row_dir) < 0), bool(np.dot(geometry.col_dir, col_dir) < 0)


def turned(
    values: np.ndarray, geometry: Geometry, flips: tuple[bool, bool]
) -> tuple[np.ndarray, Geometry, bool]:
    """Flips the columns and rows of a stack, and its slices where that keeps it right-handed.

    Args:
        values: (z, y, x, ...) voxels of ``geometry``.
        geometry: where they lie.
        flips: whether to turn (row_dir, col_dir) round.

    Returns:
        Values and geometry of the same voxels at the same places, and whether slices were reversed.
    """
    flip_x, flip_y = flips
    flip_z = flip_x != flip_y
    for axis, flip in enumerate((flip_z, flip_y, flip_x)):
        values = np.flip(values, axis) if flip else values
    corner = [
        n - 1 if f else 0 for n, f in zip(geometry.shape, (flip_z, flip_y, flip_x), strict=True)
    ]
    origin = (geometry.affine_lps() @ [*corner, 1.0])[:3]
    return (
        values,
        dataclasses.replace(
            geometry,
            origin_mm=triple(origin),
            row_dir=_turn(geometry.row_dir, flip_x),
            col_dir=_turn(geometry.col_dir, flip_y),
        ),
        flip_z,
    )


def _points_away(direction: tuple[float, float, float]) -> bool:
    """Whether the largest component of a direction has the wrong sign for display."""
    largest = int(np.argmax(np.abs(direction)))
    return direction[largest] * _DISPLAY_SIGN[largest] < 0


def _turn(direction: tuple[float, float, float], flip: bool) -> tuple[float, float, float]:
    """The direction, or its opposite."""
    x, y, z = direction
    return (0.0 - x, 0.0 - y, 0.0 - z) if flip else direction
