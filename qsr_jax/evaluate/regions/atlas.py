"""Atlas labels as the paper's regions: AAL or AAL3 for grey matter, JHU-WhiteMatter-48 for white.

The atlases are files of the user (their terms do not allow us to ship them). Labels are found by
*name*, so that AAL, AAL2 and AAL3, whose numbers differ, all read the same; left and right fall
under one region. What belongs to which lobe follows the gyri's names (Tzourio-Mazoyer 2002,
doi:10.1006/nimg.2001.0978; Rolls 2020, doi:10.1016/j.neuroimage.2019.116189); the paper does not
list its members. Ours: central gyri go to the lobe they bound, the fusiform gyrus is temporal.
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qsr_jax.data.nifti import read_nifti
from qsr_jax.physics.regions import GREY, REGION_NAMES, WHITE

AAL: dict[str, tuple[str, ...]] = {
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
"""Region to the beginnings of its labels' names; the ten grey regions of Table 2."""

JHU: dict[str, tuple[str, ...]] = {
    "middle_cerebellar_peduncle": ("Middle_cerebellar_peduncle",),
    "genu_corpus_callosum": ("Genu_of_corpus_callosum",),
    "splenium_corpus_callosum": ("Splenium_of_corpus_callosum",),
    "cerebral_peduncle": ("Cerebral_peduncle",),
    "internal_capsule": (
        "Anterior_limb_of_internal_capsule",
        "Posterior_limb_of_internal_capsule",
        "Retrolenticular_part_of_internal_capsule",
    ),
    "anterior_corona_radiata": ("Anterior_corona_radiata",),
    "superior_corona_radiata": ("Superior_corona_radiata",),
    "posterior_corona_radiata": ("Posterior_corona_radiata",),
    "external_capsule": ("External_capsule",),
}
"""Likewise of JHU-WhiteMatter-48 (Mori 2008, doi:10.1016/j.neuroimage.2007.12.035); the nine white
regions of Table 2."""


class AtlasError(ValueError):
    """Atlas files that do not say what is needed."""


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Regions in MNI space.

    Attributes:
        labels: (z, y, x) uint8, ``1 + index`` in :data:`REGION_NAMES`, 0 elsewhere.
        affine: (4, 4) from index (z, y, x, 1) to LPS mm of the MNI space.
        tissue: code of the tissue its regions are restricted to.
    """

    labels: np.ndarray
    affine: np.ndarray
    tissue: int

    def at(self, mni_lps_mm: np.ndarray) -> np.ndarray:
        """Region of points (..., 3) of MNI space, LPS mm: that of the nearest voxel, else 0."""
        inverse = np.linalg.inv(self.affine)
        index = np.rint(mni_lps_mm @ inverse[:3, :3].T + inverse[:3, 3])
        inside = np.isfinite(index).all(-1) & (index >= 0).all(-1)
        inside &= (index < self.labels.shape).all(-1)
        found = np.zeros(mni_lps_mm.shape[:-1], np.uint8)
        found[inside] = self.labels[tuple(index[inside].astype(int).T)]
        return found


def read_aal(image: Path, names: Path) -> Atlas:
    """Reads AAL, AAL2 or AAL3.

    Args:
        image: NIfTI of labels in MNI space; any orientation, the header says it.
        names: text of lines "number name", in either order of the columns, a heading allowed.

    Raises:
        AtlasError: a region has no label, in the names or in the image.
    """
    return _read(image, _numbered_names(names), AAL, GREY)


def read_jhu(image: Path, names: Path) -> Atlas:
    """Reads JHU-ICBM-labels, 48 tracts.

    Args:
        image: NIfTI of labels in MNI space.
        names: text of 48 names in the order of the labels, from 1; or "number name" lines.

    Raises:
        AtlasError: a region has no label, in the names or in the image.
    """
    return _read(image, _numbered_names(names), JHU, WHITE)


def _read(
    image: Path, names: Mapping[int, str], table: Mapping[str, tuple[str, ...]], tissue: int
) -> Atlas:
    array, affine = read_nifti(image)
    labels = np.zeros(array.shape, np.uint8)
    for region, beginnings in table.items():
        codes = [code for code, name in names.items() if name.startswith(beginnings)]
        inside = np.isin(array, codes)
        if not inside.any():
            raise AtlasError(
                f"{image}: no voxel of {region}; expected labels named {', '.join(beginnings)}"
            )
        labels[inside] = REGION_NAMES.index(region) + 1
    return Atlas(labels, affine, tissue)


def _numbered_names(path: Path) -> dict[int, str]:
    """Label to name: numbers where a line has one, else the position of the line from 1."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    numbered = {
        int(number): next(word for word in words if word != number)
        for words in lines
        for number in [next((word for word in words if re.fullmatch(r"\d+", word)), None)]
        if number is not None and len(words) > 1
    }
    if numbered:
        return numbered
    return {i: words[0] for i, words in enumerate(lines, start=1)}


def label_regions_by(
    atlases: tuple[Atlas, ...], mni_lps_mm: np.ndarray, tissue: np.ndarray
) -> np.ndarray:
    """Region label of every voxel of a person, 0 outside all regions.

    Args:
        atlases: grey and white.
        mni_lps_mm: (z, y, x, 3) where each voxel lies in MNI space, NaN where that is not known.
        tissue: (z, y, x) codes; a region counts only in its own tissue.

    Returns:
        (z, y, x) uint8, ``1 + index`` in :data:`REGION_NAMES`.
    """
    labels = np.zeros(tissue.shape, np.uint8)
    for atlas in atlases:
        mine = tissue == atlas.tissue
        labels[mine] = atlas.at(mni_lps_mm[mine])
    return labels
