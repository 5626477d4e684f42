"""Several trainings of one question: folds by subject, and seeds of a fold.

One split says how good one network was on one set of subjects. Trained again with other subjects left
out, and again from another seed, the same recipe gives other numbers; how far they lie apart is
what a single result leaves unsaid.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from qsr_jax.data.studies.manifest import HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED
from qsr_jax.evaluation.tables.findings import RunRow, SpreadRow
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN

SPREAD_OF = {
    "psnr_db": ("PSNR", "dB"),
    "gain_db": ("gain over bicubic", "dB"),
    "bias_size_percent": ("size of bias", "%"),
}
"""Field of :class:`qsr_jax.evaluation.tables.findings.RunRow` to its name and unit."""


@dataclasses.dataclass(frozen=True)
class FoldSeed:
    """Which subjects a training left out ("3/5", or a number), and its seed if known."""

    fold: str
    seed: int | None


def run_rows(cohort: Cohort, folds: Mapping[str, FoldSeed]) -> Iterator[RunRow]:
    """What each training did for the subjects it was tested on; nothing where there is one.

    Args:
        cohort: values of all runs.
        folds: run to fold and seed.
    """
    for run, where in folds.items() if len(folds) > 1 else ():
        for name in cohort.maps:
            key = ("image", BRAIN.place, name, "psnr")
            trained = cohort.of(*key, TRAINED, run=run)
            bicubic = cohort.of(*key, BICUBIC)
            subjects = list(trained)
            psnr, base = (np.array([m[p] for p in subjects]) for m in (trained, bicubic))
            label = f"fold {where.fold}" + ("" if where.seed is None else f", seed {where.seed}")
            yield RunRow(
                row=f"run {run} ({label}) {spec_of(name).label}",
                run=run,
                fold=where.fold,
                seed=where.seed,
                map=name,
                n=len(subjects),
                psnr_db=float(psnr.mean()),
                bicubic_psnr_db=float(base.mean()),
                gain_db=float((psnr - base).mean()),
                bias_size_percent=_bias_size(cohort, name, run),
            )


def _bias_size(cohort: Cohort, name: str, run: str) -> float | None:
    """Mean over tissues of the size of the mean percent difference from routine, healthy subjects."""
    sizes = []
    for tissue in cohort.places("tissue", HEALTHY):
        test = cohort.of("tissue", tissue, name, "mean", TRAINED, run=run)
        reference = cohort.of("tissue", tissue, name, "mean", ROUTINE)
        pairs = [
            (x, reference[p]) for p, x in test.items() if cohort.group[p] == HEALTHY
        ]  # fmt: skip
        if pairs:
            sizes.append(abs(np.mean([200.0 * (x - y) / (x + y) for x, y in pairs])))
    return float(np.mean(sizes)) if sizes else None


def spread_rows(runs: Sequence[RunRow]) -> Iterator[SpreadRow]:
    """Mean, range and standard deviations of the runs' numbers, per map."""
    for name in dict.fromkeys(run.map for run in runs):
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
