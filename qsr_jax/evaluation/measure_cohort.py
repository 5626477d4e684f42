"""Everybody's values, a subject or two in memory at a time, and the slices worth looking at."""

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from tqdm import tqdm

from qsr_jax.data.studies.case import Case, load_case
from qsr_jax.data.studies.manifest import FAST
from qsr_jax.data.studies.truth import TRUTH_JSON
from qsr_jax.evaluation.measure.example_slices import Example, Shown, example_slice
from qsr_jax.evaluation.measure.familiarity import familiarity_fields
from qsr_jax.evaluation.measure.lesion_twin import TWIN, twin_folder
from qsr_jax.evaluation.measure.movement import movement_fields
from qsr_jax.evaluation.measure.niqe import fit_models
from qsr_jax.evaluation.measure.repeated_scan import REPEAT, read_repeat
from qsr_jax.evaluation.measure.subject import compare_labels
from qsr_jax.evaluation.measure_views import (
    Material,
    MeasureOptions,
    Seen,
    Tested,
    tested_subjects,
    truth_folder,
    twins_of,
    values_of_twin,
    values_of_view,
    with_repeat,
)
from qsr_jax.evaluation.slice_picker import SlicePicker, worst_slices
from qsr_jax.evaluation.trainings import TRAIN, Run, identity
from qsr_jax.evaluation.value_cache import ValueCache, key_of
from qsr_jax.evaluation.values import BICUBIC, TRAINED, Fields, Value
from qsr_jax.evaluation.views import SEEN_BY, case_at, find_poses, views_of
from qsr_jax.files.digest import file_sha256
from qsr_jax.metrics.niqe import NiqeModel
from qsr_jax.predictors.baselines import CALIBRATED, Line, baselines, fit_calibration
from qsr_jax.predictors.interpolation import interpolator
from qsr_jax.types import Prediction

TRAINING_SUBJECTS = 3
"""How many training subjects the calibration and the fitted NIQE model are made from."""


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
    return values, complete(picker, tested, values, options)


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
        register=options.register,
        beside=files_beside(one),
    )


def files_beside(one: Tested) -> list[list[str]]:
    """Name and digest of every file of a repeated scan, of a twin and of where the head lay."""
    home = twin_folder(one.runs[0].manifest, one.subject).parent
    folders = [*home.glob(f"{REPEAT}_*"), *home.glob(TWIN)]
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    files += home.glob(f"truth/{TRUTH_JSON}")
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
            lines[mark] = (
                _lines(run, cases, options.register) if CALIBRATED in options.baselines else None
            )
        for alignment in {subject.grid_alignment for subject in run.subjects}:
            made[run.name, alignment] = baselines(
                options.baselines,
                scale=run.manifest.scale,
                alignment=alignment,
                calibration=lines[mark],
            )
    return Material(made, niqe)


def _lines(run: Run, cases: Sequence[Case], register: str) -> dict[str, Line]:
    """Where the head lay in the fast scan: that is where bicubic makes its maps."""
    pairs = (
        (case.fast, case_at(case, find_poses(register, case, None), FAST, truth=None).routine)
        for case in cases
    )
    alignment = run.subjects[0].grid_alignment
    return fit_calibration(pairs, scale=run.manifest.scale, alignment=alignment)


def see(one: Tested, options: MeasureOptions, *, scans: bool = True) -> Seen:
    """Reads a subject, and brings together what moved.

    Args:
        one: the subject.
        options: how labels and movement are found.
        scans: whether the scans are measured, too; without, the fast scan's view is all there is
            and holds no repeated scan, in half the time.
    """
    manifest, subject = one.runs[0].manifest, one.subject
    case = load_case(manifest, subject)
    labels, found = options.labels.of(case, subject)
    repeat = read_repeat(manifest, subject, case.routine)
    poses = find_poses(options.register, case, repeat)
    views = views_of(
        case,
        poses,
        truth=truth_folder(one),
        labels=labels,
        labels_at=functools.partial(options.labels.at_pose, subject),
        repeat=repeat if scans else None,
        seen_by=SEEN_BY if scans else (FAST,),
    )
    return Seen(case, poses, views, found, twins_of(one, case, poses, views))


def measure_subject(
    one: Tested, options: MeasureOptions, material: Material, picker: SlicePicker
) -> list[Value]:
    """All values of one subject; what no training changes is measured with the first alone."""
    seen = see(one, options)
    who: Fields = {"subject": seen.case.subject, "group": seen.case.group, "split": options.split}
    values = [
        Value(**who, run=one.runs[0].name, **row) for row in movement_fields(seen.case, seen.poses)
    ]
    if seen.found is not None and seen.case.truth is not None:
        name = one.runs[0].name
        values += compare_labels(seen.case, seen.found, split=options.split, run=name)
    first: dict[str, Prediction] = {}
    for run in one.runs:
        made = {
            name: predict(seen.case.fast)
            for name, predict in material.baselines[run.name, seen.case.grid_alignment].items()
            if not first or name == CALIBRATED
        }
        made[TRAINED] = run.trained(seen.case.fast)
        values += [Value(**who, run=run.name, **f) for f in familiarity_fields(made[TRAINED])]
        for view in seen.views if not first else seen.views[:1]:
            values += values_of_view(view, run, made, material, options, scans=not first)
        values += values_of_twin(run, seen, made, material, options.split, scans=not first)
        first = first or with_repeat(made, seen.views[0])
    picker.look(seen.views[0].case, first, values)
    return values


def complete(
    picker: SlicePicker,
    tested: Sequence[Tested],
    values: Sequence[Value],
    options: MeasureOptions,
) -> Shown:
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
        return picker.get(subject, index) or _look_again(subjects[subject], index, options)

    return Shown(
        examples=tuple(slice_of(subject, None) for subject in subjects if subject in firsts),
        worst={name: slice_of(subject, index) for name, (_, index, subject) in worst.items()},
    )


def _look_again(one: Tested, index: int | None, options: MeasureOptions) -> Example:
    run = one.runs[0]
    case = load_case(run.manifest, one.subject)
    poses = find_poses(options.register, case, None)
    there = case_at(case, poses, FAST, truth=truth_folder(one))
    bicubic = interpolator(scale=run.manifest.scale, alignment=case.grid_alignment, method="cubic")
    made = {BICUBIC: bicubic(case.fast), TRAINED: run.trained(case.fast)}
    return example_slice(there, made, index=index)
