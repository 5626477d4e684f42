"""Mean values of labelled places: tissues, brain regions, lesions."""

from collections.abc import Mapping

import numpy as np

from qsr_jax.types import Geometry, Volume

GRID_TOLERANCE_MM = 1e-3
"""What float32 text in a file header may move a voxel by."""


def same_grid(a: Geometry, b: Geometry) -> bool:
    """Whether the voxels of two geometries lie on each other, to 1e-3 mm."""
    first = np.allclose(a.affine_lps(), b.affine_lps(), rtol=0.0, atol=GRID_TOLERANCE_MM)
    return a.shape == b.shape and first


def label_means(
    maps: np.ndarray, labels: np.ndarray, names: Mapping[int, str]
) -> dict[str, tuple[int, np.ndarray]]:
    """Number of voxels and mean value (c,) of every label that is there.

    Args:
        maps: (z, y, x, c) physical units.
        labels: (z, y, x) whole numbers; 0 and codes not in ``names`` are left out.
        names: code to name; codes of one name, left and right say, are averaged over all voxels.
    """
    inside = np.isin(labels, list(names))
    codes, places = labels[inside], list(dict.fromkeys(names.values()))
    place_of = np.zeros(max(names) + 1, np.intp)
    for code, name in names.items():
        place_of[code] = places.index(name)
    index = place_of[codes]
    counts = np.bincount(index, minlength=len(places))
    sums = np.stack([np.bincount(index, m, len(places)) for m in maps[inside].T], axis=-1)
    return {
        name: (int(count), total / count)
        for name, count, total in zip(places, counts, sums, strict=True)
        if count
    }


def nearest_on(volume: Volume, target: Geometry) -> np.ndarray:
    """What the volume says, unsmoothed, at the voxel centres of a finer grid.

    Every target voxel reads the voxel whose centre is nearest in patient coordinates; between two
    equally near ones, the mean of both. Label means of the result are therefore means of measured
    values weighted by how much of each voxel the label covers.

    Returns:
        (z, y, x, c) on ``target``.

    Raises:
        ValueError: the grids are turned against each other or do not cover the same slices.
    """
    step = np.linalg.solve(volume.geometry.affine_lps(), target.affine_lps())
    scales, starts = np.diag(step)[:3], step[:3, 3]
    if not np.allclose(step[:3, :3], np.diag(scales), atol=1e-4):
        raise ValueError("the two grids are turned against each other; labels cannot be carried")
    if target.shape[0] != volume.geometry.shape[0] or abs(starts[0]) + abs(scales[0] - 1) > 1e-3:
        raise ValueError("the two grids do not have the same slices; labels cannot be carried")
    maps = volume.maps
    for axis in (1, 2):
        position = starts[axis] + scales[axis] * np.arange(target.shape[axis])
        last = maps.shape[axis] - 1
        # 1e-4: rounding in the header must not break a tie.
        low, high = np.ceil(position - 0.5 - 1e-4), np.floor(position + 0.5 + 1e-4)
        low, high = (np.clip(side, 0, last).astype(int) for side in (low, high))
        maps = 0.5 * (maps.take(low, axis) + maps.take(high, axis))
    return maps
