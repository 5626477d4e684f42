"""Slices to be looked at."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.measure.image_quality import brain_mask
from qsr_jax.evaluation.measure.subject import channel, covered_maps, references
from qsr_jax.evaluation.values import NEEDS_BOTH, TRAINED, TRUTH
from qsr_jax.types import Prediction


@dataclasses.dataclass(frozen=True)
class Example:
    """One slice of one subject, to be looked at.

    Attributes:
        subject: pseudonym.
        group: "healthy" or "patient".
        slice_index: which slice, from 0.
        mask: (y, x) bool of the routine grid.
        lesion: (y, x) bool, or None where no label is known.
        images: map to method to (y, x); fast on its own grid, the others on the routine grid.
        stds: map to the trained method's standard deviation, (y, x); empty where it tells none.
        std_against: the method of ``images`` that ``stds`` are the errors against.
    """

    subject: str
    group: str
    slice_index: int
    mask: np.ndarray
    lesion: np.ndarray | None
    images: dict[str, dict[str, np.ndarray]]
    stds: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    std_against: str = ROUTINE


@dataclasses.dataclass(frozen=True)
class Shown:
    """What a report shows as pictures.

    Attributes:
        examples: one slice of the first subject of each group.
        worst: map to the slice where its trained model errs most.
    """

    examples: tuple[Example, ...] = ()
    worst: Mapping[str, Example] = dataclasses.field(default_factory=dict)


def example_slice(
    case: Case, predictions: Mapping[str, Prediction], *, index: int | None = None
) -> Example:
    """The slice ``index``; without one that with most lesion, or most brain where none is."""
    mask = brain_mask(case)
    lesions = None if case.truth is None else case.truth.lesions > 0
    if index is None:
        marked = mask if lesions is None or not lesions.any() else lesions
        index = int(np.argmax(marked.sum((1, 2))))
    kept = {m: made for m, made in predictions.items() if m in NEEDS_BOTH}
    sources = {FAST: case.fast, **kept, **references(case)}
    images = {
        # Copies: a view would keep the whole volume of every example in memory.
        name: {m: channel(source, name)[index, ..., 0].copy() for m, source in sources.items()}
        for name in covered_maps(predictions)
    }
    lesion = None if lesions is None else lesions[index]
    told = predictions.get(TRAINED)
    stds = {} if told is None else _stds(told, index)
    against = TRUTH if told and told.std_against == TRUTH and case.truth else ROUTINE
    return Example(case.subject, case.group, index, mask[index], lesion, images, stds, against)


def _stds(made: Prediction, index: int) -> dict[str, np.ndarray]:
    """Map to (y, x) standard deviations of one slice; nothing where none are told."""
    if made.std is None:
        return {}
    return {name: made.std[index, ..., i].copy() for i, name in enumerate(made.names)}
