"""Tissues and regions of a scanned person, for whom nobody knows the truth: one call.

Brain out of the head, tissues from the maps, MNI space by registration, regions from the atlases.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.evaluate.atlas import Atlas, label_regions_by
from qsr_jax.evaluate.classify import classify_tissue, eroded
from qsr_jax.evaluate.register import Template, mni_coordinates
from qsr_jax.physics.regions import GREY, REGION_NAMES, WHITE
from qsr_jax.types import Volume

NUCLEI = ("hippocampus", "caudate", "putamen", "pallidum", "thalamus")
"""Grey by anatomy, though their T1 lies between cortex and white matter: the atlas decides."""

BRIDGE_MM = 4.0
"""What joins brain and scalp in the plane is thinner than twice this."""
FAT_T1_MS, MUSCLE_T2_MS = 500.0, 48.0
"""Below lie fat and marrow, and muscle; no part of the brain does."""


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """What lies where in one person.

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
    routine: Volume,
    *,
    template: Template,
    grey_atlas: Atlas,
    white_atlas: Atlas,
    erode_pixels: int,
) -> Anatomy:
    """Labels the routine scan of a person.

    Args:
        routine: T1, T2 and PD with the mask of the head.
        template: tissue fractions in MNI space.
        grey_atlas: AAL or AAL3 in MNI space.
        white_atlas: JHU-WhiteMatter-48 likewise.
        erode_pixels: how far voxels of a tissue or region must lie from its border to count
            (partial volume); 0 keeps all.

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
    mni = mni_coordinates(t1, tissue, routine.geometry, template)
    nuclei = [REGION_NAMES.index(name) + 1 for name in NUCLEI]
    solid = (tissue == GREY) | (tissue == WHITE)
    tissue[solid & np.isin(grey_atlas.at(mni), nuclei)] = GREY
    kept = eroded(tissue, pixels=erode_pixels)
    names = dict(enumerate(REGION_NAMES, start=1))
    return Anatomy(kept, label_regions_by((grey_atlas, white_atlas), mni, kept), names, mni)


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
