"""Tables that the paper does not have: calibration, points, subjects, slices, weighted images.

Computed from the cohort's values like the paper's own (:mod:`qsr_jax.evaluation.compute_tables`).
"""

from collections.abc import Iterator

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import calibration, niqe, synthetic_contrast
from qsr_jax.evaluation.measure.subject import (
    BICUBIC,
    NEEDS_BOTH,
    SLICES,
    TRAINED,
    TRUTH,
    slice_index,
)
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import if_enough, named, title
from qsr_jax.evaluation.tables.findings import (
    CalibrationRow,
    NaturalnessRow,
    PointRow,
    SliceRow,
    SubjectRow,
    WeightedRow,
)
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.metrics.image import BRAIN
from qsr_jax.physics.synthetic_contrast import SEQUENCES
from qsr_jax.statistics import MIN_SUBJECTS

SHOWN_PAIRS = ((TRAINED, ROUTINE), (TRAINED, FAST), (BICUBIC, ROUTINE))
"""The comparisons that are plotted point by point."""

WORST = 5
"""Slices listed of each map."""


def point_rows(cohort: Cohort) -> Iterator[PointRow]:
    """Every healthy subject's GM and WM means, two methods at a time."""
    tissues = cohort.places("tissue", HEALTHY)
    for test, reference in SHOWN_PAIRS:
        for name in cohort.maps:
            subjects = cohort.healthy("tissue", tissues, name) if tissues else []
            for tissue in tissues:
                x, y = (cohort.of("tissue", tissue, name, "mean", m) for m in (test, reference))
                for subject in subjects:
                    mean = (x[subject] + y[subject]) / 2.0
                    yield PointRow(
                        row=f"{subject[:8]} {title(tissue, name)}, {test} vs {reference}",
                        map=name,
                        unit=spec_of(name).unit,
                        tissue=tissue,
                        subject=subject,
                        test=test,
                        reference=reference,
                        test_value=x[subject],
                        reference_value=y[subject],
                        mean=mean,
                        percent=100.0 * (x[subject] - y[subject]) / mean,
                    )


def subject_rows(cohort: Cohort) -> Iterator[SubjectRow]:
    """PSNR of every subject and method, inside the brain."""
    for name in cohort.maps:
        found = {m: cohort.of("image", BRAIN.place, name, "psnr", m) for m in cohort.methods}
        for subject, group in cohort.group.items():
            row = f"{subject[:8]} {spec_of(name).label} PSNR (dB)"
            yield SubjectRow(row, name, subject, group, {m: v[subject] for m, v in found.items()})


def calibration_rows(cohort: Cohort) -> Iterator[CalibrationRow]:
    """Mean difference by bin of the reference's value: mean over the subjects who have the bin."""
    methods = dict.fromkeys(v.method for v in cohort.values if v.kind == calibration.KIND)
    for reference in (ROUTINE, TRUTH):
        for name in cohort.maps:
            unit, edges = spec_of(name).unit, spec_of(name).value_bins
            for method in methods:
                for low, high in zip(edges, edges[1:], strict=False):
                    place, quantity = (
                        calibration.bin_name(low, high),
                        f"difference from {reference}",
                    )
                    found = cohort.of(calibration.KIND, place, name, quantity, method)
                    if not found:
                        continue
                    values = np.array(list(found.values()))
                    row = f"{spec_of(name).label} {place} {unit}, {method} minus {reference}"
                    several = len(values) >= MIN_SUBJECTS and values.std() > 0.0
                    test = named(row, statistics.paired_t, values, 0 * values) if several else None
                    yield CalibrationRow(
                        row=row,
                        map=name,
                        unit=unit,
                        method=method,
                        reference=reference,
                        low=float(low),
                        high=float(high),
                        n=len(values),
                        difference=named(row, statistics.describe, values),
                        interval=test.interval if test else None,
                    )


def slice_rows(cohort: Cohort) -> Iterator[SliceRow]:
    """The slices where the trained model's masked RMSE is largest, each map's worst first."""
    for name in cohort.maps:
        of = {}
        for v in cohort.values:
            if v.kind == SLICES and v.map == name:
                of.setdefault((v.subject, v.place, v.group), {}).setdefault(
                    (v.quantity, v.method), []
                ).append(v.value)
        mean = {key: {k: float(np.mean(v)) for k, v in found.items()} for key, found in of.items()}
        worst = sorted(mean, key=lambda key: -mean[key]["rmse", TRAINED])[:WORST]
        for rank, (subject, place, group) in enumerate(worst, 1):
            found = mean[subject, place, group]
            yield SliceRow(
                row=f"{spec_of(name).label} {rank}",
                map=name,
                unit=spec_of(name).unit,
                rank=rank,
                subject=subject,
                group=group,
                slice=slice_index(place) + 1,
                rmse={m: found["rmse", m] for m in NEEDS_BOTH},
                bias={m: found["bias", m] for m in NEEDS_BOTH},
            )


def weighted_rows(cohort: Cohort) -> Iterator[WeightedRow]:
    """Weighted images against those from routine, mean and SD over subjects."""
    rows = [v for v in cohort.values if v.kind == synthetic_contrast.KIND]
    methods = dict.fromkeys(v.method for v in rows)
    for name in dict.fromkeys(v.map for v in rows):
        label = SEQUENCES[name].label
        of = {
            m: {
                q: cohort.of(synthetic_contrast.KIND, "brain", name, q, m)
                for q in synthetic_contrast.QUANTITIES
            }
            for m in methods
        }
        full = {m: by for m, by in of.items() if len(by["psnr"]) == len(cohort.group)}
        pair = [
            cohort.everybody(synthetic_contrast.KIND, "brain", name, "psnr", m)
            for m in (TRAINED, BICUBIC)
        ]
        differ = bool(((pair[0] - pair[1]) != (pair[0] - pair[1])[0]).any())
        first = next(v for v in rows if v.map == name)
        yield WeightedRow(
            row=label,
            contrast=name,
            unit="%",
            convention=first.convention,
            n=len(cohort.group),
            by_method={
                m: {
                    q: named(f"{label} {q}, {m}", statistics.describe, list(found.values()))
                    for q, found in by.items()
                }
                for m, by in full.items()
            },
            gain=if_enough(f"{label} psnr", statistics.paired_t, *pair) if differ else None,
        )


def naturalness_rows(cohort: Cohort) -> Iterator[NaturalnessRow]:
    """Table 5: NIQE of every method that has it for everybody; never to be ranked on alone."""
    rows = [v for v in cohort.values if v.kind == niqe.KIND]
    for place in dict.fromkeys(v.place for v in rows):
        mine = [v for v in rows if v.place == place]
        for name in dict.fromkeys(v.map for v in mine):
            of = {
                m: cohort.of(niqe.KIND, place, name, "niqe", m)
                for m in dict.fromkeys(v.method for v in mine)
            }
            full = {m: found for m, found in of.items() if len(found) == len(cohort.group)}
            if not full:
                continue
            row = f"{MAPS[name].label} NIQE, {place}"
            yield NaturalnessRow(
                row=row,
                map=name,
                convention=next(v.convention for v in mine if v.map == name),
                n=len(cohort.group),
                by_method={
                    m: named(f"{row} {m}", statistics.describe, list(found.values()))
                    for m, found in full.items()
                },
                paper=published.TABLE_5[name],
            )
