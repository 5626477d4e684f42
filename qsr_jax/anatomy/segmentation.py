"""CSF, grey and white matter told from the T1, T2 and PD maps of one scan; no atlas needed."""

from typing import Any

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.optional_dependency import needs_atlas_extra
from qsr_jax.anatomy.regions import GREY, WHITE

CSF = 1
"""Code of cerebrospinal fluid; :data:`GREY` is 2, :data:`WHITE` 3, 0 is no brain."""

FLUID_T1_MS, FLUID_T2_MS = 2100.0, 170.0
"""From either on a voxel holds more fluid than grey matter: half of each is fitted so. Set on two
simulated subjects so that the means of grey matter keep within 1 % of those of its true voxels."""
SOLID_T1_MS = 1600.0
"""Below, voxels are grey or white matter with little fluid; the mixture is fitted on them."""
SMOOTH_MM = 0.3
"""SD of the Gaussian that calms noise in the plane before classifying."""

_START = ((1250.0, 82.0, 77.0), (830.0, 68.0, 66.0))
"""T1 ms, T2 ms, PD % of grey and white matter at 3 T, from which the fit starts."""
_PD_SCALE = 50.0
_FITTED_VOXELS = 60_000
_LEAST_VOXELS = 1000


def classify_tissue(
    t1_ms: np.ndarray,
    t2_ms: np.ndarray,
    pd_percent: np.ndarray,
    brain: np.ndarray,
    *,
    spacing_mm: tuple[float, float, float],
) -> np.ndarray:
    """Labels every voxel of the brain: 1 CSF, 2 grey, 3 white matter; 0 outside.

    Fluid is told by its T1 or T2. The rest is split by two Gaussians of one covariance through
    ln T1, ln T2 and PD, fitted to this subject, so a shift of all values moves the border, too.

    Args:
        t1_ms: (z, y, x).
        t2_ms: (z, y, x).
        pd_percent: (z, y, x).
        brain: (z, y, x) bool, True inside the brain (skull and scalp left out).
        spacing_mm: of (slices, rows, columns).

    Returns:
        (z, y, x) uint8.

    Raises:
        ValueError: shapes differ, or too little solid tissue to tell two kinds apart.
    """
    shapes = {a.shape for a in (t1_ms, t2_ms, pd_percent, brain)}
    if len(shapes) != 1:
        raise ValueError(f"maps and brain have shapes {sorted(shapes)}, expected one (z, y, x)")
    logs = [np.log(np.maximum(m, 1.0)) for m in (t1_ms, t2_ms)]
    features = np.stack(
        [_calmed(m, brain, spacing_mm) for m in (*logs, pd_percent / _PD_SCALE)], axis=-1
    )
    solid = (features[:, 0] < np.log(FLUID_T1_MS)) & (features[:, 1] < np.log(FLUID_T2_MS))
    kinds = np.full(len(features), CSF, np.uint8)
    model = _two_kinds(features[features[:, 0] < np.log(SOLID_T1_MS)])
    kinds[solid] = np.array([GREY, WHITE], np.uint8)[model.predict(features[solid])]
    labels = np.zeros(brain.shape, np.uint8)
    labels[brain] = kinds
    return labels


def _calmed(
    values: np.ndarray, brain: np.ndarray, spacing_mm: tuple[float, float, float]
) -> np.ndarray:
    """Values inside the brain, averaged a little with their neighbours inside it, (voxels,)."""
    sigma = (0.0, SMOOTH_MM / spacing_mm[1], SMOOTH_MM / spacing_mm[2])
    total = ndimage.gaussian_filter(np.where(brain, values, 0.0).astype(np.float32), sigma)
    weight = ndimage.gaussian_filter(brain.astype(np.float32), sigma)
    return total[brain] / weight[brain]


def _two_kinds(features: np.ndarray) -> Any:
    """Two Gaussians of one covariance; the first is grey matter (longer T1)."""
    if len(features) < _LEAST_VOXELS:
        raise ValueError(
            f"{len(features)} voxels of solid tissue in the brain, expected {_LEAST_VOXELS} or "
            "more; is the mask that of a brain, and T1 in ms?"
        )
    mixture = needs_atlas_extra("sklearn.mixture")
    start = np.array([[np.log(t1), np.log(t2), pd / _PD_SCALE] for t1, t2, pd in _START])
    # Evenly spread voxels instead of random ones: the same brain gives the same labels.
    fitted = features[:: max(1, len(features) // _FITTED_VOXELS)]
    model = mixture.GaussianMixture(2, covariance_type="tied", means_init=start, random_state=0)
    model.fit(fitted)
    return model


def eroded(labels: np.ndarray, *, pixels: int) -> np.ndarray:
    """Labels without voxels nearer than ``pixels`` to another label, in the plane.

    Voxels at a border hold both tissues; leaving them out leaves out partial volume.

    Raises:
        ValueError: a negative number of pixels.
    """
    if pixels < 0:
        raise ValueError(f"cannot erode by {pixels} pixels; expected 0 or more")
    if pixels == 0:
        return labels
    cross = ndimage.generate_binary_structure(3, 1)
    cross[[0, 2]] = False
    kept = np.zeros_like(labels)
    for code in np.unique(labels[labels > 0]):
        inside = ndimage.binary_erosion(labels == code, cross, pixels, border_value=1)
        kept[inside] = code
    return kept
