"""Tissues and regions of a scanned subject, for whom nobody knows the truth: one call.

Brain out of the head, tissues from the maps, MNI space by registration, regions from the atlases.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.region_sources import RegionSource
from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE
from qsr_jax.anatomy.registration import AtlasTemplate, mni_coordinates
from qsr_jax.anatomy.segmentation import classify_tissue
from qsr_jax.types import Volume

BRIDGE_MM = 4.0
"""What joins brain and scalp in the plane is thinner than twice this."""
RIM_MM = 2.0
"""White matter nearer to the border of the brain is marrow or fat that shares a voxel with it."""
FAT_T1_MS, MUSCLE_T2_MS = 500.0, 48.0
"""Below lie fat and marrow, and muscle; no part of the brain does."""


@dataclasses.dataclass(frozen=True)
class SubjectLabels:
    """What lies where in one subject.

    Attributes:
        tissue: (z, y, x) uint8: 0 none, 1 CSF, 2 grey, 3 white matter.
        regions: (z, y, x) uint8, labels of ``region_names``.
        region_names: label to name, the paper's 19 regions.
        mni_lps_mm: (z, y, x, 3) float32, NaN outside the template.
    """

    tissue: np.ndarray
    regions: np.ndarray
    region_names: dict[int, str]
    mni_lps_mm: np.ndarray


def find_anatomy(
    routine: Volume, *, template: AtlasTemplate, source: RegionSource
) -> SubjectLabels:
    """Labels the routine scan of a subject.

    Args:
        routine: T1, T2 and PD with the mask of the head.
        template: tissue fractions in MNI space.
        source: says which region a point of MNI space belongs to.

    Raises:
        ValueError: no mask, a map is missing, or tissue cannot be told apart.
        MissingExtraError: the extra ``atlas`` is not installed.
    """
    if routine.mask is None:
        raise ValueError("the routine scan has no mask of the head")
    missing = {"t1", "t2", "pd"} - set(routine.names)
    if missing:
        raise ValueError(f"the routine scan lacks {', '.join(sorted(missing))}")
    t1, t2, pd = (routine.maps[..., routine.names.index(n)] for n in ("t1", "t2", "pd"))
    spacing = routine.geometry.spacing_mm
    brain = brain_in_head(t1, t2, routine.mask, spacing_mm=spacing)
    tissue = classify_tissue(t1, t2, pd, brain, spacing_mm=spacing)
    tissue[(tissue == WHITE) & (_depth_mm(brain, spacing) < RIM_MM)] = 0
    mni = mni_coordinates(t1, tissue, routine.geometry, template)
    solid = (tissue == GREY) | (tissue == WHITE)
    tissue[solid & source.in_nuclei(mni)] = GREY
    names = dict(enumerate(REGION_NAMES, start=1))
    return SubjectLabels(tissue, source.regions(mni, tissue), names, mni)


def brain_in_head(
    t1_ms: np.ndarray,
    t2_ms: np.ndarray,
    head: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """The brain with its fluid, out of the head; a head without skull and scalp stays nearly whole.

    Fat, marrow and muscle are told by their T1 and T2; of the rest the largest part that holds
    together without thin bridges is the brain, and what its slices enclose.

    Returns:
        (z, y, x) bool.

    Raises:
        ValueError: nothing is left.
    """
    other = (t1_ms < FAT_T1_MS) | (t2_ms < MUSCLE_T2_MS)
    candidates = ndimage.binary_opening(head & ~other, np.ones((1, 3, 3)))
    depth = _depth_mm(candidates, spacing_mm)
    parts, count = ndimage.label(depth > BRIDGE_MM, np.ones((3, 3, 3)))
    if not count:
        raise ValueError("no brain in the head: T1 and T2 are those of fat or muscle everywhere")
    core = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    grown = _depth_mm(~core, spacing_mm) <= 1.5 * BRIDGE_MM
    return np.stack([ndimage.binary_fill_holes(part) for part in grown & candidates])


def _depth_mm(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance to the border of the mask in the plane, mm; 0 outside."""
    padded = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
    depth = [ndimage.distance_transform_edt(part, spacing_mm[1:]) for part in padded]
    return np.stack(depth)[:, 1:-1, 1:-1]
