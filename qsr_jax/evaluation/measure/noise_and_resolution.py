"""How noisy a map is, and how fine the detail is that it holds.

*Noise*: of each image by itself, so of every method and of the fast scan on its own grid.
*Resolution against the truth*: the period at which half of the truth's detail is left (noise left
out). *Test-retest resolution*: the period at which Fourier-ring correlation with the routine
scan repeated falls to 1/7; the two scans share the subject and not the noise.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.measure.image_quality import brain_box, brain_mask
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH, Fields
from qsr_jax.maps import spec_of
from qsr_jax.metrics.resolution import (
    FRC_THRESHOLD,
    TRANSFER_HALF,
    resolution_mm,
    ring_sums,
)
from qsr_jax.metrics.sharpness import noise_level

KIND = "noise and resolution"
NOISE, OF_TRUTH, OF_RETEST = "noise", "resolution against truth", "test-retest resolution"
"""Its quantities."""

SHOWN = (FAST, BICUBIC, TRAINED, REPEAT, ROUTINE, TRUTH)
"""Methods that are looked at; the fast scan has no resolution on the routine grid."""

SLICES = 3
"""Evenly spread over the slices with brain; more cost time and tell the same."""


def resolution_fields(
    case: Case,
    names: tuple[str, ...],
    sources: Mapping[str, np.ndarray],
    *,
    wanted: Collection[str],
) -> Iterator[Fields]:
    """Noise and resolution of one subject.

    Args:
        case: the subject.
        names: c map names.
        sources: method to (z, y, x, c) physical units on the routine grid, references among them.
        wanted: methods to measure.

    Yields:
        The fields of a value but the subject's.
    """
    whole = brain_mask(case)
    brain = np.flatnonzero(whole.any((1, 2)))
    chosen = np.unique(brain[np.linspace(0, len(brain) - 1, SLICES).round().astype(int)])
    _, rows, columns = brain_box(whole)
    cut = (chosen[:, None, None], np.r_[rows][:, None], np.r_[columns])
    mask = whole[cut]
    images = {m: sources[m][cut] for m in SHOWN if m in sources and m != FAST}
    if FAST in wanted:
        yield from _noise_of_fast(case, names, chosen)
    for method in (m for m in images if m in wanted):
        found = _means(noise_level(images[method], mask))
        yield from _rows(names, method, NOISE, found, len(chosen), "inside the brain")
    spacing_mm = case.routine.geometry.spacing_mm[1:]
    for reference, quantity, threshold in (
        (TRUTH, OF_TRUTH, TRANSFER_HALF),
        (REPEAT, OF_RETEST, FRC_THRESHOLD),
    ):
        for method, image in images.items() if reference in images else ():
            if method in (TRUTH, reference) or method not in wanted:
                continue
            sums = ring_sums(image, images[reference], mask, spacing_mm=spacing_mm).pooled()
            curve = sums.transfer() if reference == TRUTH else sums.correlation()
            found = resolution_mm(curve, sums.frequency_per_mm, threshold=threshold)[0]
            what = "transfer" if reference == TRUTH else "Fourier-ring correlation"
            said = f"{what} {threshold:.3g}, inside the brain, its edge softened"
            yield from _rows(names, method, quantity, found, len(chosen), said)


def _noise_of_fast(case: Case, names: tuple[str, ...], chosen: np.ndarray) -> Iterator[Fields]:
    step = case.routine.geometry.shape[1] // case.fast.geometry.shape[1]
    channels = [case.fast.names.index(name) for name in names]
    mask = brain_mask(case)[chosen][:, ::step, ::step]
    found = _means(noise_level(case.fast.maps[chosen][..., channels], mask))
    yield from _rows(names, FAST, NOISE, found, len(chosen), "inside the brain, on its own grid")


def _means(per_slice: np.ndarray) -> np.ndarray:
    """(c,) means over the slices that have a value; NaN where none has."""
    values = np.asarray(per_slice, np.float64)
    counted = np.isfinite(values)
    return np.where(counted, values, 0.0).sum(0) / np.where(counted.any(0), counted.sum(0), np.nan)


def _rows(
    names: tuple[str, ...], method: str, quantity: str, values: np.ndarray, count: int, said: str
) -> Iterator[Fields]:
    for name, value in zip(names, values.tolist(), strict=True):
        if np.isfinite(value):
            yield {
                "kind": KIND,
                "place": "brain",
                "map": name,
                "quantity": quantity,
                "unit": spec_of(name).unit if quantity == NOISE else "mm",
                "method": method,
                "value": value,
                "count": count,
                "convention": said,
            }
