"""Where there is tissue, told from the maps alone."""

import numpy as np
from scipy import ndimage

MAX_PD_SPREAD = 0.35
MAX_LOG_SPREAD = 0.35
"""Standard deviation inside a small window of tissue: PD as a share of its mean, ln T1, ln T2.

Fits of noise scatter by about 1 in ln T1 and ln T2; tissue of one kind stays below 0.2.
"""
PD_SHARE = 0.4
"""Tissue has more than this share of the usual PD; half of it where a voxel is half air."""
WINDOWS_PER_SIDE = 100
"""A window is about this part of the image: 5 pixels of 512, never fewer than 3."""


def tissue_mask(t1_ms: np.ndarray, t2_ms: np.ndarray, pd_percent: np.ndarray) -> np.ndarray:
    """Finds the head in the maps of one scan: True where there is tissue, holes filled.

    PD alone does not tell tissue from air, where a fit of noise can give any value; but there the
    three maps change from pixel to pixel. So the mask starts from small windows that are both
    smooth in all maps and bright in PD, takes the pixels of these windows that are bright, keeps
    the largest connected part and fills the holes of every slice.

    Args:
        t1_ms: (z, y, x) T1, ms.
        t2_ms: (z, y, x) T2, ms.
        pd_percent: (z, y, x) PD, percent; any scale will do, only its shares are used.

    Returns:
        (z, y, x) bool.

    Raises:
        ValueError: shapes differ, or nothing looks like tissue.
    """
    if not t1_ms.shape == t2_ms.shape == pd_percent.shape or t1_ms.ndim != 3:
        shapes = t1_ms.shape, t2_ms.shape, pd_percent.shape
        raise ValueError(f"maps have shapes {shapes}, expected three equal (z, y, x)")
    width = max(3, t1_ms.shape[-1] // WINDOWS_PER_SIDE | 1)
    pd_mean, pd_spread = _window_statistics(pd_percent, width)
    smooth = pd_spread < MAX_PD_SPREAD * pd_mean
    for times in (t1_ms, t2_ms):
        smooth &= _window_statistics(np.log(np.maximum(times, 1.0)), width)[1] < MAX_LOG_SPREAD
    if not smooth.any():
        raise ValueError("no tissue in the maps: nowhere are T1, T2 and PD smooth and above 0")
    bright = PD_SHARE * np.percentile(pd_mean[smooth], 75)
    windows = ndimage.binary_dilation(smooth & (pd_mean > bright), np.ones((1, width, width)))
    return _filled(_largest_part(windows & (pd_mean > bright)))


def _window_statistics(values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every in-plane window, (z, y, x) each."""
    size = (1, width, width)
    values = values.astype(np.float32)
    mean = ndimage.uniform_filter(values, size, mode="nearest")
    square = ndimage.uniform_filter(values * values, size, mode="nearest")
    return mean, np.sqrt(np.maximum(square - mean * mean, 0.0))


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest part of ``mask`` whose voxels touch, diagonally or across slices included."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if not count:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def _filled(mask: np.ndarray) -> np.ndarray:
    """Fills what is enclosed inside each slice."""
    return np.stack([ndimage.binary_fill_holes(part) for part in mask])
