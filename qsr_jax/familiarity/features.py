"""Numbers that describe a fast scan: its values, its detail, its background, where it lies.

They are few, have a meaning each, and need no network. Whatever is compared is a logarithm or a
correlation, so that one number differs between two people by about as much as any other.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.familiarity.head import (
    BLOCK,
    LEAST_AREA,
    head_mask,
    logarithms,
)
from qsr_jax.familiarity.tiles import tiles_of
from qsr_jax.types import Volume

VALUES, DETAIL, BACKGROUND = "values of {}", "detail", "background"
PERCENTILES = (5, 25, 50, 75, 95)
"""Of the values in the head."""
LAGS = (1, 2, 4)
"""Pixels between which a map's detail is measured; acquired pixels are about 1.6 of these wide."""
DETAIL_PERCENTILES = (25, 50, 90)
"""Noise rules the first two, edges the last."""
BACKGROUND_PERCENTILES = (50, 90, 99)
LEAST_BACKGROUND = 1e-3
"""Of the head's median PD; a background that a scanner has set to 0 has this."""
MOST_SLICES = 8
"""Slices that are measured for values and detail, spread evenly over the head."""
RIM, AIR = 3, 5
"""Blocks that detail keeps away from the head's edge, and background from the head."""
CELLS, PARTS = 16, 3
"""Of the coarse picture of a scan: cells on a side, parts of the stack of slices."""


@dataclasses.dataclass(frozen=True)
class Features:
    """What is known of one scan.

    Attributes:
        kinds: name of a kind to its numbers.
        picture: (c + 1, parts, cells, cells) what is where: ln of every map against its median,
            and the head.
        tiles: (n, 2 c + 1), see :func:`qsr_jax.familiarity.tiles.tiles_of`.
        where: (n, 3) slice, row and column of every tile.
        shape: (z, y, x) of the scan.
    """

    kinds: dict[str, np.ndarray]
    picture: np.ndarray
    tiles: np.ndarray
    where: np.ndarray
    shape: tuple[int, int, int]


def features_of(volume: Volume) -> Features | None:
    """Describes a scan; None where there is no head in it."""
    logs = logarithms(volume)
    mask = head_mask(volume, logs)
    filled = np.flatnonzero(mask.mean((1, 2)) > LEAST_AREA)
    if not len(filled):
        return None
    used = filled[
        np.linspace(0, len(filled) - 1, min(len(filled), MOST_SLICES)).round().astype(int)
    ]
    kinds = _values(volume.names, logs[used], mask[used])
    kinds[DETAIL] = _detail(logs[used], mask[used])
    if "pd" in volume.names:
        kinds[BACKGROUND] = _background(logs[used, ..., volume.names.index("pd")], mask[used])
    picture = _picture(logs[used], mask[used])
    tiles, where = tiles_of(logs, mask, volume.names)
    return Features(kinds, picture, tiles, where, volume.geometry.shape)


def _thinned(logs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One pixel of each block of the mask."""
    return logs[:, ::BLOCK, ::BLOCK][:, : mask.shape[1], : mask.shape[2]]


def _values(names: tuple[str, ...], logs: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    inside = _thinned(logs, mask)[mask]
    found = np.percentile(inside, PERCENTILES, axis=0)
    return {VALUES.format(name): found[:, i] for i, name in enumerate(names)}


def _detail(logs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Logarithms of second differences inside the head, by map, axis, lag and percentile.

    A second difference over a lag answers to the frequencies about half a turn in it: together they
    say how a map's spectrum falls off, along each axis by itself.
    """
    inner = np.stack([ndimage.binary_erosion(one, iterations=RIM) for one in mask])
    inner = np.repeat(np.repeat(inner, BLOCK, 1), BLOCK, 2)
    rows, columns = (np.flatnonzero(inner.any(axes)) for axes in ((0, 2), (0, 1)))
    if not len(rows):
        return np.zeros(logs.shape[-1] * 2 * len(LAGS) * len(DETAIL_PERCENTILES))
    box = np.s_[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inner, found = inner[box], []
    for channel in range(logs.shape[-1]):
        image = logs[..., channel][box]
        for axis in (1, 2):
            ahead = np.moveaxis(image, axis, 0)
            there = np.moveaxis(inner, axis, 0)
            for lag in LAGS:
                middle = ahead[lag:-lag] - (ahead[: -2 * lag] + ahead[2 * lag :]) / 2
                sizes = np.abs(middle[there[lag:-lag]])[::2]
                found.append(np.percentile(sizes, DETAIL_PERCENTILES) if len(sizes) else [1.0] * 3)
    return np.log(np.array(found).ravel() + 1e-4)


def _background(log_pd: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Logarithms of PD outside the head, against the median inside."""
    air = ~np.stack([ndimage.binary_dilation(one, iterations=AIR) for one in mask])
    pd = _thinned(log_pd, mask)
    if not air.any():
        return np.full(len(BACKGROUND_PERCENTILES), np.log(LEAST_BACKGROUND))
    found = np.percentile(pd[air], BACKGROUND_PERCENTILES) - np.median(pd[mask])
    return np.log(np.exp(found) + LEAST_BACKGROUND)


def _picture(logs: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What is where, coarsely; the parts of the stack run from below to above."""
    thin = _thinned(logs, mask)
    apart = np.clip(thin - np.median(thin[mask], axis=0), -1.0, 1.0) * mask[..., None]
    images = [*np.moveaxis(apart, -1, 0), mask.astype(np.float32)]
    coarse = np.stack([_coarse(one) for one in images])
    count = coarse.shape[1]
    starts = [part * count // PARTS for part in range(PARTS)]
    ends = [max(s + 1, (part + 1) * count // PARTS) for part, s in enumerate(starts)]
    return np.stack([coarse[:, s:e].mean(1) for s, e in zip(starts, ends, strict=True)], 1)


def _coarse(images: np.ndarray) -> np.ndarray:
    """(z, y, x) to (z, CELLS, CELLS): means of what lies in a cell, any size of image."""
    rows, columns = (np.arange(n) * CELLS // n for n in images.shape[1:])
    sums = np.zeros((len(images), CELLS, CELLS), np.float32)
    counts = np.zeros((CELLS, CELLS), np.float32)
    place = np.ix_(rows, columns)
    for image, into in zip(images, sums, strict=True):
        np.add.at(into, place, image)
    np.add.at(counts, place, 1.0)
    return sums / np.maximum(counts, 1.0)
