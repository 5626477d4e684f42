"""An image on another scan's grid."""

import itertools

import numpy as np
from scipy import ndimage

from qsr_jax.types import Geometry

SAME_GRID = 1e-4
"""Voxels; grids that differ by less are one."""


def on_grid(
    image: np.ndarray, geometry: Geometry, grid: Geometry, matrix: np.ndarray
) -> np.ndarray:
    """An image read at the voxels of another grid, (z, y, x) float32.

    Cubic splines; where voxels of the grid are larger, the mean over so many places in each.

    Args:
        image: (z, y, x), not negative.
        geometry: where its voxels lie.
        grid: where they are wanted.
        matrix: (4, 4) from points of the grid's scan to points of the image's scan, LPS mm.

    Returns:
        Between 0 and the image's largest value; 0 where it was not scanned.
    """
    index = np.linalg.inv(geometry.affine_lps()) @ matrix @ grid.affine_lps()
    values = np.asarray(image, np.float32)
    if grid.shape == values.shape and np.abs(index - np.eye(4)).max() < SAME_GRID:
        return values
    # How many of the image's voxels one step along each axis of the grid crosses
    steps = np.abs(index[:3, :3]).max(axis=0)
    counts = [max(1, int(np.ceil(step - 0.25))) for step in steps]
    smooth = ndimage.spline_filter(values, order=3, output=np.float32, mode="mirror")
    total = np.zeros(grid.shape, np.float32)
    for place in itertools.product(*((np.arange(n) + 0.5) / n - 0.5 for n in counts)):
        first = index[:3, 3] + index[:3, :3] @ np.array(place)
        total += ndimage.affine_transform(
            smooth, index[:3, :3], first, grid.shape, order=3, mode="mirror", prefilter=False
        )
    found = np.clip(total / np.prod(counts), 0.0, values.max())
    return np.where(_scanned(index, grid.shape, values.shape), found, 0.0).astype(np.float32)


def _scanned(index: np.ndarray, shape: tuple[int, int, int], wanted: tuple[int, ...]) -> np.ndarray:
    """Which voxels of a grid (z, y, x) have their middle in a voxel of the image."""
    inside = np.ones(shape, bool)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for row, size in zip(index[:3], wanted, strict=True):
        place = row[0] * z + row[1] * y + row[2] * x + row[3]
        inside &= (place >= -0.5) & (place <= size - 0.5)
    return inside
