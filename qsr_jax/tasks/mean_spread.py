"""How sure the mean over a place is, from the standard deviations of its voxels.

The law is that of :class:`qsr_jax.mean_law.MeanLaw`; its numbers are fitted on validation
subjects. Places there are tiles of many sizes, and whole slices, of one tissue each, told by the T1
of what should have been made: a region is chosen by what is there and not by what a network says.
For every size 95 % of the places' mean errors lie within a multiple of what the voxels say, and
that multiple is what the law follows: heavy tails and a bias that a tissue has in common count.

Assumed: a place of several slices errs as if it lay in one, which is careful where slices err
apart; and a tile errs as a region of another shape with as many voxels does.
"""

import numpy as np

from qsr_jax.maps import spec_of
from qsr_jax.mean_law import MeanLaw
from qsr_jax.tasks.spread import LOG_RATIOS, covering_factor, ratio_bins

SIDES = (2, 4, 8, 16, 32, 64, 0)
"""Of tiles, fine pixels; 0: the whole slice."""

LEAST_PLACES = 200
"""Of one size; with fewer it does not count. The 95 % point of 200 is known to 1.5 % of them."""

SIZES = 10
"""Classes of size: voxels of a place by powers of 4."""

SHARED = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 121)])
PATCHES = np.geomspace(1.0, 1e4, 121)
POWERS = np.linspace(0.3, 1.0, 8)
"""What is tried for the numbers of the law: 8 % apart, the power by tenths."""


class MeanTally:
    """Gathers errors and standard deviations of the means over many places, slices at a time."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Begins with nothing."""
        self.names = names
        shape = (len(names), SIZES, len(LOG_RATIOS) - 1)
        self._counts = np.zeros(shape, np.int64)
        self._log_size = np.zeros(SIZES)

    def add(
        self, mean: np.ndarray, std: np.ndarray, wanted: np.ndarray, inside: np.ndarray
    ) -> None:
        """Takes slices.

        Args:
            mean: (n, h, w, c) what was said, physical units.
            std: how surely, calibrated.
            wanted: what it should have been.
            inside: (n, h, w) bool, where it counts.
        """
        for slice_ in range(len(mean)):
            rows, columns = np.nonzero(inside[slice_])
            if not len(rows):
                continue
            at = (slice_, rows, columns)
            off, variance = wanted[at] - mean[at], np.square(std[at], dtype=np.float64)
            tissue = _tissue(wanted[at], self.names)
            for side in SIDES:
                tile = (rows // side) * 4096 + columns // side if side else np.zeros_like(rows)
                self._places(3 * tile + tissue, off, variance)

    def _places(self, place: np.ndarray, error: np.ndarray, variance: np.ndarray) -> None:
        """Adds the means over places, given as a number for every voxel."""
        _, place = np.unique(place, return_inverse=True)
        count = np.bincount(place)
        size = np.minimum(np.round(np.log(count) / np.log(4.0)).astype(int), SIZES - 1)
        self._log_size += np.bincount(size, np.log(count), SIZES)
        for i in range(len(self.names)):
            off = np.abs(np.bincount(place, error[:, i]) / count)
            said = np.sqrt(np.bincount(place, variance[:, i]) / count)
            flat = size * (len(LOG_RATIOS) - 1) + ratio_bins(off, said)
            shape = self._counts[i].shape
            self._counts[i] += np.bincount(flat, minlength=np.prod(shape)).reshape(shape)

    def laws(self) -> dict[str, MeanLaw]:
        """The law of every map; that of errors common to the whole place where few were seen."""
        return {name: self._law(counts) for name, counts in zip(self.names, self._counts,
                                                                strict=True)}  # fmt: skip

    def _law(self, counts: np.ndarray) -> MeanLaw:
        known = [k for k in range(1, SIZES) if counts[k].sum() >= LEAST_PLACES]
        if not known:
            return MeanLaw(1.0, 1.0)
        found = np.array([covering_factor(counts[k]) ** 2 for k in known])
        size = np.exp(self._log_size[known] / counts[known].sum(1))
        shared, patch, power = np.ix_(SHARED, PATCHES, POWERS)
        off = np.zeros((len(SHARED), len(PATCHES), len(POWERS)))
        for n, wanted in zip(size, found, strict=True):
            law = shared + (1.0 - shared) * (patch / (patch + n - 1.0)) ** power
            off += np.square(np.log(law) - np.log(wanted))
        i, j, k = np.unravel_index(off.argmin(), off.shape)
        return MeanLaw(
            round(float(SHARED[i]), 5), round(float(PATCHES[j]), 2), round(float(POWERS[k]), 1)
        )


def _tissue(wanted: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """White matter, grey matter or fluid, (n,) of 0, 1, 2, by T1; all alike without T1."""
    if "t1" not in names:
        return np.zeros(len(wanted), int)
    spec = spec_of("t1")
    assert spec.solid_max is not None
    edges = [sum(spec.tissue_levels) / 2.0, spec.solid_max]
    return np.searchsorted(edges, wanted[:, names.index("t1")], side="right")
