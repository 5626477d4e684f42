"""The paper's 19 regions from atlases on file: AAL for grey matter, JHU-ICBM for white matter.

AAL3: Rolls 2020, doi:10.1016/j.neuroimage.2019.116189. JHU-ICBM 48: Mori 2008,
doi:10.1016/j.neuroimage.2007.12.035. Left and right get one label, as in the paper.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE

AAL_PARTS: dict[str, tuple[str, ...]] = {
    "frontal": (
        "Precentral",
        "Frontal_",
        "Rolandic_Oper",
        "Supp_Motor_Area",
        "Olfactory",
        "Rectus",
        "OFC",
        "Paracentral_Lobule",
    ),
    "temporal": ("Heschl", "Temporal_", "Fusiform"),
    "parietal": ("Postcentral", "Parietal_", "SupraMarginal", "Angular", "Precuneus"),
    "occipital": ("Calcarine", "Cuneus", "Lingual", "Occipital_"),
    "insula": ("Insula",),
    "hippocampus": ("Hippocampus",),
    "caudate": ("Caudate",),
    "putamen": ("Putamen",),
    "pallidum": ("Pallidum",),
    "thalamus": ("Thal_", "Thalamus"),
}
"""Region to the beginnings of its parts' names in AAL, AAL2 and AAL3 (Tzourio-Mazoyer 2002,
doi:10.1006/nimg.2001.0978); the paper does not list its members. Ours: central gyri go to the lobe
they bound, the fusiform gyrus is temporal; the limbic gyri and the cerebellum belong to none."""

JHU_PARTS: dict[str, tuple[str, ...]] = {
    "middle_cerebellar_peduncle": ("Middle_cerebellar_peduncle",),
    "genu_corpus_callosum": ("Genu_of_corpus_callosum",),
    "splenium_corpus_callosum": ("Splenium_of_corpus_callosum",),
    "cerebral_peduncle": ("Cerebral_peduncle",),
    "internal_capsule": ("Anterior_limb_of_internal_capsule", "Posterior_limb_of_internal_capsule",
                         "Retrolenticular_part_of_internal_capsule"),
    "anterior_corona_radiata": ("Anterior_corona_radiata",),
    "superior_corona_radiata": ("Superior_corona_radiata",),
    "posterior_corona_radiata": ("Posterior_corona_radiata",),
    "external_capsule": ("External_capsule",),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Region labels on a grid in MNI space.

    Attributes:
        labels: (i, j, k) uint8, 0 or 1 + index in REGION_NAMES.
        affine: (4, 4) from index to MNI RAS mm; any orientation.
    """

    labels: np.ndarray
    affine: np.ndarray

    def at(self, mni_mm: np.ndarray) -> np.ndarray:
        """Label (...) of the voxel nearest to each point (..., 3); 0 outside the grid."""
        inverse = np.linalg.inv(self.affine)
        index = np.round(mni_mm @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
        shape = np.array(self.labels.shape)
        inside = ((index >= 0) & (index < shape)).all(axis=-1)
        i, j, k = np.moveaxis(np.clip(index, 0, shape - 1), -1, 0)
        return np.where(inside, self.labels[i, j, k], 0).astype(np.uint8)


@dataclasses.dataclass(frozen=True)
class AtlasRegions:
    """Tells regions by two atlases, grey by ``grey`` and white by ``white``."""

    grey: Atlas
    white: Atlas

    def __call__(self, mni_mm: np.ndarray, tissue: np.ndarray) -> np.ndarray:
        """Region label (...) of points (..., 3) with their tissue codes (...)."""
        labels = np.where(tissue == GREY, self.grey.at(mni_mm), 0)
        return np.where(tissue == WHITE, self.white.at(mni_mm), labels).astype(np.uint8)


def make_atlas(
    codes: np.ndarray,
    affine: np.ndarray,
    names: Mapping[int, str],
    parts: Mapping[str, tuple[str, ...]],
    *,
    where: str,
) -> Atlas:
    """An atlas of our regions from one of many parts.

    Args:
        codes: (i, j, k) integers.
        affine: (4, 4) from index to MNI RAS mm.
        names: code to name.
        parts: :data:`AAL_PARTS` or :data:`JHU_PARTS`.
        where: what the codes belong to; opens the error messages.

    Raises:
        ValueError: a code of the volume has no name, or a region has no voxel.
    """
    unnamed = sorted(set(np.unique(codes).tolist()) - set(names) - {0})
    if unnamed:
        raise ValueError(f"{where}: codes {unnamed[:8]} are not in the label table")
    lookup = np.zeros(int(codes.max()) + 1, np.uint8)
    for code, name in names.items():
        for region, beginnings in parts.items():
            if name.startswith(beginnings) and 0 < code < len(lookup):
                lookup[code] = REGION_NAMES.index(region) + 1
    labels = lookup[codes]
    missing = [r for r in parts if not (labels == REGION_NAMES.index(r) + 1).any()]
    if missing:
        raise ValueError(f"{where}: nothing is labelled {', '.join(missing)}; wrong label table?")
    return Atlas(labels, affine)
