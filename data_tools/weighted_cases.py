"""Test slices of weighted records as arrays, and the same heads scanned at other times."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.data.records.weighted import CONTRAST_SLOPE, open_weighted
from qsr_jax.maps import MAPS
from qsr_jax.simulate.weighted_scan import perfect_study, weighted_slice

CSF, GREY, WHITE, LESION = 1, 2, 3, 4
"""Labels of ``tissue`` in the records."""

SLOPES = np.array([spec.slope for spec in MAPS.values()], np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class Slices:
    """Slices of studies whose maps are known.

    Attributes:
        images: (n, h, w, 3) T1w, T2w, FLAIR in percent of water's signal.
        truth: (n, h, w, 3) T1 ms, T2 ms, PD percent.
        brain: (n, h, w) bool.
        tissue: (n, h, w) labels.
        lesion: (n, h, w) number of the lesion, 0 none.
        acquisition_ms: (n, 7).
        subject: (n,) pseudonyms.
        source: (n,) "simulated" or "measured".
        pixel_mm: (n,) side of a pixel.
    """

    images: np.ndarray
    truth: np.ndarray
    brain: np.ndarray
    tissue: np.ndarray
    lesion: np.ndarray
    acquisition_ms: np.ndarray
    subject: np.ndarray
    source: np.ndarray
    pixel_mm: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def of(self, chosen: np.ndarray) -> "Slices":
        """Some of them, by index or flag."""
        parts = {f.name: getattr(self, f.name)[chosen] for f in dataclasses.fields(self)}
        return Slices(**parts)

    def from_source(self, name: str) -> "Slices":
        """Those of one source."""
        return self.of(self.source == name)


def read_slices(
    data_dir: Path, split: str, *, per_subject: int, with_lesions: bool = False
) -> Slices:
    """Reads a split: of every subject so many slices, evenly spread over its studies.

    Args:
        data_dir: of ``data_tools.synthesise_weighted``.
        split: "train", "validation" or "test".
        per_subject: at most so many; 0: all.
        with_lesions: only slices that show a lesion.

    Raises:
        DatasetError: see :func:`qsr_jax.data.records.weighted.open_weighted`.
        ValueError: no such slice.
    """
    records = open_weighted(data_dir, split, labels=True)
    places: dict[str, list[int]] = {}
    for index in range(len(records)):
        record = records[index]
        if record["lesion"].any() or not with_lesions:
            places.setdefault(record["subject"], []).append(index)
    chosen = [i for mine in places.values() for i in _spread(mine, per_subject)]
    if not chosen:
        raise ValueError(f"{data_dir}: no slice of {split} to look at; expected one or more")
    return _stacked([records[i] for i in chosen])


def _spread(places: Sequence[int], count: int) -> list[int]:
    if not count or len(places) <= count:
        return list(places)
    return [places[i] for i in np.linspace(0, len(places) - 1, count).round().astype(int)]


def _stacked(records: Sequence) -> Slices:
    def all_of(name: str) -> np.ndarray:
        return np.stack([np.asarray(record[name]) for record in records])

    return Slices(
        images=all_of("lr").astype(np.float32) * CONTRAST_SLOPE,
        truth=all_of("hr").astype(np.float32) * SLOPES,
        brain=all_of("mask")[..., 0] > 0,
        tissue=all_of("tissue")[..., 0],
        lesion=all_of("lesion")[..., 0],
        acquisition_ms=all_of("acquisition_ms").astype(np.float32),
        subject=all_of("subject"),
        source=all_of("source"),
        pixel_mm=all_of("spacing_mm")[:, 1].astype(np.float32),
    )


def scanned_again(slices: Slices, acquisition_ms: np.ndarray, *, snr: float, seed: int) -> Slices:
    """The same maps scanned at other times, without field, movement or loss of resolution.

    Args:
        slices: whose maps.
        acquisition_ms: (7,), or (n, 7) for every slice its own.
        snr: of white matter in every contrast; infinite for none.
        seed: of the noise.
    """
    times = np.broadcast_to(acquisition_ms, (len(slices), 7)).astype(np.float32)
    keys = jax.random.split(jax.random.key(seed), len(slices))
    rows = zip(keys, slices.truth, times, slices.pixel_mm, strict=True)
    images = [np.asarray(_scanned(key, maps, when, snr, float(mm))) for key, maps, when, mm in rows]
    return dataclasses.replace(slices, images=np.stack(images), acquisition_ms=times)


@functools.partial(jax.jit, static_argnames="pixel_mm")
def _scanned(
    key: jax.Array, maps: jax.Array, acquisition_ms: jax.Array, snr: float, pixel_mm: float
) -> jax.Array:
    study = perfect_study(acquisition_ms)._replace(
        snr=jnp.float32(snr), resolution_mm=jnp.full(3, pixel_mm)
    )
    return weighted_slice(key, maps, jnp.ones(maps.shape[:2]), study, pixel_mm=pixel_mm)


def phantom(values: Sequence[float], acquisition_ms: np.ndarray, *, side: int = 64) -> Slices:
    """A disc of one tissue in a ring of water, without noise; the ring tells what water is.

    Args:
        values: T1 ms, T2 ms, PD percent of the disc.
        acquisition_ms: (7,).
        side: of the slice, pixels.
    """
    y, x = np.mgrid[:side, :side] / side - 0.5
    radius = np.hypot(y, x)[None]
    tissue = np.where(radius < 0.35, WHITE, np.where(radius < 0.45, CSF, 0)).astype(np.uint8)
    disc, water = np.asarray(values, np.float32), np.array([4200.0, 1800.0, 100.0], np.float32)
    truth = np.where((tissue == WHITE)[..., None], disc, water) * (tissue > 0)[..., None]
    made = Slices(
        images=np.zeros((1, side, side, 3), np.float32),
        truth=truth.astype(np.float32),
        brain=tissue > 0,
        tissue=tissue,
        lesion=np.zeros_like(tissue),
        acquisition_ms=np.asarray(acquisition_ms, np.float32)[None],
        subject=np.array(["phantom"]),
        source=np.array(["phantom"]),
        pixel_mm=np.ones(1, np.float32),
    )
    return scanned_again(made, acquisition_ms, snr=float("inf"), seed=0)
