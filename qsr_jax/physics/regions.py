"""The paper's 19 regions as geometry in MNI space (RAS mm), left and right under one label.

The atlases of the paper (AAL, JHU-WhiteMatter-48) cannot be shipped. Nuclei and tracts are
ellipsoids of published position, size and direction, mirrored in the mid-plane; lobes are parts of
the cortex between planes near the central, Sylvian and parieto-occipital sulci. These are our
definitions: compare them between methods, not with an atlas.
"""

import dataclasses

import numpy as np

GREY, WHITE = 2, 3
"""Tissue codes that regions are restricted to."""

REGION_NAMES: tuple[str, ...] = (
    "frontal",
    "temporal",
    "parietal",
    "occipital",
    "insula",
    "hippocampus",
    "caudate",
    "putamen",
    "pallidum",
    "thalamus",
    "middle_cerebellar_peduncle",
    "genu_corpus_callosum",
    "splenium_corpus_callosum",
    "cerebral_peduncle",
    "internal_capsule",
    "anterior_corona_radiata",
    "superior_corona_radiata",
    "posterior_corona_radiata",
    "external_capsule",
)
"""Label ``i + 1`` is ``REGION_NAMES[i]``; order of the paper's Table 2."""


@dataclasses.dataclass(frozen=True)
class Ellipsoid:
    """A structure of the right hemisphere, and its mirror image.

    Attributes:
        region: one of :data:`REGION_NAMES`.
        tissue: code of the tissue it is restricted to.
        centre_mm: RAS.
        semi_mm: half axes (short, middle, long).
        short: direction of the short axis, not normalised.
        long: direction of the long axis, made perpendicular to the short one.
    """

    region: str
    tissue: int
    centre_mm: tuple[float, float, float]
    semi_mm: tuple[float, float, float]
    short: tuple[float, float, float]
    long: tuple[float, float, float]

    def radius(self, mni_mm: np.ndarray) -> np.ndarray:
        """Distance of points (..., 3) from the centre, 1 on the surface."""
        short = np.asarray(self.short) / np.linalg.norm(self.short)
        long = np.asarray(self.long) - np.dot(self.long, short) * short
        long /= np.linalg.norm(long)
        axes = np.stack([short, np.cross(long, short), long]) / np.reshape(self.semi_mm, (3, 1))
        offset = mni_mm - np.asarray(self.centre_mm, np.float32)
        offset[..., 0] = np.abs(mni_mm[..., 0]) - self.centre_mm[0]
        return np.linalg.norm(offset @ axes.T.astype(np.float32), axis=-1)


ELLIPSOIDS: tuple[Ellipsoid, ...] = (
    Ellipsoid("insula", GREY, (39, 4, 0), (9, 18, 30), (1, 0.13, 0.16), (0, -0.9, 0.45)),
    Ellipsoid("hippocampus", GREY, (28, -21, -13), (6, 10, 22), (-0.3, -0.55, -0.75), (0.1, 0.8, -0.6)),
    Ellipsoid("caudate", GREY, (14, 10, 10), (6, 11, 25), (0.8, -0.3, -0.5), (0, 0.8, -0.6)),
    Ellipsoid("putamen", GREY, (28, 3, 1), (7, 13, 21), (0.95, 0.3, 0), (0.3, -0.93, 0.23)),
    Ellipsoid("pallidum", GREY, (20, -2, -1), (5, 7, 12), (0.8, 0.6, -0.15), (-0.6, 0.8, 0.1)),
    Ellipsoid("thalamus", GREY, (12, -17, 6), (9, 11, 17), (0.93, 0.33, 0.13), (0.35, -0.9, -0.24)),
    Ellipsoid("middle_cerebellar_peduncle", WHITE, (18, -40, -35), (8, 10, 28), (0.9, 0.35, 0.3), (-0.4, 0.9, 0.13)),
    Ellipsoid("genu_corpus_callosum", WHITE, (8, 27, 7), (6, 11, 16), (0.6, -0.77, -0.2), (0.2, 0, 1)),
    Ellipsoid("splenium_corpus_callosum", WHITE, (12, -41, 18), (6, 12, 19), (0.6, 0.73, -0.3), (-0.7, 0.7, 0.25)),
    Ellipsoid("cerebral_peduncle", WHITE, (13, -18, -12), (5, 9, 13), (0.75, 0.3, -0.6), (-0.3, -0.6, -0.7)),
    Ellipsoid("internal_capsule", WHITE, (18, 8, 8), (4, 12, 15), (0.83, -0.3, -0.45), (0, -0.77, 0.64)),
    Ellipsoid("internal_capsule", WHITE, (21, -13, 8), (5, 11, 16), (0.87, 0.4, -0.3), (-0.5, 0.6, -0.65)),
    Ellipsoid("internal_capsule", WHITE, (31, -29, 6), (4, 12, 13), (0.73, 0.53, 0.43), (-0.35, -0.25, 0.9)),
    Ellipsoid("anterior_corona_radiata", WHITE, (22, 28, 10), (6, 12, 25), (1, 0.23, 0), (0.1, -0.43, 0.9)),
    Ellipsoid("superior_corona_radiata", WHITE, (24, -8, 30), (6, 14, 22), (0.9, 0, 0.4), (0, -1, 0)),
    Ellipsoid("posterior_corona_radiata", WHITE, (25, -38, 28), (5, 13, 20), (0.87, 0, 0.5), (0.15, -0.95, -0.24)),
    Ellipsoid("external_capsule", WHITE, (31, 0, 1), (4, 17, 25), (0.97, 0.25, 0.1), (0.2, -0.93, 0.32)),
)  # fmt: skip


def label_lobes(mni_mm: np.ndarray) -> np.ndarray:
    """Lobe label (...) of points (..., 3) in the cortex; 0 in brain stem and cerebellum."""
    across, y, z = np.abs(mni_mm[..., 0]), mni_mm[..., 1], mni_mm[..., 2]
    below_tentorium = (y < -32) & (z < -4 - 0.35 * across - 0.15 * (y + 60))
    stem = (across < 18) & (y > -45) & (y < -5) & (z < -4)
    sylvian = (across > 20) & (y < 24) & (z < 2 - 0.35 * y)
    occipital = y < -58 - 0.4 * np.maximum(z, 0)
    frontal = y > -5 - 0.35 * np.maximum(z, 0)
    lobe = np.select([occipital, sylvian, frontal], [4, 2, 1], default=3)
    return np.where(below_tentorium | stem, 0, lobe).astype(np.uint8)


def label_regions(mni_mm: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Region label of every voxel, 0 outside all regions.

    Where ellipsoids of one tissue overlap, the one whose centre is relatively nearer wins.

    Args:
        mni_mm: (..., 3) template coordinates of the voxels, RAS mm.
        tissue: (...) tissue codes; only :data:`GREY` and :data:`WHITE` get regions.

    Returns:
        (...) uint8.
    """
    labels = np.where(tissue == GREY, label_lobes(mni_mm), 0).astype(np.uint8)
    nearest = np.ones(tissue.shape, np.float32)
    for part in ELLIPSOIDS:
        radius = part.radius(mni_mm)
        inside = (tissue == part.tissue) & (radius < nearest)
        labels[inside] = REGION_NAMES.index(part.region) + 1
        nearest[inside] = radius[inside]
    return labels
