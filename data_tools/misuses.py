"""Ways to give a network a scan it was not made for, as changes to the maps of a fast scan.

They are cheap stand-ins: noise, motion and another matrix act on the maps here, on raw data in a
scanner. Where that matters, simulate it (``qsr simulate --motion-mm`` and others) and give the
cohort to ``qsr misuse --misused``.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import fft, ndimage

from qsr_jax.familiarity.head import BLOCK, head_mask, logarithms
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.types import Volume

ACQUIRED = 0.6
"""Of the frequencies of the fast grid, the part that the paper's fast protocol measures."""
EDGE_PX = 1.0
"""Width of a lesion's edge."""

Change = Callable[[Volume, np.random.Generator], np.ndarray]
"""From a scan to other maps of the same shape."""


def scaled(name: str, factor: float) -> Change:
    """One map times a factor."""
    return lambda volume, _: volume.maps * np.where(np.array(volume.names) == name, factor, 1.0)


def swapped(first: str, second: str) -> Change:
    """Two maps in each other's place."""
    names = {first: second, second: first}
    return lambda volume, _: volume.select([names.get(n, n) for n in volume.names]).maps


def turned(turn: Callable[[np.ndarray], np.ndarray]) -> Change:
    """All maps (z, y, x, c) turned or mirrored."""
    return lambda volume, _: turn(volume.maps)


def noisier(factor: float) -> Change:
    """Noise that makes the finest detail of tissue so many times as large.

    It is added to ln T1, ln T2 and PD, and holds the frequencies that a fast scan measures.
    """

    def change(volume: Volume, rng: np.random.Generator) -> np.ndarray:
        maps = np.maximum(volume.maps, 1.0)
        maps = np.where(np.array(volume.names) == "pd", maps, np.log(maps))
        noise = _kept(rng.standard_normal(maps.shape, np.float32), ACQUIRED)
        gain = np.sqrt(factor**2 - 1.0) * _finest(maps) / _finest(noise)
        made = maps + gain * noise
        return np.where(np.array(volume.names) == "pd", made, np.exp(np.minimum(made, 9.0)))

    return change


