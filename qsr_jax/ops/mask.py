"""Where there is brain, told from the maps alone."""

import numpy as np
from scipy import ndimage

MAX_PD_SPREAD = 0.35
MAX_LOG_SPREAD = 0.35
"""Standard deviation inside a small window of tissue: PD as a fraction of its mean, ln T1, ln T2.

Fits of noise scatter by about 1 in ln T1 and ln T2; tissue of one kind stays below 0.2.
"""
PD_FRACTION = 0.4
"""Tissue has more than this fraction of the usual PD; half of it where a voxel is half air."""
WINDOWS_PER_SIDE = 100
"""A window is about this part of the image: 5 pixels of 512, never fewer than 3."""
LEAST_T1_MS, LEAST_T2_MS = 550.0, 52.0
"""Brain and water lie above both; fat below the first, muscle and skin below the second."""
LEAST_FRACTION = 0.1
"""Fraction of the tissue that must have a brain's values before scalp is told from brain."""
BRIDGES_PER_SIDE = 128
"""Bridges between brain and scalp, across the skull, are thinner than twice this part of the image:
4 pixels of 512, 1.7 mm."""


def tissue_mask(t1_ms: np.ndarray, t2_ms: np.ndarray, pd_percent: np.ndarray) -> np.ndarray:
    """Finds the brain in the maps of one scan, with the water around it; holes filled.

    PD alone does not tell tissue from air, where a fit of noise can give any value; but there the
    three maps change from pixel to pixel. So the mask starts from small windows that are both
    smooth in all maps and bright in PD, and takes the pixels of these windows that are bright.
    Scalp is told by its values (fat has short T1, muscle and skin short T2); what bridges the skull
    is opened, the largest connected part kept and grown back, and the holes of every slice filled.

    Where hardly anything has a brain's values (a bottle, swapped maps, other units), all tissue is
    taken: whoever judges the maps must see them.

    Args:
        t1_ms: (z, y, x) T1, ms.
        t2_ms: (z, y, x) T2, ms.
        pd_percent: (z, y, x) PD, percent; any scale will do, only its fractions are used.

    Returns:
        (z, y, x) bool.

    Raises:
        ValueError: shapes differ, or nothing looks like tissue.

    >>> y, x = np.mgrid[:64, :64] - 32
    >>> head = np.hypot(y, x)[None] < 20
    >>> maps = [np.where(head, value, 0.0) for value in (1200.0, 90.0, 80.0)]
    >>> bool((tissue_mask(*maps) == head).all())
    True
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
    bright = PD_FRACTION * np.percentile(pd_mean[smooth], 75)
    windows = ndimage.binary_dilation(smooth & (pd_mean > bright), np.ones((1, width, width)))
    head = windows & (pd_mean > bright)
    return _filled(_brain(head, t1_ms, t2_ms))


def _brain(head: np.ndarray, t1_ms: np.ndarray, t2_ms: np.ndarray) -> np.ndarray:
    """The largest part of ``head`` with brain's values, bridges across the skull cut."""
    like_brain = head & (_median(t1_ms) > LEAST_T1_MS) & (_median(t2_ms) > LEAST_T2_MS)
    radius = head.shape[-1] / BRIDGES_PER_SIDE
    core = _eroded(like_brain, radius)
    if core.sum() < LEAST_FRACTION * head.sum():
        return _largest_part(head)
    core = _largest_part(core)
    grown = [ndimage.distance_transform_edt(~part) <= radius + 1 for part in core]
    return like_brain & np.stack(grown) & core.any(axis=(1, 2), keepdims=True)


def _eroded(mask: np.ndarray, radius: float) -> np.ndarray:
    """What lies more than ``radius`` pixels inside ``mask``, slice by slice."""
    return np.stack([ndimage.distance_transform_edt(part) > radius for part in mask])


def _median(times: np.ndarray) -> np.ndarray:
    """Median over 3 x 3 pixels of every slice."""
    return ndimage.median_filter(times, (1, 3, 3))


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
