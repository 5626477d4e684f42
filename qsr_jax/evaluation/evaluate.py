"""Measures trained models against routine scans and writes the report; for doors and notebooks."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from qsr_jax.checkpoint import LATEST
from qsr_jax.data.studies.registration import KNOWN
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compute_tables import Tables
from qsr_jax.evaluation.label_plan import LabelOptions, make_plan
from qsr_jax.evaluation.measure_cohort import measure_subjects
from qsr_jax.evaluation.measure_views import MeasureOptions, tested_subjects
from qsr_jax.evaluation.report.about import describe
from qsr_jax.evaluation.report.page import PAGE, check_target, write_report
from qsr_jax.evaluation.report.terminal import summary
from qsr_jax.evaluation.trainings import checked_runs, doubts_of, load_runs, paths_of
from qsr_jax.evaluation.value_cache import ValueCache
from qsr_jax.evaluation.values import BICUBIC
from qsr_jax.evaluation.views import REGISTER
from qsr_jax.metrics.niqe import load_model
from qsr_jax.predictors.baselines import BASELINES


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        folder: the report.
        cohort: every value of every subject.
        tables: name to rows, as in ``tables.csv``.
        doubts: what could not be checked about the subjects being new to the models.
    """

    folder: Path
    cohort: Cohort
    tables: Tables
    doubts: tuple[str, ...] = ()

    @property
    def page(self) -> Path:
        """The page to open in a browser."""
        return self.folder / PAGE

    def __str__(self) -> str:
        """The outcome in a few lines, in the order of the page."""
        return "\n".join([summary(self.cohort), *(f"not checked: {one}" for one in self.doubts)])


def evaluate(
    runs: Sequence[Sequence[Path | str]],
    *,
    out: Path | str,
    split: str = "test",
    trained_on: Path | str | None = None,
    checkpoint: str = LATEST,
    baselines: Sequence[str] = BASELINES,
    niqe_model: Path | str | None = None,
    labels: LabelOptions | None = None,
    register: str = KNOWN,
    cache: Path | str | None = None,
    workers: int | None = None,
) -> Evaluation:
    """Measures everybody of a split and writes the report.

    Args:
        runs: trainings; each is a manifest followed by models (workdirs, model files, names of
            models that ship), or one folder that holds manifest.json and workdirs. Several (folds,
            seeds) become one report with their spread.
        out: folder of the report; an older report is replaced, anything else refused.
        split: whom to measure, "train", "validation" or "test".
        trained_on: the manifest the models were trained with, if that of ``runs`` holds new
            subjects and the models do not say themselves whom they learned from (older ones do
            not); nobody of those may be among the subjects, in another session, either.
        checkpoint: of each model, "latest" or "best" (on validation subjects).
        baselines: what to measure beside the models, of
            :data:`qsr_jax.predictors.baselines.BASELINES`; bicubic is always there.
        niqe_model: file of a model of natural images (.mat or .npz) for the paper's NIQE; None
            fits one on routine maps of training subjects.
        labels: where tissues, regions and lesions come from; None for the truth of simulated
            subjects.
        register: what is done where a head moved between its scans: "known" takes the poses that
            the simulator wrote down and scanned subjects as they lie, "rigid" finds them in T1
            (SimpleITK), "none" takes everybody as they lie.
        cache: folder that keeps finished subjects for the next time.
        workers: subjects measured at a time, about 2 GB each; None for 2 where there are 2 cores.

    Raises:
        LeakageError: a model may know a subject it would be tested on.
        ValueError: no training, nobody in the split, an unknown baseline, two models of one map,
            ``out`` holds something else, or what the manifest, the scans or the
            models have to complain about.
        WriteError: the disk refused; an older report is still in place.
    """
    folder = Path(out)
    given = checked_runs(runs)
    check_target(folder)
    names = wanted_baselines(baselines)
    workers = _checked(register, workers)
    natural = None if niqe_model is None else load_model(Path(niqe_model))
    loaded = load_runs(
        [paths_of(run, which=checkpoint) for run in given],
        split=split,
        trained_on=None if trained_on is None else Path(trained_on),
        which=checkpoint,
    )
    subjects = [one.subject for one in tested_subjects(loaded)]
    plan = make_plan(labels or LabelOptions(), subjects)
    options = MeasureOptions(split, names, natural, plan, register)
    kept = ValueCache(None if cache is None else Path(cache))
    values, shown = measure_subjects(loaded, options, kept, workers=workers)
    measured, said = {v.subject for v in values}, plan.said(subjects)
    moved = REGISTER[register]
    about = describe(loaded, subjects=measured, split=split, labels=said, movement=moved)
    cohort = Cohort(values, folds={run.name: run.where for run in loaded})
    tables = write_report(folder, cohort=cohort, shown=shown, about=about)
    return Evaluation(folder, cohort, tables, doubts_of(loaded))


def wanted_baselines(names: Sequence[str]) -> tuple[str, ...]:
    """The wanted baselines, bicubic among them, in their usual order.

    Raises:
        ValueError: one is not known.
    """
    wanted = {BICUBIC, *names}
    unknown = sorted(wanted - set(BASELINES))
    if unknown:
        raise ValueError(
            f"baselines {', '.join(unknown)}: not known; expected of {', '.join(BASELINES)}"
        )
    return tuple(name for name in BASELINES if name in wanted)


def _checked(register: str, workers: int | None) -> int:
    """Refuses what cannot be; how many subjects are measured at a time."""
    if register not in REGISTER:
        raise ValueError(f"register: {register!r}; expected one of {', '.join(REGISTER)}")
    workers = min(2, os.cpu_count() or 1) if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers: {workers}; expected a whole number from 1 on")
    return workers
