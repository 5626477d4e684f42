"""Lesions of the paper's three kinds: irregular smooth blobs with values of their own."""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.physics.tissues import LESIONS, draw_value

RADIUS_MM = {"WMH": (5.0, 8.0), "infarct": (6.0, 11.0), "encephalomalacia": (9.0, 15.0)}
SHARE = {"WMH": 0.6, "infarct": 0.2, "encephalomalacia": 0.2}
"""How often each kind is drawn; the paper's 12 ROIs are 7, 2 and 3."""

COUNT = (1, 3)
"""Fewest and most lesions of a patient."""

ROUGHNESS, ROUGHNESS_MM, ROUGHEST = 0.25, 3.0, 2.0
"""The radius varies by this share, correlated over this length, at most so many times. The smallest
lesion therefore fills the middle of its 5 mm slice, and every lesion has an ROI."""

MARGIN_MM, OUTSIDE_MM = 3, -20.0
"""Room around a lesion in its box; depth given to everything outside all boxes."""


@dataclasses.dataclass(frozen=True)
class Lesion:
    """One lesion: what it is, where, and what it measures.

    Attributes:
        kind: key of :data:`qsr_jax.physics.tissues.LESIONS`.
        centre: voxel index (z, y, x) on the 1 mm grid.
        radius_mm: mean radius.
        value: T1 (ms), T2 (ms), PD (%).
    """

    kind: str
    centre: tuple[int, int, int]
    radius_mm: float
    value: np.ndarray

    @property
    def reach(self) -> int:
        """Half side in mm of the box that holds the lesion."""
        return int(np.ceil(self.radius_mm * (1 + ROUGHEST * ROUGHNESS))) + MARGIN_MM


def place_lesions(
    rng: np.random.Generator, deep_white: np.ndarray, *, slices_at: np.ndarray
) -> list[Lesion]:
    """Draws one to three lesions whose boxes do not touch.

    Args:
        rng: source of randomness.
        deep_white: (z, y, x) bool on the 1 mm grid, where a centre may lie.
        slices_at: z indices of slice middles; centres lie on one, so every lesion fills a slice.

    Raises:
        ValueError: there is no place for a lesion.
    """
    allowed = np.zeros_like(deep_white)
    allowed[slices_at] = deep_white[slices_at]
    lesions: list[Lesion] = []
    for _ in range(rng.integers(COUNT[0], COUNT[1] + 1)):
        kind = str(rng.choice(list(SHARE), p=list(SHARE.values())))
        radius = float(rng.uniform(*RADIUS_MM[kind]))
        value = draw_value(rng, LESIONS[kind])
        new = Lesion(kind, (0, 0, 0), radius, value)
        free = allowed.copy()
        for other in lesions:
            apart = new.reach + other.reach
            free[tuple(slice(max(0, c - apart), c + apart + 1) for c in other.centre)] = False
        places = np.argwhere(free)
        if len(places):
            centre = tuple(int(v) for v in places[rng.integers(len(places))])
            lesions.append(dataclasses.replace(new, centre=centre))
    if not lesions:
        raise ValueError("no deep white matter to place a lesion in; scan more slices")
    return lesions


def draw_shapes(
    rng: np.random.Generator, lesions: list[Lesion], shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Shapes of lesions on the 1 mm grid.

    Returns:
        (z, y, x) float32 depth below the lesions' surfaces in mm, negative outside; and
        (z, y, x) uint8 label i + 1 in the whole box of lesion i.
    """
    depth = np.full(shape, OUTSIDE_MM, np.float32)
    label = np.zeros(shape, np.uint8)
    for index, lesion in enumerate(lesions):
        size = 2 * lesion.reach + 1
        offset = np.stack(np.indices((size, size, size)), axis=-1) - lesion.reach
        rough = ndimage.gaussian_filter(rng.standard_normal((size, size, size)), ROUGHNESS_MM)
        rough = np.clip(rough / rough.std(), -ROUGHEST, ROUGHEST)
        blob = lesion.radius_mm * (1 + ROUGHNESS * rough) - np.linalg.norm(offset, axis=-1)
        low = [c - lesion.reach for c in lesion.centre]
        inner = tuple(slice(max(0, -b), min(size, n - b)) for b, n in zip(low, shape, strict=True))
        outer = tuple(slice(b + s.start, b + s.stop) for b, s in zip(low, inner, strict=True))
        depth[outer], label[outer] = blob[inner], index + 1
    return depth, label
