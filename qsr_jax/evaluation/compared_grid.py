"""Whether two volumes lie on one grid, however their files store its axes."""

import dataclasses
from pathlib import Path

import numpy as np

from qsr_jax.evaluation.compared_image import Image, read_values

GRID_TOLERANCE_MM = 1e-3


def stored_like(like: Image, image: Image) -> Image:
    """``image`` with its axes in the order and direction of another on the same grid.

    Args:
        like: whose axes are taken.
        image: what may be stored otherwise: axes swapped or reversed.

    Raises:
        ValueError: with the numbers, unless both lie on one grid to 1e-3 mm; nothing is resampled.
    """
    order, signs = _axes(like, image)
    values, affine = image.values.transpose(order), image.affine[:, [*order, 3]]
    for axis, sign in enumerate(signs):
        if sign < 0:
            values = np.flip(values, axis)
            affine = affine @ _reversed(axis, values.shape[axis])
    turned = dataclasses.replace(image, values=np.ascontiguousarray(values), affine=affine)
    _check(turned, like)
    return turned


def _axes(like: Image, image: Image) -> tuple[list[int], list[int]]:
    """Which axis of ``image`` runs along each axis of ``like``, and in which direction."""
    turn = np.linalg.pinv(like.affine[:3, :3]) @ image.affine[:3, :3]
    order = np.abs(turn).argmax(1).tolist()
    if sorted(order) != [0, 1, 2]:
        return [0, 1, 2], [1, 1, 1]  # oblique to each other; the check says how far apart
    return order, [1 if turn[i, axis] >= 0.0 else -1 for i, axis in enumerate(order)]


def _reversed(axis: int, size: int) -> np.ndarray:
    """The matrix from indices of a reversed axis to indices as stored."""
    matrix = np.eye(4)
    matrix[axis, axis], matrix[axis, 3] = -1.0, size - 1
    return matrix


def _check(image: Image, other: Image) -> None:
    """Raises ValueError, with the numbers, unless both lie on one grid."""
    if image.values.shape != other.values.shape:
        raise ValueError(
            f"{image.path} has {_size(image)} voxels (z, y, x), {other.path} has {_size(other)}; "
            "resample one of them on purpose, nothing is resampled here"
        )
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.values.shape], (1,))).reshape(4, -1)
    apart = np.linalg.norm((image.affine - other.affine) @ corners, axis=0)
    if apart.max() > GRID_TOLERANCE_MM:
        raise ValueError(
            f"{image.path} and {other.path} lie up to {apart.max():.3g} mm apart (first voxels "
            f"{_first(image)} and {_first(other)} mm LPS, voxels of {_spacing(image)} and "
            f"{_spacing(other)} mm); resample one of them on purpose, nothing is resampled here"
        )


def read_mask(path: Path | None, image: Image) -> np.ndarray:
    """The mask (z, y, x) bool; all of the frame without a file.

    Raises:
        ValueError: not readable, on another grid, with values that are not finite, or empty.
    """
    if path is None:
        return np.ones(image.values.shape, bool)
    mask = stored_like(image, read_values(path))
    if not np.isfinite(mask.values).all():
        raise ValueError(
            f"{path}: the mask has values that are not finite (NaN); write 0 where voxels do not "
            "count"
        )
    inside = mask.values != 0
    if not inside.any():
        raise ValueError(f"{path}: the mask is empty")
    return inside


def _size(image: Image) -> str:
    return " x ".join(str(n) for n in image.values.shape)


def _first(image: Image) -> str:
    return "({})".format(", ".join(f"{v:.4g}" for v in image.affine[:3, 3]))


def _spacing(image: Image) -> str:
    return " x ".join(f"{v:.4g}" for v in np.linalg.norm(image.affine[:3, :3], axis=0))
