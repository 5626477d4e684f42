"""Whether images show what their headers say: where they lie, whose they are, which way round.

Headers cannot show everything. Images may lie beside their header, one map may come from another
subject or be mirrored. So the structure of the maps is compared on the fast grid: fast with routine
of each map, and the maps of one scan with each other, which a scanner fits voxel by voxel to the
same images.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from qsr_jax.maps import MAPS
from qsr_jax.types import CORNER

SOFT_EDGE_PX = 2.0
"""Standard deviation of the edge of the weight, in coarse pixels."""
MOST_SLICES = 8
"""Slices that are compared, evenly spread over those with tissue, and their mirror images."""
UPSAMPLING = 100
"""Shifts are found to a hundredth of a coarse pixel."""
LONG_STEP_PX = 0.5
"""A longer shift is found in two steps: the weights stay where they are and hold it back."""
LEAST_TISSUE = 0.05
"""Slices with a smaller fraction of tissue say nothing."""
SHIFT_DETAIL_PX = (0.0, 4.0)
LIKENESS_DETAIL_PX = (1.0, 4.0)
"""Standard deviations between which structure is kept. Coarser is what every head shares, finer is
noise; a shift does not mind noise."""
KEPT_PERCENTILES = (2.0, 98.0)
"""Values beyond are clipped: a few pixels of water or of failed fits must not decide."""
RIM_PX = 3
"""Of the tissue, not compared: an outline is alike in all heads, and one that has moved would be
held where the mask ends."""
FLIPS = {
    "mirrored left to right": (2,),
    "mirrored front to back": (1,),
    "turned by half a turn": (1, 2),
    "in reversed order of slices": (0,),
}
"""How a map may lie wrongly, and the axes (z, y, x) that put it right."""


@dataclasses.dataclass(frozen=True)
class Content:
    """What the structure of one subject's maps says; each a mapping from the map.

    Attributes:
        shifts: (slices, 2), how far the fast image lies from the routine image along (rows,
            columns), fast pixels.
        likeness: correlation of fast with routine structure, the shift undone; median over slices.
        kinship: correlation of its structure with T1's (T1's own: with T2's) in the same scan; the
            smaller one of the two scans.
        flips: key of :data:`FLIPS` to likeness if the routine map were so; no shift undone, for a
            flipped scan has none that could be found.
    """

    shifts: Mapping[str, np.ndarray]
    likeness: Mapping[str, float]
    kinship: Mapping[str, float]
    flips: Mapping[str, Mapping[str, float]]

    def shift_of(self, name: str) -> np.ndarray:
        """Median (rows, columns) of one map, fast pixels."""
        return np.median(self.shifts[name], axis=0)

    @property
    def common_shift(self) -> np.ndarray:
        """Median (rows, columns) of all maps: how far the head moved between the scans."""
        return np.median([self.shift_of(name) for name in self.shifts], axis=0)

    def apart(self, name: str) -> float:
        """How far a map lies from where all maps of its scans lie, fast pixels."""
        return float(np.hypot(*(self.shift_of(name) - self.common_shift)))


def content_of(
    fast: Mapping[str, np.ndarray],
    routine: Mapping[str, np.ndarray],
    mask: np.ndarray,
    *,
    alignment: str,
) -> Content | None:
    """Compares the maps of two scans of one subject.

    Structure is the logarithm of T1 and T2, and PD, without what is coarser or finer than
    :data:`LIKENESS_DETAIL_PX`. Measured on 36 simulated subjects, two of them from measured heads:
    likeness of fast and routine of one subject was 0.95 and more for T1 and T2, 0.74 and more for
    PD; of two subjects on 256 x 256 pixels at most 0.22, on 56 to 64 pixels up to 0.70. Three
    degrees of rotation leave 0.5. The maps of one scan never lay 0.09 pixels from each other.

    Args:
        fast: map to (z, y, x), T1 and T2 in ms.
        routine: map to (z, s*y, s*x), the same field of view.
        mask: (z, s*y, s*x) tissue of the routine scan.
        alignment: how the routine grid lies on the fast one.

    Returns:
        The comparison; None where no slice holds enough tissue.
    """
    used = _slices(mask)
    if not len(used):
        return None
    shape = (len(used), *fast["t1"].shape[1:])
    tissue = to_coarse(mask[used], shape, CORNER) > 0.5
    core = ndimage.binary_erosion(tissue, np.ones((1, 3, 3)), iterations=RIM_PX)
    scans = (
        {name: fast[name][used] for name in MAPS},
        {name: to_coarse(routine[name][used], shape, alignment) for name in MAPS},
    )
    low, high = ({n: _structure(v, n, core, SHIFT_DETAIL_PX) for n, v in scan.items()}
                 for scan in scans)  # fmt: skip
    shifts = {name: _shifts(low[name], high[name], core) for name in MAPS}
    fine = [{n: _structure(v, n, core, LIKENESS_DETAIL_PX) for n, v in scan.items()}
            for scan in scans]  # fmt: skip
    return _compared(shifts, fine[0], fine[1], core)


def _slices(mask: np.ndarray) -> np.ndarray:
    """Which slices are compared: with tissue, and with their partners in the reversed order."""
    full = mask.mean(axis=(1, 2)) > LEAST_TISSUE
    both = full & full[::-1]
    found = np.flatnonzero(both if both.any() else full)
    picked = found[np.linspace(0, len(found) - 1, min(len(found), MOST_SLICES)).round().astype(int)]
    return np.unique([*picked, *(len(full) - 1 - picked)]) if both.any() else picked


def _compared(
    shifts: Mapping[str, np.ndarray],
    low: Mapping[str, np.ndarray],
    high: Mapping[str, np.ndarray],
    core: np.ndarray,
) -> Content:
    """Likeness of everything, from structure (z, y, x) on the fast grid and the tissue in it."""
    moved = np.median([np.median(shift, axis=0) for shift in shifts.values()], axis=0)
    still = {n: ndimage.shift(v, (0, *moved), order=1, mode="nearest") for n, v in high.items()}
    partner = {name: "t2" if name == "t1" else "t1" for name in MAPS}
    return Content(
        shifts=shifts,
        likeness={name: likeness(low[name], still[name], core) for name in MAPS},
        kinship={
            name: min(likeness(scan[name], scan[partner[name]], core) for scan in (low, high))
            for name in MAPS
        },
        flips={
            name: {
                said: likeness(low[name], np.flip(high[name], axes), core & np.flip(core, axes))
                for said, axes in FLIPS.items()
            }
            for name in MAPS
        },
    )


def likeness(one: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """Median over slices of the correlation of two images (z, y, x) inside ``where``; 0 if none.

    >>> ramp = np.arange(16.0).reshape(1, 4, 4)
    >>> likeness(ramp, 3 * ramp + 1, np.ones((1, 4, 4), bool))
    1.0
    """
    found = []
    for a, b, inside in zip(one, other, where, strict=True):
        a, b = a[inside], b[inside]
        spread = a.std() * b.std() if a.size else 0.0
        found.append(np.mean((a - a.mean()) * (b - b.mean())) / spread if spread > 0 else 0.0)
    return round(float(np.median(found)), 6)


def _structure(
    values: np.ndarray, name: str, tissue: np.ndarray, detail_px: tuple[float, float]
) -> np.ndarray:
    """A map (z, y, x) without what is finer or coarser than ``detail_px``; air has no say."""
    values = values if name == "pd" else np.log(np.maximum(values, 1.0))
    inside = values[tissue]
    low, high = np.percentile(inside, KEPT_PERCENTILES) if inside.size else (0.0, 1.0)
    finest, coarsest = detail_px
    smooth = ndimage.gaussian_filter(np.clip(values, low, high).astype(np.float32),
                                     (0, finest, finest))  # fmt: skip
    weight = tissue.astype(np.float32)
    around = (0, coarsest, coarsest)
    mean = ndimage.gaussian_filter(smooth * weight, around)
    return smooth - mean / np.maximum(ndimage.gaussian_filter(weight, around), 1e-3)


def _shifts(fast: np.ndarray, routine: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Shift (rows, columns) per slice that brings ``routine`` onto ``fast``, pixels.

    Cross-correlation with an upsampled peak (doi:10.1364/OL.33.000156), not normalised by the
    amplitude, as noise rules where that is small. The tissue's edge is soft: a sharp one would hold
    the correlation at zero.
    """
    if not (fast.any() and routine.any()):
        return np.zeros((len(fast), 2))
    soft = [ndimage.gaussian_filter(part.astype(np.float32), SOFT_EDGE_PX) for part in tissue]
    found = []
    for a, b, weight in zip(fast, routine, soft, strict=True):
        step = _step(a * weight, b * weight)
        if np.abs(step).max() > LONG_STEP_PX:
            step += _step(a * weight, ndimage.shift(b, step, order=1, mode="nearest") * weight)
        found.append(step)
    return np.array(found)


def _step(reference: np.ndarray, moving: np.ndarray) -> np.ndarray:
    return phase_cross_correlation(
        reference, moving, upsample_factor=UPSAMPLING, normalization=None
    )[0]


def to_coarse(images: np.ndarray, shape: tuple[int, ...], alignment: str) -> np.ndarray:
    """Brings (z, s*y, s*x) images to the coarse grid without moving them.

    A block's mean lies at the block's centre, which is the coarse pixel of the "corner" grid; a
    triangle as wide as two blocks lies on the pixel that it is centred on, the "sample" grid.
    Neither rings beside water.
    """
    slices, rows, columns = shape
    scale = images.shape[1] // rows
    if alignment == CORNER:
        return images.reshape(slices, rows, scale, columns, scale).mean(axis=(2, 4))
    triangle = (scale - np.abs(np.arange(1 - scale, scale))) / scale**2
    for axis in (1, 2):
        images = ndimage.convolve1d(images, triangle, axis=axis, mode="nearest")
    return images[:, ::scale, ::scale]
