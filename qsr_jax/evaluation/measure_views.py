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
        twins: scans of the views to the subject with lesions planted or taken away, as that scan
            met them; empty where there is none.
    """

    case: Case
    poses: Poses
    views: Sequence[View]
    found: Labels | None
    twins: Mapping[str, Case]


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


def twins_of(one: Tested, case: Case, poses: Poses, views: Sequence[View]) -> Mapping[str, Case]:
    """Scan of every view to the subject's twin as that scan met them; empty without a twin."""
    manifest = one.runs[0].manifest
    twin = read_twin(manifest, one.subject, case)
    if twin is None:
        return {}
    truth = twin_folder(manifest, one.subject) / "truth"
    return {view.scan: case_at(twin, poses, view.scan, truth=truth) for view in views}


def values_of_twin(
    run: Run,
    seen: Seen,
    made: Mapping[str, Prediction],
    material: Material,
    split: str,
    *,
    scans: bool,
) -> Iterator[Value]:
    """What the methods show of lesions that were planted or taken away; nothing without a twin."""
    if not seen.twins:
        return
    case, fast = seen.case, seen.twins[seen.views[0].scan].fast
    pairs = {TRAINED: (made[TRAINED], run.trained(fast))}
    if BICUBIC in made:
        bicubic = material.baselines[run.name, case.grid_alignment][BICUBIC]
        pairs[BICUBIC] = (made[BICUBIC], bicubic(fast))
    who: Fields = {"subject": case.subject, "group": case.group, "split": split, "run": run.name}
    for view in seen.views if scans else seen.views[:1]:
        twin = seen.twins[view.scan]
        rows = twin_fields(view.case, twin, covered_maps(made), pairs, scans=scans)
        yield from (Value(**who, **row) for row in rows if view.measures(row["method"]))


def truth_folder(one: Tested) -> Path | None:
    """Folder of the simulated truth, or None."""
    truth = one.subject.truth
    return None if truth is None else one.runs[0].manifest.root / truth
