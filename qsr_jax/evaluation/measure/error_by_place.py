"""How far every method is from routine and from the truth, voxel by voxel, in one place at a time.

Water decides any number that is taken over a whole brain: T2 of CSF is ten times that of tissue,
and its errors are larger still. *Parenchyma* (grey matter, white matter, lesions) is where the
values are read; the brain mask and the frame stand beside it.

The fast scan is measured as a method of its own: every routine voxel reads the fast voxel that
covers it, nothing is smoothed. That is the fast scan as it is, on the voxels of all the others; on
its own coarser grid the reference would have to be averaged, and its noise with it.

*Air*: what a map says where there is nothing. A fit of noise can say anything there; a network may
learn to write it.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.regions import GREY, WHITE
from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.measure.image_quality import brain_mask
from qsr_jax.evaluation.measure.labels import Labels
from qsr_jax.evaluation.values import TRUTH, Fields
from qsr_jax.maps import spec_of

KIND = "error by place"
PARENCHYMA, BRAIN, FRAME = "parenchyma", "brain", "frame"
PLACES = (PARENCHYMA, "GM", "WM", "lesion", BRAIN, FRAME)
"""Where errors are taken, as far as labels tell them."""

RMSE, BIAS = "rmse", "bias"


def against(quantity: str, reference: str) -> str:
    """The quantity of a value: "rmse against routine", "bias against truth"."""
    return f"{quantity} against {reference}"


AIR_KIND, AIR_PLACE = "air", "outside the head"
AIR_MEAN, AIR_HIGH = "mean", "99th percentile"
HIGH_PERCENT = 99.0
AIR_MM = 30.0
"""Without a truth, air is what lies further than this from the brain in its slice: scalp, skull and
their blur are thinner."""
AIR_FROM_HEAD_MM = 3.0
"""With a truth, air is what lies further than this from the head: no voxel mixes both there."""


def error_fields(
    case: Case,
    names: tuple[str, ...],
    sources: Mapping[str, np.ndarray],
    labels: Labels | None,
    *,
    wanted: Collection[str],
) -> Iterator[Fields]:
    """Root mean squared error and bias of every method in every place, and what it says in air.

    Args:
        case: the subject.
        names: c map names.
        sources: method to (z, y, x, c) physical units on the routine grid; routine among them, and
            the truth where it is known.
        labels: tissues and lesions, or None.
        wanted: methods to measure.

    Yields:
        The fields of a value but the subject's; one number over all voxels of the place.
    """
    places = places_of(case, labels)
    for reference in (r for r in (ROUTINE, TRUTH) if r in sources):
        for method in (m for m in sources if m in wanted and m != reference):
            for place, inside in places.items():
                off = sources[method][inside] - sources[reference][inside]
                square = np.square(off, dtype=np.float64).mean(0)
                for quantity, found in ((RMSE, np.sqrt(square)), (BIAS, off.mean(0, np.float64))):
                    row = {"quantity": against(quantity, reference), "count": len(off)}
                    yield from _rows(names, KIND, place, method, found, row)
    yield from _air_fields(case, names, {m: v for m, v in sources.items() if m in wanted})


def _air_fields(
    case: Case, names: tuple[str, ...], sources: Mapping[str, np.ndarray]
) -> Iterator[Fields]:
    outside, said = air_of(case)
    for method, maps in sources.items() if outside.any() else ():
        there = maps[outside]
        high = np.percentile(there, HIGH_PERCENT, axis=0)
        for quantity, found in ((AIR_MEAN, there.mean(0, np.float64)), (AIR_HIGH, high)):
            row = {"quantity": quantity, "count": len(there), "convention": said}
            yield from _rows(names, AIR_KIND, AIR_PLACE, method, found, row)


def places_of(case: Case, labels: Labels | None) -> dict[str, np.ndarray]:
    """Place to (z, y, x) bool, of :data:`PLACES` that hold a voxel."""
    found = {BRAIN: brain_mask(case), FRAME: np.ones(case.routine.geometry.shape, bool)}
    if labels is not None:
        lesion = labels.lesions > 0
        grey, white = ((labels.tissue == code) & ~lesion for code in (GREY, WHITE))
        found |= {PARENCHYMA: grey | white | lesion, "GM": grey, "WM": white, "lesion": lesion}
    return {place: found[place] for place in PLACES if place in found and found[place].any()}


def air_of(case: Case) -> tuple[np.ndarray, str]:
    """(z, y, x) bool outside the head, and how it was told."""
    spacing_mm = case.routine.geometry.spacing_mm[1:]
    if case.truth is None:
        head, far, said = brain_mask(case), AIR_MM, "the brain"
    else:
        head, far, said = case.truth.tissue > 0, AIR_FROM_HEAD_MM, "the true head"
    apart = [
        ndimage.distance_transform_edt(~part, spacing_mm) > far if part.any() else ~part
        for part in head
    ]
    return np.stack(apart), f"further than {far:g} mm from {said} in its slice"


def _rows(
    names: tuple[str, ...],
    kind: str,
    place: str,
    method: str,
    values: np.ndarray,
    shared: Fields,
) -> Iterator[Fields]:
    for name, value in zip(names, values.tolist(), strict=True):
        yield {
            "kind": kind,
            "place": place,
            "map": name,
            "unit": spec_of(name).unit,
            "method": method,
            "value": value,
            "convention": "all voxels of the place together",
        } | shared
