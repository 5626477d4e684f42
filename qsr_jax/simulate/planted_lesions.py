"""Lesions put into the maps of a head: does a reconstruction keep what no healthy brain has?

Irregular blobs of the phantom's kind, all of one T1 and one T2, in white matter of measured maps.
"""

import numpy as np
from scipy import ndimage

from qsr_jax.ops.mask import WHITE_BELOW_MS
from qsr_jax.phantom.lesions import Lesion, draw_shapes

KIND = "mild MS plaque"
"""Of the phantom, whose size they have: a shape, not its values."""
RADIUS_MM = (4.0, 7.0)
"""Mean radius; drawn uniformly."""
LESION_MS = (1400.0, 150.0)
"""T1 and T2 of a chronic lesion at 3 T, the same everywhere in all."""
LESION_WATER = 1.15
"""PD over that of the white matter that it lies in."""
DEEP, DEEP_MM = 0.8, 3.0
"""A centre lies where so much of what is around is white matter; standard deviation of the
Gaussian that tells what is around."""
MOST = 255
"""Labels that a file of bytes holds."""


def plant_lesions(
    maps: np.ndarray, brain: np.ndarray, per_slice: int, *, seed: int, pixel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Maps with lesions in every slice, and which pixel belongs to which.

    Args:
        maps: (z, y, x, 3) T1 ms, T2 ms, PD.
        brain: (z, y, x) bool.
        per_slice: lesions of a slice, each of this slice alone.
        seed: of places and shapes.
        pixel_mm: side of a pixel.

    Returns:
        The maps, and (z, y, x) uint8 number of the lesion that fills at least half of a pixel, 0
        elsewhere.

    Raises:
        ValueError: no room for so many, or none asked for.
    """
    if not 1 <= per_slice * len(maps) <= MOST:
        raise ValueError(
            f"{per_slice} lesions in each of {len(maps)} slices; expected 1 to {MOST} in all"
        )
    planted, labels = maps.copy(), np.zeros(brain.shape, np.uint8)
    for number, (slice_maps, within) in enumerate(zip(maps, brain, strict=True)):
        rng = np.random.default_rng([seed, number])
        places = _places(rng, slice_maps, within, per_slice, pixel_mm)
        if len(places) < per_slice:
            raise ValueError(
                f"slice {number}: white matter has room for {len(places)} lesions of "
                f"{per_slice}; expected fewer, or slices through the white matter"
            )
        depth, label = draw_shapes(rng, places, (1, *within.shape))
        part = np.clip(depth[0] + 0.5, 0.0, 1.0) * within
        wanted = (*LESION_MS, LESION_WATER * slice_maps[..., 2])
        for channel, value in enumerate(wanted):
            inside = slice_maps[..., channel]
            planted[number, ..., channel] = inside + part * (value - inside)
        labels[number] = np.where(part >= 0.5, label[0] + number * per_slice, 0)
    return planted, labels


def _places(
    rng: np.random.Generator, maps: np.ndarray, brain: np.ndarray, count: int, pixel_mm: float
) -> list[Lesion]:
    """Lesions of a slice whose boxes do not touch; as many as there is room for."""
    white = brain & (maps[..., 0] < WHITE_BELOW_MS)
    room = ndimage.gaussian_filter(white.astype(np.float32), DEEP_MM / pixel_mm) > DEEP
    found: list[Lesion] = []
    for _ in range(count):
        radius = float(rng.uniform(*RADIUS_MM)) / pixel_mm
        new = Lesion(KIND, (0, 0, 0), radius, np.asarray([*LESION_MS, 0.0]))
        free = room.copy()
        for other in found:
            apart, (_, y, x) = new.reach + other.reach, other.centre
            free[max(y - apart, 0) : y + apart + 1, max(x - apart, 0) : x + apart + 1] = False
        choices = np.argwhere(free)
        if not len(choices):
            break
        y, x = choices[rng.integers(len(choices))].tolist()
        found.append(Lesion(KIND, (0, y, x), radius, new.value))
    return found
