"""Who says which region a point of MNI space belongs to: atlas files, or our geometry."""

import dataclasses
from typing import Protocol

import numpy as np

from qsr_jax.anatomy.atlas import AtlasRegions
from qsr_jax.anatomy.regions import ELLIPSOIDS, REGION_NAMES, label_regions

NUCLEI = ("hippocampus", "caudate", "putamen", "pallidum", "thalamus")
"""Grey by anatomy, though their T1 lies between cortex and white matter: the atlas decides."""

_LPS_RAS = np.array([-1.0, -1.0, 1.0], np.float32)
_NOWHERE_MM = 1e4
"""Where points go that lie outside the template: far from every region."""


class RegionSource(Protocol):
    """What tells regions in MNI space."""

    def in_nuclei(self, mni_lps_mm: np.ndarray) -> np.ndarray:
        """(...) bool, whether points (..., 3) lie in one of :data:`NUCLEI`."""

    def regions(self, mni_lps_mm: np.ndarray, tissue: np.ndarray) -> np.ndarray:
        """(...) uint8, ``1 + index`` in :data:`REGION_NAMES` of points (..., 3), 0 elsewhere."""


@dataclasses.dataclass(frozen=True)
class AtlasFiles:
    """Regions from atlas files in MNI space: AAL or AAL3 for grey matter, JHU for white."""

    atlases: AtlasRegions

    def in_nuclei(self, mni_lps_mm: np.ndarray) -> np.ndarray:
        """See :class:`RegionSource`."""
        codes = [REGION_NAMES.index(name) + 1 for name in NUCLEI]
        return np.isin(self.atlases.grey.at(_ras(mni_lps_mm)), codes)

    def regions(self, mni_lps_mm: np.ndarray, tissue: np.ndarray) -> np.ndarray:
        """See :class:`RegionSource`."""
        return self.atlases(_ras(mni_lps_mm), tissue)


@dataclasses.dataclass(frozen=True)
class GeometricRegions:
    """Ellipsoids and planes of :mod:`qsr_jax.anatomy.regions`: needs no file, is no atlas."""

    def in_nuclei(self, mni_lps_mm: np.ndarray) -> np.ndarray:
        """See :class:`RegionSource`."""
        points = _ras(mni_lps_mm)
        inside = np.zeros(points.shape[:-1], bool)
        for part in ELLIPSOIDS:
            if part.region in NUCLEI:
                inside |= part.radius(points) < 1.0
        return inside

    def regions(self, mni_lps_mm: np.ndarray, tissue: np.ndarray) -> np.ndarray:
        """See :class:`RegionSource`."""
        labels = label_regions(_ras(mni_lps_mm), tissue)
        labels[~np.isfinite(mni_lps_mm).all(-1)] = 0
        return labels


def _ras(mni_lps_mm: np.ndarray) -> np.ndarray:
    """RAS mm; what is not a number goes far away."""
    return np.nan_to_num(mni_lps_mm.astype(np.float32) * _LPS_RAS, nan=_NOWHERE_MM)
