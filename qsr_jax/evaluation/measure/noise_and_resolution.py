"""How noisy a map is, and how fine the detail is that it holds.

*Noise*: of each image by itself, so of every method and of the fast scan on its own grid. What an
upsampler writes to every other pixel is no noise: the *checkerboard* is taken out and told alone.
*Edge sharpness*: how steep the edges of the truth are in a map; without truth, those of routine,
whose noise is allowed for by its repetition where there is one.
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
from qsr_jax.metrics.checkerboard import checkerboard, split_checkerboard
from qsr_jax.metrics.resolution import (
    FRC_THRESHOLD,
    TRANSFER_HALF,
    resolution_mm,
    ring_sums,
)
from qsr_jax.metrics.sharpness import edge_sharpness, noise_level

KIND = "noise and resolution"
NOISE, CHECKERBOARD, SHARPNESS = "noise", "checkerboard", "edge sharpness"
OF_TRUTH, OF_RETEST = "resolution against truth", "test-retest resolution"
"""Its quantities."""
UNITS = {SHARPNESS: "", OF_TRUTH: "mm", OF_RETEST: "mm"}
"""Of quantities that are not in the unit of the map."""

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
        yield from _noise(names, method, images[method], mask, "inside the brain")
    yield from _sharpness(names, {m: images[m] for m in images if m in wanted}, images, mask)
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
    maps = case.fast.maps[chosen][..., channels]
    yield from _noise(names, FAST, maps, mask, "inside the brain, on its own grid")


def _noise(
    names: tuple[str, ...], method: str, maps: np.ndarray, mask: np.ndarray, said: str
) -> Iterator[Fields]:
    """Noise without the checkerboard, and the checkerboard."""
    plain, _, known = split_checkerboard(maps, mask)
    yield from _rows(names, method, NOISE, _means(noise_level(plain, known)), len(mask), said)
    board = _means(checkerboard(maps, mask))
    yield from _rows(names, method, CHECKERBOARD, board, len(mask), said)


def _sharpness(
    names: tuple[str, ...],
    wanted: Mapping[str, np.ndarray],
    images: Mapping[str, np.ndarray],
    mask: np.ndarray,
) -> Iterator[Fields]:
    """Against the truth, whose own is 1; else against routine, and 1 is a second routine scan."""
    reference = TRUTH if TRUTH in images else ROUTINE
    said, factor = f"edges of {reference} inside the brain", np.ones(len(names))
    if reference == ROUTINE and REPEAT in images:
        factor = _means(edge_sharpness(images[REPEAT], images[ROUTINE], mask))
        said += ", its noise allowed for by its repetition"
    elif reference == ROUTINE:
        said += ", too small for every method alike by the noise of routine"
    for method, image in wanted.items():
        if method != reference or reference == TRUTH:
            found = _means(edge_sharpness(image, images[reference], mask)) / factor
            yield from _rows(names, method, SHARPNESS, found, len(mask), said)


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
                "unit": UNITS.get(quantity, spec_of(name).unit),
                "method": method,
                "value": value,
                "count": count,
                "convention": said,
            }
