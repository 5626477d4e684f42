"""Everybody's values, a subject or two in memory at a time, and the slices worth looking at."""

import dataclasses
import functools
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from tqdm import tqdm

from qsr_jax.data.studies.case import Case, load_case
from qsr_jax.data.studies.manifest import Subject
from qsr_jax.evaluation.label_plan import LabelPlan
from qsr_jax.evaluation.measure.example_slices import Example, Shown, example_slice
from qsr_jax.evaluation.measure.lesion_twin import TWIN, read_twin, twin_fields, twin_folder
from qsr_jax.evaluation.measure.niqe import fit_models, niqe_values
from qsr_jax.evaluation.measure.repeated_scan import REPEAT, as_prediction, read_repeat
from qsr_jax.evaluation.measure.subject import compare_labels, covered_maps, measure
from qsr_jax.evaluation.trainings import TRAIN, Run, identity
from qsr_jax.evaluation.value_cache import ValueCache, key_of
from qsr_jax.evaluation.values import BICUBIC, SLICES, TRAINED, Fields, Value, slice_index
from qsr_jax.files.digest import file_sha256
from qsr_jax.metrics.niqe import NiqeModel
from qsr_jax.predictors.baselines import CALIBRATED, Line, baselines, fit_calibration
from qsr_jax.predictors.interpolation import interpolator
from qsr_jax.types import Prediction, Predictor

TRAINING_SUBJECTS = 3
"""How many training subjects the calibration and the fitted NIQE model are made from."""


@dataclasses.dataclass(frozen=True)
class MeasureOptions:
    """What to measure.

    Attributes:
        split: whom.
        baselines: names of interpolations, bicubic among them.
        natural: NIQE model of natural images, or None for one fitted on training subjects.
        labels: where tissues, regions and lesions come from.
    """

    split: str
    baselines: tuple[str, ...]
    natural: NiqeModel | None
    labels: LabelPlan = LabelPlan()


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


def measure_subjects(
    runs: Sequence[Run], options: MeasureOptions, cache: ValueCache, *, workers: int
) -> tuple[list[Value], Shown]:
    """Everybody's values, and a slice of the first subject of each group and of the worst.

    Args:
        runs: the trainings.
        options: what to measure.
        cache: finished subjects.
        workers: how many subjects are in memory and measured at a time.
    """
    tested = tested_subjects(runs)
    keys = [_key(one, options) for one in tested]
    known = {key: found for key in keys if (found := cache.get(key)) is not None}
    picker = SlicePicker(first_of_groups(tested))
    with ThreadPoolExecutor(workers) as pool:
        whole = len(known) == len(tested)
        material = Material({}, {}) if whole else prepare(runs, options, pool)

        def values_of(one: Tested, key: str) -> list[Value]:
            if key in known:
                return known[key]
            values = measure_subject(one, options, material, picker)
            cache.put(key, values)
            return values

        made = pool.map(values_of, tested, keys)
        bar = tqdm(made, total=len(tested), desc="evaluate", unit="subject", mininterval=1.0)
        values = [value for mine in bar for value in mine]
    return values, complete(picker, tested, values)


def first_of_groups(tested: Sequence[Tested]) -> frozenset[str]:
    """The first subject of each group."""
    firsts: dict[str, str] = {}
    for one in tested:
        firsts.setdefault(one.subject.group, one.subject.subject)
    return frozenset(firsts.values())


def _key(one: Tested, options: MeasureOptions) -> str:
    return key_of(
        subject=[one.subject.subject, *identity(one.subject)],
        runs=[
            [run.name, run.manifest.fingerprint, *(m.weights_sha256 for m in run.models)]
            for run in one.runs
        ],
        split=options.split,
        baselines=options.baselines,
        niqe=None if options.natural is None else options.natural.sha256,
        labels=options.labels.parts(one.subject),
        beside=_beside(one),
    )


def _beside(one: Tested) -> list[list[str]]:
    """Name and digest of every file of a repeated scan and of a twin."""
    home = twin_folder(one.runs[0].manifest, one.subject).parent
    folders = [*home.glob(f"{REPEAT}_*"), *home.glob(TWIN)]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [[path.relative_to(home).as_posix(), file_sha256(path)] for path in files]


def prepare(runs: Sequence[Run], options: MeasureOptions, pool: Executor) -> Material:
    """Reads a few training subjects and fits what needs them."""
    niqe: Mapping[str, NiqeModel] = {}
    lines: dict[str, Mapping[str, Line] | None] = {}
    made = {}
    for run in runs:
        mark = run.manifest.fingerprint
        if mark not in lines:
            fit_niqe = options.natural is None and not lines
            wanted = fit_niqe or CALIBRATED in options.baselines
            subjects = run.manifest.subjects_of(split=TRAIN)[:TRAINING_SUBJECTS] if wanted else []
            loading = pool.map(functools.partial(load_case, run.manifest), subjects)
            cases = list(
                tqdm(loading, "training subjects", len(subjects), unit="subject", leave=False)
            )
            niqe = fit_models([case.routine for case in cases]) if fit_niqe else niqe
            lines[mark] = _lines(run, cases) if CALIBRATED in options.baselines else None
        for alignment in {subject.grid_alignment for subject in run.subjects}:
            made[run.name, alignment] = baselines(
                options.baselines,
                scale=run.manifest.scale,
                alignment=alignment,
                calibration=lines[mark],
            )
    return Material(made, niqe)


