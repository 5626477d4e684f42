"""The paper's 19 regions as geometry in MNI space (RAS mm), left and right under one label.

The atlases of the paper (AAL, JHU-WhiteMatter-48) cannot be shipped. Nuclei and tracts are
ellipsoids, mirrored in the mid-plane: their centres, half axes and directions are rounded moments
that we measured of the same regions in AAL3 (Rolls 2020, doi:10.1016/j.neuroimage.2019.116189) and
JHU-ICBM (Mori 2008, doi:10.1016/j.neuroimage.2007.12.035). Lobes are parts of the cortex between
planes near the central, Sylvian and parieto-occipital sulci. An ellipsoid is not an atlas region:
compare these labels between methods, not with an atlas.
"""

import dataclasses

import numpy as np

from qsr_jax.types import triple

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


#                           centre         half axes   short axis       long axis
_TABLE = """
insula                      39   4   0     9 18 30     100  13  16      0 -90  45
hippocampus                 28 -21 -13     6 10 22     -30 -55 -75     10  80 -60
caudate                     14  10  10     6 11 25      80 -30 -50      0  80 -60
putamen                     28   3   1     7 13 21      95  30   0     30 -93  23
pallidum                    20  -2  -1     5  7 12      80  60 -15    -60  80  10
thalamus                    12 -17   6     9 11 17      93  33  13     35 -90 -24
middle_cerebellar_peduncle  18 -40 -35     8 10 28      90  35  30    -40  90  13
genu_corpus_callosum         8  26   7     7 13 17      60 -77 -20     20   0 100
splenium_corpus_callosum    12 -41  18     6 12 19      60  73 -30    -70  70  25
cerebral_peduncle           13 -18 -12     5  9 13      75  30 -60    -30 -60 -70
internal_capsule            18   8   8     4 12 15      83 -30 -45      0 -77  64
internal_capsule            21 -13   8     5 11 16      87  40 -30    -50  60 -65
internal_capsule            31 -29   6     4 12 13      73  53  43    -35 -25  90
anterior_corona_radiata     22  28  10     6 12 25     100  23   0     10 -43  90
superior_corona_radiata     24  -8  30     6 14 22      90   0  40      0 -100  0
posterior_corona_radiata    25 -38  28     5 13 20      87   0  50     15 -95 -24
external_capsule            31   0   1     4 17 25      97  25  10     20 -93  32
"""
_GREY_PARTS = 6


def _ellipsoids() -> tuple[Ellipsoid, ...]:
    rows = [line.split() for line in _TABLE.strip().splitlines()]
    tissues = [GREY] * _GREY_PARTS + [WHITE] * (len(rows) - _GREY_PARTS)
    return tuple(
        Ellipsoid(name, tissue, *(triple(map(float, numbers[i : i + 3])) for i in (0, 3, 6, 9)))
        for (name, *numbers), tissue in zip(rows, tissues, strict=True)
    )


ELLIPSOIDS: tuple[Ellipsoid, ...] = _ellipsoids()


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
        x, y, z = part.centre_mm
        near = (tissue == part.tissue) & (np.abs(mni_mm[..., 2] - z) < part.semi_mm[2])
        near &= np.abs(mni_mm[..., 1] - y) < part.semi_mm[2]
        near &= np.abs(np.abs(mni_mm[..., 0]) - x) < part.semi_mm[2]
        radius = part.radius(mni_mm[near])
        closer = radius < nearest[near]
        labels[near] = np.where(closer, REGION_NAMES.index(part.region) + 1, labels[near])
        nearest[near] = np.where(closer, radius, nearest[near])
    return labels
