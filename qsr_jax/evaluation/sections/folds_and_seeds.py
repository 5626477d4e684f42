"""Several trainings of one question: folds by subject, and seeds of a fold.

One split says how good one network was on one set of subjects. Trained again with other subjects
left out, and again from another seed, the same recipe gives other numbers; how far they lie apart
is what a single result leaves unsaid.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax.data.studies.manifest import HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort, FoldSeed
from qsr_jax.evaluation.sections.common import PAPER_TISSUES, Section, TableRow, maps_of
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.formats.table import Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN

SPREAD_OF = {
    "psnr_db": ("PSNR", "dB"),
    "gain_db": ("gain over bicubic", "dB"),
    "absolute_bias_percent": ("absolute bias", "%"),
}
"""Field of :class:`RunRow` to its name and unit."""


@dataclasses.dataclass(frozen=True)
class RunRow(TableRow):
    """One training (fold and seed) and map, over the subjects it tests."""

    run: str
    fold: str
    seed: int | None
    map: str
    n: int
    psnr_db: float
    bicubic_psnr_db: float
    gain_db: float
    absolute_bias_percent: float | None


@dataclasses.dataclass(frozen=True)
class SpreadRow(TableRow):
    """A number of :class:`RunRow` over all runs: between folds (means over seeds) and seeds.

    ``sd_seeds`` is the standard deviation of the seeds of one fold, pooled over folds.
    """

    map: str
    quantity: str
    unit: str
    runs: int
    folds: int
    mean: float
    low: float
    high: float
    sd_folds: float | None
    sd_seeds: float | None


def run_rows(cohort: Cohort) -> Iterator[RunRow]:
    """What each training did for the subjects it was tested on; nothing where there is one."""
    for run, where in cohort.folds.items() if len(cohort.folds) > 1 else ():
        for name in cohort.maps:
            yield _run_row(cohort, name, run, where)


def _run_row(cohort: Cohort, name: str, run: str, where: FoldSeed) -> RunRow:
    key = ("image", BRAIN.place, name, "psnr")
    trained, bicubic = cohort.of(*key, TRAINED, run=run), cohort.of(*key, BICUBIC)
    psnr, base = (np.array([m[subject] for subject in trained]) for m in (trained, bicubic))
    label = f"fold {where.fold}" + ("" if where.seed is None else f", seed {where.seed}")
    return RunRow(
        row=f"run {run} ({label}) {spec_of(name).label}",
        run=run,
        fold=where.fold,
        seed=where.seed,
        map=name,
        n=len(trained),
        psnr_db=float(psnr.mean()),
        bicubic_psnr_db=float(base.mean()),
        gain_db=float((psnr - base).mean()),
        absolute_bias_percent=_absolute_bias(cohort, name, run),
    )


def _absolute_bias(cohort: Cohort, name: str, run: str) -> float | None:
    """Mean over tissues of the absolute mean percent difference from routine, healthy subjects."""
    sizes = []
    for tissue in PAPER_TISSUES:
        test = cohort.of("tissue", tissue, name, "mean", TRAINED, run=run)
        reference = cohort.of("tissue", tissue, name, "mean", ROUTINE)
        pairs = [(x, reference[p]) for p, x in test.items() if cohort.group[p] == HEALTHY]
        if pairs:
            sizes.append(abs(np.mean([200.0 * (x - y) / (x + y) for x, y in pairs])))
    return float(np.mean(sizes)) if sizes else None


def spread_rows(cohort: Cohort) -> Iterator[SpreadRow]:
    """Mean, range and standard deviations of the runs' numbers, per map."""
    runs = cohort.rows(run_rows)
    for name in maps_of(runs):
        for field, (quantity, unit) in SPREAD_OF.items():
            by_fold: dict[str, list[float]] = {}
            for run in runs:
                value = getattr(run, field)
                if run.map == name and value is not None:
                    by_fold.setdefault(run.fold, []).append(value)
            if by_fold:
                yield _spread(name, quantity, unit, list(by_fold.values()))


def _spread(name: str, quantity: str, unit: str, by_fold: list[list[float]]) -> SpreadRow:
    everything = [value for fold in by_fold for value in fold]
    means = [float(np.mean(fold)) for fold in by_fold]
    repeated = [fold for fold in by_fold if len(fold) > 1]
    within = sum(float(np.var(fold, ddof=1)) * (len(fold) - 1) for fold in repeated)
    freedom = sum(len(fold) - 1 for fold in repeated)
    return SpreadRow(
        row=f"{spec_of(name).label} {quantity}",
        map=name,
        quantity=quantity,
        unit=unit,
        runs=len(everything),
        folds=len(by_fold),
        mean=float(np.mean(means)),
        low=min(everything),
        high=max(everything),
        sd_folds=float(np.std(means, ddof=1)) if len(means) > 1 else None,
        sd_seeds=(within / freedom) ** 0.5 if freedom else None,
    )


def spread_tables(cohort: Cohort) -> Iterator[Table]:
    """The spread, and every run."""
    heads = ("runs", "folds", "mean", "smallest to largest run", "SD between folds",
             "SD between seeds")  # fmt: skip
    yield Table(
        name="spread",
        title="Spread over trainings",
        caption="The same recipe, trained with other subjects left out (fold) and from another "
        "seed: mean over folds, smallest and largest run, standard deviation between folds (means "
        "over their seeds) and between seeds of one fold. Every subject is predicted by trainings "
        "that did not see them, and counts once elsewhere in this report, with the mean of their "
        "values.",
        columns=[Column("", align="l"), *map(Column, heads)],
        groups=[Group([_spread_line(row) for row in cohort.rows(spread_rows)])],
    )
    yield Table(
        name="runs",
        title="Every run",
        caption="Over the subjects it was tested on.",
        columns=[
            *(Column(head, align="l") for head in ("run", "fold", "seed", "map")),
            Column("subjects"),
            Column("PSNR", "dB"),
            Column("bicubic", "dB"),
            Column("gain", "dB"),
            Column("absolute bias", "%"),
        ],
        groups=[Group([_run_line(row) for row in cohort.rows(run_rows)])],
        wide=False,
    )


def _spread_line(row: SpreadRow) -> Line:
    mean = Num(row.mean, 2, signed=row.quantity != "PSNR")
    reach = (Num(row.low), " to ", Num(row.high))
    counts = (f"{row.row} ({row.unit})", str(row.runs), str(row.folds))
    return Line([*counts, mean, reach, Num(row.sd_folds, 3), Num(row.sd_seeds, 3)])


def _run_line(row: RunRow) -> Line:
    seed = "" if row.seed is None else str(row.seed)
    names = (row.run, row.fold, seed, spec_of(row.map).label, str(row.n))
    gain, bias = Num(row.gain_db, signed=True), Num(row.absolute_bias_percent)
    return Line([*names, Num(row.psnr_db), Num(row.bicubic_psnr_db), gain, bias])


SECTION = Section(
    Path(__file__), "Folds and seeds", {"runs": run_rows, "spread": spread_rows}, spread_tables
)  # fmt: skip