def _lines(run: Run, cases: Sequence[Case]) -> dict[str, Line]:
    pairs = ((case.fast, case.routine) for case in cases)
    alignment = run.subjects[0].grid_alignment
    return fit_calibration(pairs, scale=run.manifest.scale, alignment=alignment)


def measure_subject(
    one: Tested, options: MeasureOptions, material: Material, picker: "SlicePicker"
) -> list[Value]:
    """All values of one subject; what no training changes is measured with the first alone."""
    case = load_case(one.runs[0].manifest, one.subject)
    labels, found = options.labels.of(case, one.subject)
    values: list[Value] = []
    if found is not None and case.truth is not None:
        values += compare_labels(case, found, split=options.split, run=one.runs[0].name)
    first: dict[str, Prediction] = {}
    for run in one.runs:
        made = {
            name: predict(case.fast)
            for name, predict in material.baselines[run.name, case.grid_alignment].items()
            if not first or name == CALIBRATED
        }
        made[TRAINED] = run.trained(case.fast)
        if not first:
            repeat = read_repeat(run.manifest, one.subject, case.routine)
            made |= {} if repeat is None else {REPEAT: as_prediction(repeat)}
        values += measure(
            case, made, split=options.split, run=run.name, scans=not first, labels=labels
        )
        values += niqe_values(
            case, made, options.natural, material.niqe, split=options.split, run=run.name
        )
        values += _of_twin(one, run, case, made, material, options.split, scans=not first)
        first = first or made
    picker.look(case, first, values)
    return values


def _of_twin(
    one: Tested,
    run: Run,
    case: Case,
    made: Mapping[str, Prediction],
    material: Material,
    split: str,
    *,
    scans: bool,
) -> list[Value]:
    """What the methods show of lesions that were planted or taken away; empty without a twin."""
    twin = read_twin(one.runs[0].manifest, one.subject, case)
    if twin is None:
        return []
    pairs = {TRAINED: (made[TRAINED], run.trained(twin.fast))}
    if BICUBIC in made:
        bicubic = material.baselines[run.name, case.grid_alignment][BICUBIC]
        pairs[BICUBIC] = (made[BICUBIC], bicubic(twin.fast))
    who: Fields = {"subject": case.subject, "group": case.group, "split": split, "run": run.name}
    rows = twin_fields(case, twin, covered_maps(made), pairs, scans=scans)
    return [Value(**who, **row) for row in rows]


class SlicePicker:
    """Slices that may be shown: of the first subject of each group, and the worst so far."""

    def __init__(self, firsts: Collection[str]) -> None:
        self._firsts = firsts
        self._worst: dict[str, float] = {}
        self._held: dict[tuple[str, int | None], Example] = {}
        self._lock = threading.Lock()

    def look(self, case: Case, made: Mapping[str, Prediction], values: Sequence[Value]) -> None:
        """Keeps what is wanted of a subject while the maps are in memory."""
        with self._lock:
            if case.subject in self._firsts:
                self._held[case.subject, None] = example_slice(case, made)
            for name, (size, index) in worst_slices(values).items():
                if size > self._worst.get(name, -1.0):
                    self._worst[name] = size
                    self._held[case.subject, index] = example_slice(case, made, index=index)

    def get(self, subject: str, index: int | None) -> Example | None:
        """A slice that was kept, or None."""
        return self._held.get((subject, index))


def worst_slices(values: Sequence[Value]) -> dict[str, tuple[float, int]]:
    """Map to largest slice RMSE of the trained model (mean over trainings) and its index."""
    found: dict[tuple[str, str], list[float]] = {}
    for v in values:
        if (v.kind, v.quantity, v.method) == (SLICES, "rmse", TRAINED):
            found.setdefault((v.map, v.place), []).append(v.value)
    worst: dict[str, tuple[float, int]] = {}
    for (name, place), sizes in found.items():
        size = sum(sizes) / len(sizes)
        worst[name] = max(worst.get(name, (-1.0, -1)), (size, slice_index(place)))
    return worst


def complete(picker: SlicePicker, tested: Sequence[Tested], values: Sequence[Value]) -> Shown:
    """The slices of the report; subjects whose values were kept from before are predicted again."""
    by_subject: dict[str, list[Value]] = {}
    for v in values:
        by_subject.setdefault(v.subject, []).append(v)
    worst: dict[str, tuple[float, int, str]] = {}
    for subject, mine in by_subject.items():
        for name, (size, index) in worst_slices(mine).items():
            worst[name] = max(worst.get(name, (-1.0, -1, "")), (size, index, subject))
    subjects = {one.subject.subject: one for one in tested}
    firsts = first_of_groups(tested)

    def slice_of(subject: str, index: int | None) -> Example:
        return picker.get(subject, index) or _look_again(subjects[subject], index)

    return Shown(
        examples=tuple(slice_of(subject, None) for subject in subjects if subject in firsts),
        worst={name: slice_of(subject, index) for name, (_, index, subject) in worst.items()},
    )


def _look_again(one: Tested, index: int | None) -> Example:
    run = one.runs[0]
    case = load_case(run.manifest, one.subject)
    bicubic = interpolator(scale=run.manifest.scale, alignment=case.grid_alignment, method="cubic")
    made = {BICUBIC: bicubic(case.fast), TRAINED: run.trained(case.fast)}
    return example_slice(case, made, index=index)
