"""Where the head lies in any set of maps, whatever their scale; and whether the scale can be right.

The usual mask (:func:`qsr_jax.ops.mask.tissue_mask`) wants T1, T2 and PD in their units. Here the
units are what is in doubt and a map may be missing, so that only ratios of neighbours are used:
where there is a head the logarithms of T1 and T2 are smooth, in air a fit of noise can give any
value.
"""

import numpy as np
from scipy import ndimage

from qsr_jax.maps import spec_of
from qsr_jax.types import Volume

BLOCK = 2
"""Pixels on a side whose values make one pixel of the mask."""
MOST_SPREAD = 0.35
"""Standard deviation of ln T1 and ln T2 in tissue; fits of noise scatter by about 1."""
LEAST_PD = 0.25
"""PD of the head, as a fraction of what its bright part has."""
LEAST_AREA = 0.04
"""Part of a slice that its head fills; slices with less say nothing."""
TINY = np.float32(1e-6)


class ScaleError(ValueError):
    """Values that cannot be those of a brain in the unit of their map."""


def logarithms(volume: Volume) -> np.ndarray:
    """Logarithm of every map, (z, y, x, c) float32; its largest value times 1e-6 is the least."""
    highest = np.maximum(volume.maps.max((0, 1, 2)), TINY)
    return np.log(np.maximum(volume.maps, TINY * highest), dtype=np.float32)


def head_mask(volume: Volume, logs: np.ndarray) -> np.ndarray:
    """Head with scalp, (z, y // 2, x // 2) bool, holes filled; one part in each slice.

    Args:
        volume: any maps.
        logs: of its maps, from :func:`logarithms`.
    """
    inside = np.ones([volume.maps.shape[0], *(n // BLOCK for n in volume.maps.shape[1:3])], bool)
    for channel, name in enumerate(volume.names):
        if name == "pd":
            pd = blocks(volume.maps[..., channel], BLOCK).mean((2, 4))
            inside &= pd > LEAST_PD * np.percentile(pd, 90)
            continue
        parts = blocks(logs[..., channel], BLOCK)
        mean, square = parts.mean((2, 4)), (parts * parts).mean((2, 4))
        mean, square = (ndimage.uniform_filter(one, (1, 3, 3)) for one in (mean, square))
        variance = square - mean * mean
        inside &= variance < MOST_SPREAD**2
    return np.stack([_one_part(one) for one in inside])


def _one_part(inside: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(ndimage.binary_closing(inside, iterations=2))
    if not count:
        return np.zeros_like(inside)
    largest = 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ndimage.binary_fill_holes(labels == largest)


def blocks(images: np.ndarray, side: int) -> np.ndarray:
    """(z, y, x) as (z, rows, side, columns, side); what fills no block is left out."""
    depth, rows, columns = images.shape[0], images.shape[1] // side, images.shape[2] // side
    cut = images[:, : rows * side, : columns * side]
    return cut.reshape(depth, rows, side, columns, side)


def check_units(volume: Volume) -> None:
    """Refuses maps whose median over the head cannot be that of a brain in their unit.

    Nothing is judged where no head is found.

    Raises:
        ScaleError: seconds in place of milliseconds, a fraction in place of percent, another map.
    """
    mask = head_mask(volume, logarithms(volume))
    if not mask.any():
        return
    for channel, name in enumerate(volume.names):
        spec = spec_of(name)
        low, high = spec.median_possible
        # One pixel of each block is enough for a median.
        values = volume.maps[:, ::BLOCK, ::BLOCK, channel][:, : mask.shape[1], : mask.shape[2]]
        median = float(np.median(values[mask]))
        if not low <= median <= high:
            raise ScaleError(
                f"median {spec.label} of the head is {median:.4g}, expected {low:g} to {high:g} "
                f"{spec.unit}; is the unit {spec.unit_word}, and is this the {spec.label} map?"
            )
