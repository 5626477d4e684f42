"""Measures trained models against routine scans and writes the report: the paper's tables and ours.

Interpolations of the fast scan are measured beside them. Give one --workdir per map; maps without a
model are left out of the report. Several trainings (folds, seeds) of one question become one report
with their spread: give one --run for each.
"""

import datetime
import importlib.metadata
import os
import platform
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import jax

from launch.evaluation_flags import given_runs, make_parser, wanted_baselines
from qsr_jax import __version__
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.label_plan import Asked, make_plan
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED
from qsr_jax.evaluation.measure_cohort import Options, measure_subjects, tested_subjects
from qsr_jax.evaluation.report.opening import number
from qsr_jax.evaluation.report.page import About, Model, Training, check_target, write_report
from qsr_jax.evaluation.tables.rows import Tables, VerdictRow
from qsr_jax.evaluation.trainings import Run, load_runs
from qsr_jax.evaluation.value_cache import ValueCache
from qsr_jax.metrics.niqe import NiqeModel, load_model

PACKAGES = ("jax", "jaxlib", "flax", "numpy", "scipy")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.evaluate --help``."""
    arguments = make_parser(__doc__).parse_args(argv)
    try:
        tables = evaluate(
            given_runs(arguments),
            arguments.out,
            split=arguments.split,
            trained_on=arguments.trained_on,
            which=arguments.checkpoint,
            names=wanted_baselines(arguments.baselines),
            natural=None if arguments.niqe is None else load_model(arguments.niqe),
            cache=ValueCache(arguments.cache),
            workers=arguments.workers,
            asked=Asked(arguments.regions, arguments.atlas, arguments.rois, arguments.erode_pixels),
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(summary(tables.verdict))
    print(f"report: {arguments.out / 'index.html'}")


def evaluate(
    given: Sequence[tuple[Path, Sequence[Path]]],
    out: Path,
    *,
    split: str,
    trained_on: Path | None,
    which: str,
    names: Sequence[str],
    natural: NiqeModel | None,
    cache: ValueCache,
    workers: int,
    asked: Asked,
) -> Tables:
    """Measures everybody of a split and writes the report.

    Raises:
        ValueError: nobody in the split, two models of one map, subjects whom a model may know,
            ``out`` holds something else, or what the manifest, the scans or the models have to
            complain about.
    """
    check_target(out)
    runs = load_runs(given, split=split, trained_on=trained_on, which=which)
    subjects = [one.subject for one in tested_subjects(runs)]
    plan = make_plan(asked, subjects)
    options = Options(split=split, baselines=tuple(names), natural=natural, labels=plan)
    values, shown = measure_subjects(runs, options, cache, workers=workers)
    folds = {run.name: run.where for run in runs}
    about = describe(
        runs, subjects={v.subject for v in values}, split=split, labels=plan.said(subjects)
    )
    return write_report(out, cohort=Cohort(values), shown=shown, about=about, folds=folds)


def describe(runs: Sequence[Run], *, subjects: set[str], split: str, labels: str) -> About:
    """What the report's header says."""
    first = runs[0].manifest
    measured = [subject for run in runs for subject in run.subjects]
    simulated = sum(subject.truth is not None for subject in measured)
    kinds = {0: "scanned subjects", len(measured): "simulated subjects"}
    everybody = {name: first.subjects_of(split=name) for name in SPLITS}
    return About(
        data=kinds.get(simulated, f"subjects, {simulated} of {len(measured)} simulated"),
        fingerprint=first.fingerprint,
        split=split,
        subjects={s: dict(Counter(p.group for p in group)) for s, group in everybody.items()},
        refused=len(first.refused),
        slices={s: sum(p.fast_shape[0] for p in group) for s, group in everybody.items()},
        measured=len(subjects),
        labels=labels,
        trainings=[_training(run) for run in runs],
        versions={"qsr_jax": __version__}
        | {package: importlib.metadata.version(package) for package in PACKAGES},
        hardware=_hardware(),
        date=datetime.date.today().isoformat(),
    )


def _training(run: Run) -> Training:
    models = [
        Model(name, m.description, m.weights_sha256, tuple(m.notes))
        for m in run.models
        for name in m.names
    ]
    return Training(
        run.name,
        run.where.fold,
        run.where.seed,
        run.manifest.fingerprint,
        len(run.subjects),
        models,
    )


def _hardware() -> str:
    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    if jax.default_backend() == "cpu":
        return cores
    return f"{jax.device_count()} x {jax.devices()[0].device_kind}, {cores}"


def summary(rows: Sequence[VerdictRow]) -> str:
    """The outcome for a terminal, the paper's numbers in brackets."""
    head = ("map", "n", "PSNR brain (dB)", "", "gain", "bias (%)", "R²", "slope", "beats bicubic")
    lines = [head, ("", "", BICUBIC, TRAINED, "dB", *3 * ("trained [paper]",), "PSNR, bias")]
    for row in rows:
        pairs = [("–", "")] * 3
        if row.bias_percent:
            pairs = [
                (number(row.bias_percent[TRAINED], 2), number(row.paper.bias_percent, 2)),
                (number(row.r_squared[TRAINED], 3), number(row.paper.r_squared, 2)),
                (number(row.slope[TRAINED], 3), number(row.paper.slope, 3)),
            ]
        lines.append(
            (
                row.row,
                str(row.n),
                number(row.psnr[BICUBIC].mean, 2),
                number(row.psnr[TRAINED].mean, 2),
                number(row.gain_db, 2, signed=True),
                *(f"{ours} [{paper}]" if paper else ours for ours, paper in pairs),
                ", ".join(_yes(flag) for flag in (row.nearer_psnr, row.nearer_bias)),
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _yes(flag: bool | None) -> str:
    return {True: "yes", False: "NO", None: "–"}[flag]


if __name__ == "__main__":
    main()
