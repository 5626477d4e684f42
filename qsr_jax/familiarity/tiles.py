"""Places that look like nothing a model learned from: tiles of the maps, and those of training.

A tile is 8 x 8 pixels of the fast scan. It is described by the mean logarithm of every map, the
same of its surroundings, and its texture. The tiles of all training subjects are kept as the cells
of a grid that they occupy, and a tile of a new scan is as unfamiliar as it is far from the nearest
of them: a memory bank with nearest neighbours (PatchCore, Roth 2022, arXiv:2106.08265), on values
that have units in place of features of a network.
"""

import dataclasses

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from qsr_jax.familiarity.head import BLOCK, blocks
from qsr_jax.maps import spec_of

SIDE = 8
"""Pixels; 7 mm of the paper's fast grid."""
TEXTURE_WIDTH = 0.4
"""Width of a cell in ln of the standard deviation inside a tile."""
LEAST_TEXTURE = 0.02
"""Standard deviation of ln values that is added, so that smooth and smoother are alike."""
RIM = 2
"""Tiles at the head's edge that are left out: scalp and skull are no place for what is looked for,
and differ more between people than all of the brain."""
MOST_CELLS = 16384
"""7 bytes each for three maps."""
FINEST, COARSER = 0.5, 1.15
"""Where the width of cells begins, and by which it grows until there are few enough."""
FARTHEST = 127
"""Cells from 0: a byte holds it, and no value of a map in its range lies beyond."""
ROUND = 3
"""Tiles on a side whose mean is a tile's surroundings."""
TOGETHER = 2
"""Tiles on a side that must all be unlike training: a single odd tile is chance."""


def tiles_of(
    logs: np.ndarray, mask: np.ndarray, names: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Tiles well inside the head, in cell widths.

    Args:
        logs: (z, y, x, c) ln of the maps.
        mask: head on blocks of 2 x 2 pixels.
        names: c keys of maps.

    Returns:
        (n, 2 c + 1) means, means of 3 x 3 tiles and texture; (n, 3) their slice, row and column.
    """
    whole = np.asarray(blocks(mask, SIDE // BLOCK).all((2, 4)))
    inside = np.stack([ndimage.binary_erosion(one, iterations=RIM) for one in whole])
    weight = ndimage.uniform_filter(whole.astype(np.float32), (1, ROUND, ROUND), mode="constant")
    own, around, texture = [], [], np.zeros(inside.shape, np.float32)
    for channel, name in enumerate(names):
        parts = blocks(logs[..., channel], SIDE)
        mean = np.where(whole, parts.mean((2, 4)), 0.0)
        near = ndimage.uniform_filter(mean, (1, ROUND, ROUND), mode="constant")
        own.append(mean / spec_of(name).subjects_differ_by)
        around.append(near / np.maximum(weight, 1e-3) / spec_of(name).subjects_differ_by)
        texture += np.log(parts.std((2, 4)) + LEAST_TEXTURE) / TEXTURE_WIDTH / len(names)
    found = np.stack([*own, *around, texture], -1)[inside]
    return found.astype(np.float32), np.argwhere(inside)


@dataclasses.dataclass(frozen=True)
class Tally:
    """Cells that the tiles of several subjects occupy.

    Attributes:
        width: of a cell, in the widths of :func:`tiles_of`.
        cells: (m, k) int8, a tile divided by ``width`` and rounded.
        owners: (m,) how many subjects have a tile there.
    """

    width: float
    cells: np.ndarray
    owners: np.ndarray

    def tree(self) -> cKDTree:
        """Middles of the cells."""
        return tree_of(self.cells, self.width)

    def without(self, tiles: np.ndarray) -> "Tally":
        """The cells that somebody else than the subject of these tiles has, too."""
        mine = {row.tobytes() for row in _cells(tiles, self.width)}
        own = np.array([row.tobytes() in mine for row in self.cells])
        kept = self.owners > own
        return Tally(self.width, self.cells[kept], (self.owners - own)[kept])


def tree_of(cells: np.ndarray, width: float) -> cKDTree:
    """The middles of cells, in the widths of :func:`tiles_of`, ready to be asked."""
    return cKDTree(cells * np.float32(width))


def tally(subjects: list[np.ndarray], *, most: int = MOST_CELLS) -> Tally:
    """The cells of all subjects, as narrow as leaves no more than ``most`` of them."""
    width = FINEST
    while True:
        rows = np.concatenate([_cells(tiles, width) for tiles in subjects])
        cells, owners = np.unique(rows, axis=0, return_counts=True)
        if len(cells) <= most:
            return Tally(width, cells, owners)
        width *= COARSER


def _cells(tiles: np.ndarray, width: float) -> np.ndarray:
    cells = np.clip(np.round(tiles / width), -FARTHEST, FARTHEST)
    return np.unique(cells.astype(np.int8), axis=0)


def distances(tiles: np.ndarray, where: np.ndarray, tree: cKDTree, shape: tuple) -> np.ndarray:
    """How far every tile of a scan is from the nearest known one, (z, rows, columns).

    Each is the least of 2 x 2 tiles, itself the last; 0 outside the head.

    Args:
        tiles: from :func:`tiles_of`.
        where: likewise.
        tree: of the known ones.
        shape: of the scan, (z, y, x) pixels.
    """
    image = np.zeros((shape[0], shape[1] // SIDE, shape[2] // SIDE), np.float32)
    if len(tiles) and tree.n:
        image[tuple(where.T)] = tree.query(tiles)[0]
    return ndimage.minimum_filter(image, (1, TOGETHER, TOGETHER), mode="constant")
