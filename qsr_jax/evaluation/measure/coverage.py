"""Are the standard deviations to be believed: how many errors lie within 1.96 of them?

Of voxels by tissue, and of the means over regions, tissues and lesions. The error is against the
truth, where it is known, and against routine, whose own noise a network that learned the truth does
not answer for.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.evaluation.measure.error_by_place import BRAIN, against, places_of
from qsr_jax.evaluation.measure.labels import FLUID, Labels
from qsr_jax.evaluation.measure.labels import TISSUES as TISSUE_CODES
from qsr_jax.evaluation.values import Fields
from qsr_jax.maps import spec_of
from qsr_jax.statistics.moments import LIMIT_Z
from qsr_jax.types import REPEAT, ROUTINE, Prediction, Volume

KIND = "coverage"
INSIDE, SPREAD, ERROR = "inside", "standard deviation", "rmse"
"""Percent of errors within the 95 % interval; root mean squares of what was said and what is."""

VOXELS = ("GM", "WM", *FLUID.values(), "lesion", BRAIN)
REGIONS, TISSUES, LESIONS = "means of regions", "means of tissues", "means of lesions"
MEANS = (REGIONS, TISSUES, LESIONS)
"""Places: of voxels, and of means."""

LEARNED, OTHER = "what the network learned to make", "not what the network learned to make"
"""Conventions."""


def coverage_fields(
    case: Case,
    names: tuple[str, ...],
    predictions: Mapping[str, Prediction],
    references: Mapping[str, Volume],
    labels: Labels | None,
) -> Iterator[Fields]:
    """Of every method that tells its spread, how many errors its intervals hold.

    Args:
        case: the subject.
        names: c maps that all methods have.
        predictions: method to what it made.
        references: routine and, where it is known, the truth.
        labels: tissues, regions and lesions, or None.

    Yields:
        The fields of a value but the subject's.
    """
    if all(made.std is None for made in predictions.values()):
        return
    places, groups = _voxel_places(case, labels), {} if labels is None else _mean_places(labels)
    for method, whole in predictions.items():
        if whole.std is None:
            continue
        made = whole.select(names)
        assert made.std is not None
        for reference, volume in references.items():
            off = made.mean - volume.select(names).maps
            learned = {REPEAT: ROUTINE}.get(made.std_against or "", made.std_against) == reference
            said = LEARNED if learned else OTHER
            row = {"kind": KIND, "method": method, "convention": said}
            for place, inside in places.items():
                yield from _rows(row, names, place, reference, off[inside], made.std[inside])
            for place, parts in groups.items() if made.mean_laws else ():
                errors = np.stack([off[part].mean(0, np.float64) for part in parts])
                std = np.stack([_std_of_mean(made, part, place) for part in parts])
                yield from _rows(row, names, place, reference, errors, std)


def _std_of_mean(made: Prediction, inside: np.ndarray, place: str) -> np.ndarray:
    """How sure a mean is, (c,); the voxels of a lesion err as one, so no law applies to them."""
    if place != LESIONS:
        return made.std_of_mean(inside)
    assert made.std is not None
    return np.sqrt(np.square(made.std[inside], dtype=np.float64).mean(0))


def _voxel_places(case: Case, labels: Labels | None) -> dict[str, np.ndarray]:
    """Place to (z, y, x) bool."""
    found = places_of(case, labels)
    if labels is not None:
        found |= {name: labels.tissue == code for code, name in FLUID.items()}
    return {place: found[place] for place in VOXELS if place in found and found[place].any()}


def _mean_places(labels: Labels) -> dict[str, list[np.ndarray]]:
    """Kind of place to the voxels of each."""
    kinds = {
        REGIONS: (labels.regions, labels.region_names),
        TISSUES: (labels.tissue, (*FLUID, *TISSUE_CODES)),
        LESIONS: (labels.lesions, labels.lesion_kinds),
    }
    found = {kind: [array == code for code in codes] for kind, (array, codes) in kinds.items()}
    there = {kind: [part for part in parts if part.any()] for kind, parts in found.items()}
    return {kind: parts for kind, parts in there.items() if parts}


def _rows(
    row: Fields,
    names: tuple[str, ...],
    place: str,
    reference: str,
    errors: np.ndarray,
    std: np.ndarray,
) -> Iterator[Fields]:
    """The quantities of (n, c) errors and their standard deviations."""
    found = {
        INSIDE: 100.0 * (np.abs(errors) <= LIMIT_Z * std).mean(0),
        SPREAD: np.sqrt(np.square(std, dtype=np.float64).mean(0)),
        ERROR: np.sqrt(np.square(errors, dtype=np.float64).mean(0)),
    }
    for quantity, values in found.items():
        for name, value in zip(names, values.tolist(), strict=True):
            yield row | {
                "place": place,
                "map": name,
                "quantity": against(quantity, reference),
                "unit": "%" if quantity == INSIDE else spec_of(name).unit,
                "value": value,
                "count": len(errors),
            }
