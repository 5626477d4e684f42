"""Where there is brain, told from the maps alone, or from weighted images."""

import numpy as np
from scipy import ndimage

MAX_PD_SPREAD = 0.35
MAX_LOG_SPREAD = 0.35
"""Standard deviation inside a small window of tissue, of PD over its mean, of ln T1 and of ln T2.

Fits of noise scatter by about 1 in ln T1 and ln T2; tissue of one kind stays below 0.2.
"""
PD_FRACTION = 0.4
"""Tissue has more than this fraction of the usual PD; half of it where a voxel is half air."""
WINDOWS_PER_SIDE = 100
"""A window is about this part of the image: 5 pixels of 512, never fewer than 3."""
LEAST_T1_MS, LEAST_T2_MS = 550.0, 52.0
"""Brain and water lie above both; fat below the first, muscle and skin below the second."""
WHITE_BELOW_MS, GREY_BELOW_MS = 1050.0, 2200.0
"""T1 at 3 T that parts white from grey matter, and grey matter from CSF: half way between usual
values. For heads whose tissues nobody has labelled."""
WATER_T2_MS = 200.0
"""T2 above which a place holds more water than tissue, whatever its T1: 2.5 times grey matter's."""
LEAST_FRACTION = 0.1
"""Fraction of the tissue that must have a brain's values before scalp is told from brain."""
BRIDGES_PER_SIDE = 128
"""Bridges between brain and scalp, across the skull, are thinner than twice this part of the image:
4 pixels of 512, 1.7 mm."""
BRIGHTEST, BRIGHT_PART, OPENED_MM = 98.0, 0.45, 4.5
"""Of weighted images: percentile that is 1, part of the usual brightness of the head that tissue
and water exceed, and half the width of bridges across the skull that are cut."""
_IN_PLANE = np.zeros((3, 3, 3), bool)
_IN_PLANE[1] = ndimage.generate_binary_structure(2, 1)
"""Pixels of one slice touch along an edge; slices do not."""


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


def brain_in_images(images: np.ndarray, pixel_mm: float) -> np.ndarray:
    """Finds the brain, water included, in images of several contrasts; holes filled.

    Each image is divided by its own brightest, and they are added up: water is bright in one,
    tissue in the others, bone and air in none. What the dark skull lets through is opened, the
    largest connected part kept and grown back. Careful at the skull's base, where nothing dark
    lies between brain and neck: look at it.

    Args:
        images: (z, y, x, c), not negative; any gains.
        pixel_mm: side of a pixel.

    Returns:
        (z, y, x) bool.

    Raises:
        ValueError: another shape, or nothing is bright.

    >>> y, x = np.mgrid[:96, :96] - 48
    >>> r = np.hypot(y, x)
    >>> head = ((r < 30) | ((r > 36) & (r < 42)))[None, ..., None] * np.ones(3)
    >>> found = brain_in_images(head, 2.0)
    >>> int(abs(found.sum() - (r < 30).sum())) < 100
    True
    """
    if images.ndim != 4 or not images.any():
        raise ValueError(f"images of shape {images.shape}, expected (z, y, x, c), not all 0")
    tops = [max(np.percentile(one[one > 0], BRIGHTEST), 1e-9) if one.any() else 1.0
            for one in np.moveaxis(images, -1, 0)]  # fmt: skip
    total = (images / np.array(tops)).sum(-1) / images.shape[-1]
    bright = total > BRIGHT_PART * np.median(total[total > total.mean()])
    core = ~_near(~bright, OPENED_MM / pixel_mm)
    if not core.any():
        return _filled(_largest_part(bright))
    return _filled(bright & _near(_largest_part(core), OPENED_MM / pixel_mm + 1))


def _brain(head: np.ndarray, t1_ms: np.ndarray, t2_ms: np.ndarray) -> np.ndarray:
    """The largest part of ``head`` with brain's values, bridges across the skull cut."""
    like_brain = head & _mostly(t1_ms > LEAST_T1_MS) & _mostly(t2_ms > LEAST_T2_MS)
    radius = head.shape[-1] / BRIDGES_PER_SIDE
    core = ~_near(~like_brain, radius)
    if core.sum() < LEAST_FRACTION * head.sum():
        return _largest_part(head)
    return like_brain & _near(_largest_part(core), radius + 1)


def _near(mask: np.ndarray, radius: float) -> np.ndarray:
    """What lies within ``radius`` pixels of ``mask``, slice by slice.

    The disc is a stack of rows; from its rim to its middle each is as wide as the last, and more.
    """
    near, wide, reach = np.zeros_like(mask), mask.copy(), 0
    for rows in range(int(radius), -1, -1):
        half = int(np.sqrt(radius**2 - rows**2))
        for columns in range(reach + 1, half + 1):
            wide[..., columns:] |= mask[..., :-columns]
            wide[..., :-columns] |= mask[..., columns:]
        reach = half
        near[:, rows:] |= wide[:, : mask.shape[1] - rows]
        near[:, : mask.shape[1] - rows] |= wide[:, rows:]
    return near


def _mostly(above: np.ndarray) -> np.ndarray:
    """Whether 5 of 3 x 3 pixels are above a level, in every slice: whether their median is."""
    padded = np.pad(above.astype(np.uint8), ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] >= 5


def _window_statistics(values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every in-plane window, (z, y, x) each."""
    means, spreads = (np.empty(values.shape, np.float32) for _ in range(2))
    for image, mean, spread in zip(values.astype(np.float32), means, spreads, strict=True):
        mean[:] = _window_mean(image, width)
        square = _window_mean(image * image, width)
        spread[:] = np.sqrt(np.maximum(square - mean * mean, 0.0))
    return means, spreads


def _window_mean(image: np.ndarray, width: int) -> np.ndarray:
    """Mean of every window of one slice (y, x); the edge goes on outside.

    Whole rows are added up: scipy's filter goes down each column by itself, in twice the time.
    """
    side, rows = width // 2, len(image)
    padded = np.pad(image, ((side, side), (0, 0)), mode="edge")
    total = padded[:rows].astype(np.float64)
    for row in range(1, width):
        total += padded[row : row + rows]
    total /= width
    return ndimage.uniform_filter1d(total.astype(np.float32), width, axis=1, mode="nearest")


def _largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest part of ``mask`` whose voxels touch, diagonally or across slices included."""
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if not count:
        return mask
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def _filled(mask: np.ndarray) -> np.ndarray:
    """Fills what is enclosed inside each slice."""
    labels, count = ndimage.label(~mask, _IN_PLANE)
    enclosed = np.ones(count + 1, bool)
    for edge in (labels[:, 0], labels[:, -1], labels[..., 0], labels[..., -1]):
        enclosed[edge] = False
    enclosed[0] = True  # the mask itself
    return enclosed[labels]
