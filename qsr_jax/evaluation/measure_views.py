"""One subject in the eyes of each scan: what is read, and what is measured there."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import Subject
from qsr_jax.data.studies.registration import KNOWN
from qsr_jax.evaluation.label_plan import LabelPlan
from qsr_jax.evaluation.measure.labels import Labels
from qsr_jax.evaluation.measure.lesion_twin import read_twin, twin_fields, twin_folder
from qsr_jax.evaluation.measure.niqe import niqe_values
from qsr_jax.evaluation.measure.repeated_scan import REPEAT, as_prediction
from qsr_jax.evaluation.measure.subject import covered_maps, measure
from qsr_jax.evaluation.trainings import Run, identity
from qsr_jax.evaluation.values import BICUBIC, TRAINED, Fields, Value
from qsr_jax.evaluation.views import Poses, View, case_at
from qsr_jax.metrics.niqe import NiqeModel
from qsr_jax.types import Prediction, Predictor


@dataclasses.dataclass(frozen=True)
class MeasureOptions:
    """What to measure.

    Attributes:
        split: whom.
        baselines: names of interpolations, bicubic among them.
        natural: NIQE model of natural images, or None for one fitted on training subjects.
        labels: where tissues, regions and lesions come from.
        register: what is done where a head moved, one of
            :data:`qsr_jax.evaluation.views.REGISTER`.
    """

    split: str
    baselines: tuple[str, ...]
    natural: NiqeModel | None
    labels: LabelPlan = LabelPlan()
    register: str = KNOWN


@dataclasses.dataclass(frozen=True)
class Tested:
    """One subject and the trainings that test on them, the first of which names the subject."""

    subject: Subject
    runs: tuple[Run, ...]


Predictors = Mapping[str, Predictor]


@dataclasses.dataclass(frozen=True)
class Material:
    """What is made once: every run's baselines by grid alignment, and the NIQE model of each map.

    The predictors are kept because making one anew would compile it anew.
    """

    baselines: Mapping[tuple[str, str], Predictors]
    niqe: Mapping[str, NiqeModel]


def tested_subjects(runs: Sequence[Run]) -> list[Tested]:
    """Everybody, once, in the order of the runs."""
    found: dict[tuple[str, ...], list[tuple[Run, Subject]]] = {}
    for run in runs:
        for subject in run.subjects:
            found.setdefault(identity(subject), []).append((run, subject))
    return [Tested(all_[0][1], tuple(run for run, _ in all_)) for all_ in found.values()]


@dataclasses.dataclass(frozen=True)
class Seen:
    """One subject, read, and what every method is compared with.

    Attributes:
        case: scans and truth where the routine scan saw the head.
        poses: where it lay.
        views: that of the fast scan first.
        found: labels found in the maps where the truth's are known, to be held against them.
    """

    case: Case
    poses: Poses
    views: Sequence[View]
    found: Labels | None


def with_repeat(made: Mapping[str, Prediction], view: View) -> dict[str, Prediction]:
    """The predictions, and a repeated scan as the view would have met it."""
    again = {} if view.repeat is None else {REPEAT: as_prediction(view.repeat)}
    return dict(made) | again


def values_of_view(
    view: View,
    run: Run,
    made: Mapping[str, Prediction],
    material: Material,
    options: MeasureOptions,
    *,
    scans: bool,
) -> Iterator[Value]:
    """What is measured where one scan saw the head."""
    made, split = with_repeat(made, view) if scans else made, options.split
    yield from measure(
        view.case,
        made,
        split=split,
        run=run.name,
        scans=scans,
        labels=view.labels,
        measures=view.measures,
    )
    yield from niqe_values(
        view.case,
        made,
        options.natural,
        material.niqe,
        split=split,
        run=run.name,
        measures=view.measures,
    )


def values_of_twin(
    one: Tested,
    run: Run,
    seen: Seen,
    made: Mapping[str, Prediction],
    material: Material,
    split: str,
    *,
    scans: bool,
) -> Iterator[Value]:
    """What the methods show of lesions that were planted or taken away; nothing without a twin."""
    case, folder = seen.case, twin_folder(one.runs[0].manifest, one.subject)
    twin = read_twin(one.runs[0].manifest, one.subject, case)
    if twin is None:
        return
    pairs = {TRAINED: (made[TRAINED], run.trained(twin.fast))}
    if BICUBIC in made:
        bicubic = material.baselines[run.name, case.grid_alignment][BICUBIC]
        pairs[BICUBIC] = (made[BICUBIC], bicubic(twin.fast))
    who: Fields = {"subject": case.subject, "group": case.group, "split": split, "run": run.name}
    for view in seen.views if scans else seen.views[:1]:
        there = case_at(twin, seen.poses, view.scan, truth=folder / "truth")
        rows = twin_fields(view.case, there, covered_maps(made), pairs, scans=scans)
        yield from (Value(**who, **row) for row in rows if view.measures(row["method"]))


def truth_folder(one: Tested) -> Path | None:
    """Folder of the simulated truth, or None."""
    truth = one.subject.truth
    return None if truth is None else one.runs[0].manifest.root / truth
