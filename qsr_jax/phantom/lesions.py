"""Lesions: irregular smooth blobs, shapes from masks, and specks at the edge of resolution."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from qsr_jax.phantom.tissue_values import LESIONS, draw_value

RADIUS_MM = {
    "WMH": (5.0, 8.0),
    "infarct": (6.0, 11.0),
    "encephalomalacia": (9.0, 15.0),
    "mild MS plaque": (4.0, 7.0),
    "severe MS plaque": (4.0, 8.0),
    "oedema": (8.0, 15.0),
    "tumour": (8.0, 14.0),
}
FREQUENCY = {
    "WMH": 0.45,
    "infarct": 0.15,
    "encephalomalacia": 0.15,
    "mild MS plaque": 0.1,
    "severe MS plaque": 0.1,
    "oedema": 0.05,
}
"""How often each kind is drawn; of the paper's 12 ROIs 7, 2 and 3 are of the first three."""

COUNT = (1, 3)
"""Fewest and most lesions of a patient."""

ROUGHNESS, ROUGHNESS_MM, ROUGHEST = 0.25, 3.0, 2.0
"""The radius varies by this fraction, correlated over this length, at most so many times. The
smallest lesion therefore fills the middle of its 5 mm slice, and every lesion has an ROI."""

MARGIN_MM, OUTSIDE_MM = 3, -20.0
"""Room around a lesion in its box; depth given to everything outside all boxes."""

APART_MM = 11
"""Room between two boxes along z, so that no slice profile sees both in one place."""

SPECK, SPECKS = "punctate", 4
"""Kind, and number for every patient, of lesions at the edge of resolution."""

SPECK_MM, SPECK_HALF_LENGTH_MM = (0.4, 0.6), 3.5
"""In-plane radius and half length along the slice normal of a speck. It fills the thickness of its
slice, and an acquired pixel or two of the routine scan (0.59 mm2) but only a third to two thirds of
one of the fast scan (2.0 mm2)."""


@dataclasses.dataclass(frozen=True)
class Lesion:
    """One lesion: what it is, where, and what it measures.

    Attributes:
        kind: key of :data:`qsr_jax.phantom.tissue_values.LESIONS`.
        centre: voxel index (z, y, x) on the 1 mm grid.
        radius_mm: mean radius, in the plane for a speck.
        value: T1 (ms), T2 (ms), PD (%).
    """

    kind: str
    centre: tuple[int, int, int]
    radius_mm: float
    value: np.ndarray

    @property
    def reach(self) -> int:
        """Half side in mm of the box that holds the lesion."""
        if self.kind == SPECK:
            return int(np.ceil(SPECK_HALF_LENGTH_MM)) + 1
        return int(np.ceil(self.radius_mm * (1 + ROUGHEST * ROUGHNESS))) + MARGIN_MM


@dataclasses.dataclass(frozen=True)
class LesionMask:
    """Where a real subject's lesions lie in MNI space.

    Attributes:
        inside: (x, y, z) bool.
        affine: (4, 4) from index to RAS mm.
    """

    inside: np.ndarray
    affine: np.ndarray


@dataclasses.dataclass(frozen=True)
class LesionPlan:
    """What lesions patients get.

    Attributes:
        frequency: kind to how often it is drawn; the numbers are made to sum to 1.
        specks: lesions at the edge of resolution per patient.
        masks: shapes of real lesions, one mask for a patient, instead of drawn ones; specks are
            added all the same.
    """

    frequency: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(FREQUENCY))
    specks: int = SPECKS
    masks: tuple[LesionMask, ...] = ()

    def __post_init__(self) -> None:
        """Refuses unknown kinds."""
        unknown = set(self.frequency) - set(RADIUS_MM)
        if unknown or not self.frequency:
            raise ValueError(
                f"lesion kinds {sorted(unknown) or 'none'}: expected some of {', '.join(RADIUS_MM)}"
            )
        if self.specks < 0:
            raise ValueError(f"punctate lesions per patient must be at least 0; got {self.specks}")


def place_lesions(
    rng: np.random.Generator,
    deep_white: np.ndarray,
    *,
    slices_at: np.ndarray,
    plan: LesionPlan,
    taken: np.ndarray | None = None,
) -> list[Lesion]:
    """Draws lesions whose boxes do not touch: one to three of the plan's kinds, then the specks.

    Args:
        rng: source of randomness.
        deep_white: (z, y, x) bool on the 1 mm grid, where a centre may lie.
        slices_at: z indices of slice middles; centres lie on one, so every lesion fills a slice.
        plan: kinds and numbers.
        taken: (z, y, x) bool, where lesions from masks lie; only specks are added to those.

    Raises:
        ValueError: there is no place for a lesion.
    """
    allowed = np.zeros_like(deep_white)
    allowed[slices_at] = deep_white[slices_at]
    kinds = [SPECK] * plan.specks
    if taken is None:
        names = list(plan.frequency)
        weights = np.array(list(plan.frequency.values()), float)
        number = rng.integers(COUNT[0], COUNT[1] + 1)
        kinds = [*map(str, rng.choice(names, number, p=weights / weights.sum())), *kinds]
    lesions: list[Lesion] = []
    for kind in kinds:
        radius = float(rng.uniform(*(SPECK_MM if kind == SPECK else RADIUS_MM[kind])))
        new = Lesion(kind, (0, 0, 0), radius, draw_value(rng, LESIONS[kind]))
        places = np.argwhere(_free(allowed, lesions, new.reach, taken))
        if len(places):
            z, y, x = places[rng.integers(len(places))].tolist()
            lesions.append(dataclasses.replace(new, centre=(z, y, x)))
    if not lesions and taken is None:
        raise ValueError("no deep white matter to place a lesion in; scan more slices")
    return lesions


def _free(
    allowed: np.ndarray, lesions: list[Lesion], reach: int, taken: np.ndarray | None
) -> np.ndarray:
    """Where the centre of a box of half side ``reach`` may lie."""
    free = allowed.copy()
    if taken is not None:
        free &= ~ndimage.binary_dilation(taken, iterations=reach + MARGIN_MM)
    for other in lesions:
        apart = np.array([reach + other.reach] * 3) + (APART_MM, 0, 0)
        near = zip(other.centre, apart, strict=True)
        free[tuple(slice(max(c - a, 0), c + a + 1) for c, a in near)] = False
    return free


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
        blob = _blob(rng, lesion)
        size = len(blob)
        low = [c - lesion.reach for c in lesion.centre]
        inner = tuple(slice(max(0, -b), min(size, n - b)) for b, n in zip(low, shape, strict=True))
        outer = tuple(slice(b + s.start, b + s.stop) for b, s in zip(low, inner, strict=True))
        depth[outer], label[outer] = blob[inner], index + 1
    return depth, label


def _blob(rng: np.random.Generator, lesion: Lesion) -> np.ndarray:
    """Depth below the surface of one lesion in its box, mm."""
    size = 2 * lesion.reach + 1
    offset = np.moveaxis(np.indices((size, size, size)), 0, -1) - lesion.reach
    if lesion.kind == SPECK:
        along = SPECK_HALF_LENGTH_MM - np.abs(offset[..., 0])
        return np.minimum(lesion.radius_mm - np.linalg.norm(offset[..., 1:], axis=-1), along)
    rough = ndimage.gaussian_filter(rng.standard_normal((size, size, size)), ROUGHNESS_MM)
    rough = np.clip(rough / rough.std(), -ROUGHEST, ROUGHEST)
    return lesion.radius_mm * (1 + ROUGHNESS * rough) - np.linalg.norm(offset, axis=-1)