def _finest(maps: np.ndarray) -> np.ndarray:
    """Median second difference of every map along rows, in the middle of the image."""
    rows, columns = (slice(n // 3, n - n // 3) for n in maps.shape[1:3])
    middle = maps[:, rows, columns]
    apart = middle[:, 1:-1] - (middle[:, 2:] + middle[:, :-2]) / 2
    return np.median(np.abs(apart), axis=(0, 1, 2))


def coarser(width_px: float) -> Change:
    """Another matrix: images that are blurred by so much more, standard deviation in fast pixels.

    A matrix of 0.7 of the paper's along each axis adds about 1 pixel.
    """
    return lambda volume, _: np.exp(ndimage.gaussian_filter(_logs(volume), _in_plane(width_px)))


def sharper(gain: float) -> Change:
    """The edges of another filter: what a blur takes away is added so many times."""

    def change(volume: Volume, _: np.random.Generator) -> np.ndarray:
        logs = _logs(volume)
        return np.exp(logs + gain * (logs - ndimage.gaussian_filter(logs, _in_plane(1.0))))

    return change


def _logs(volume: Volume) -> np.ndarray:
    return np.log(np.maximum(volume.maps, np.float32(0.1)))


def _in_plane(width_px: float) -> tuple[float, float, float, float]:
    return 0.0, width_px, width_px, 0.0


def _kept(maps: np.ndarray, part: float) -> np.ndarray:
    """The lowest frequencies along rows and columns."""
    spectrum = fft.fft2(maps, axes=(1, 2))
    for axis in (1, 2):
        n = maps.shape[axis]
        shape = [1] * maps.ndim
        shape[axis] = n
        spectrum *= (np.abs(fft.fftfreq(n)) < part / 2).astype(np.float32).reshape(shape)
    return fft.ifft2(spectrum, axes=(1, 2)).real


def moved(mm: float, *, pieces: int = 4) -> Change:
    """A head that lies elsewhere for each of a few stretches of phase-encoding lines.

    Displacements are normal with this standard deviation along rows and columns. T1 and T2 of air
    are noise without a place; they stay, and do not leak into the head.
    """

    def change(volume: Volume, rng: np.random.Generator) -> np.ndarray:
        head = head_mask(volume, logarithms(volume)).repeat(BLOCK, 1).repeat(BLOCK, 2)[..., None]
        shown = head | (np.array(volume.names) == "pd")
        filled = np.where(shown, volume.maps, np.median(volume.maps[head[..., 0]], axis=0))
        y, x = (fft.fftfreq(n) for n in volume.maps.shape[1:3])
        cuts = np.sort(rng.uniform(-ACQUIRED / 2, ACQUIRED / 2, pieces - 1))
        by = rng.standard_normal((pieces, 2)) * mm / np.array(volume.geometry.spacing_mm[1:])
        mine = by[np.searchsorted(cuts, x)]
        turns = np.exp(-2j * np.pi * (y[:, None] * mine[:, 0] + x * mine[:, 1]))
        spectrum = fft.fft2(filled, axes=(1, 2)) * turns.astype(np.complex64)[..., None]
        return np.where(shown, np.abs(fft.ifft2(spectrum, axes=(1, 2))), volume.maps)

    return change


def lesioned(t1_ms: float, t2_ms: float, pd_percent: float, *, radius_mm: float) -> Change:
    """A ball of one value beside the middle of the head, its edge rough."""

    def change(volume: Volume, rng: np.random.Generator) -> np.ndarray:
        values = dict(zip(MAPS, (t1_ms, t2_ms, pd_percent), strict=True))
        shape, spacing = volume.maps.shape[:3], np.array(volume.geometry.spacing_mm)
        centre = np.array(shape) / 2 + rng.uniform(-0.5, 0.5, 3) * np.array(
            [4, *np.array(shape[1:]) / 6]
        )
        centre[2] = shape[2] / 2 + rng.choice([-1.0, 1.0]) * rng.uniform(18.0, 28.0) / spacing[2]
        apart = (np.indices(shape).T - centre) * spacing
        distance = np.linalg.norm(apart, axis=-1).T
        rough = ndimage.gaussian_filter(rng.standard_normal(shape), (1.0, 4.0, 4.0))
        edge = radius_mm * (1.0 + 0.1 * rough / rough.std()) - distance
        share = 1.0 / (1.0 + np.exp(-np.clip(edge / (EDGE_PX * spacing[1]), -30.0, 30.0)))
        inside = np.array([values[name] for name in volume.names], np.float32)
        return volume.maps + share[..., None] * (inside - volume.maps)

    return change


MISUSES: dict[str, Change] = {
    "T1 in seconds": scaled("t1", 1e-3),
    "PD from 0 to 1": scaled("pd", 1e-2),
    "T1 and T2 swapped": swapped("t1", "t2"),
    "T2 and PD swapped": swapped("t2", "pd"),
    "T1 x 0.8": scaled("t1", 0.8),
    "T1 x 1.25": scaled("t1", 1.25),
    "T2 x 0.8": scaled("t2", 0.8),
    "T2 x 1.25": scaled("t2", 1.25),
    "PD x 0.8": scaled("pd", 0.8),
    "PD x 1.25": scaled("pd", 1.25),
    "noise x 2": noisier(2.0),
    "noise x 3": noisier(3.0),
    "motion 1 mm": moved(1.0),
    "motion 2 mm": moved(2.0),
    "matrix x 0.7": coarser(1.0),
    "matrix x 0.85": coarser(0.6),
    "sharpened": sharper(1.0),
    "front to back": turned(lambda maps: maps[:, ::-1]),
    "left to right": turned(lambda maps: maps[:, :, ::-1]),
    "half a turn": turned(lambda maps: maps[:, ::-1, ::-1]),
    "quarter turn": turned(lambda maps: np.rot90(maps, 1, (1, 2))),
    "slices reversed": turned(lambda maps: maps[::-1]),
    "tumour, 12 mm": lesioned(1450.0, 110.0, 84.0, radius_mm=12.0),
    "tumour, 20 mm": lesioned(1450.0, 110.0, 84.0, radius_mm=20.0),
    "tumour, 30 mm": lesioned(1450.0, 110.0, 84.0, radius_mm=30.0),
    "bleeding, 12 mm": lesioned(600.0, 40.0, 75.0, radius_mm=12.0),
    "contrast agent, 12 mm": lesioned(400.0, 70.0, 80.0, radius_mm=12.0),
    "cyst, 15 mm": lesioned(4000.0, 1500.0, 100.0, radius_mm=15.0),
}
"""What the check does to every scan. Values of the tumour are the simulator's, which no patient of
a cohort has unless it is asked for."""


def misused(volume: Volume, change: Change, rng: np.random.Generator) -> Volume:
    """The changed scan; values stay in a map's range as a scanner writes it.

    Args:
        volume: a fast scan.
        change: of :data:`MISUSES`.
        rng: source of randomness.
    """
    high = np.array([spec_of(name).scanner_max for name in volume.names], np.float32)
    maps = np.clip(change(volume, rng), 0.0, high).astype(np.float32)
    return dataclasses.replace(volume, maps=np.ascontiguousarray(maps))
