"""From tidy values to the paper's tables: computed here once, then saved, then shown.

A table is a list of frozen rows; what cannot be computed (fewer than three subjects) is None, and
every row carries its n. The unit of analysis is the subject; in the lesion table it is the lesion,
as in the paper. Tissue and region tables are over healthy subjects.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, PATIENT, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.subject import BICUBIC, QUANTITIES, TRAINED, TRUTH
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import POOLED, if_enough, named, title
from qsr_jax.evaluation.sections.folds_and_seeds import FoldSeed, run_rows, spread_rows
from qsr_jax.evaluation.sections.lesion_contrast import reading_rows, summary_rows
from qsr_jax.evaluation.sections.noise_and_resolution import detail_rows, label_rows
from qsr_jax.evaluation.tables.extras import (
    calibration_rows,
    naturalness_rows,
    point_rows,
    slice_rows,
    subject_rows,
    weighted_rows,
)
from qsr_jax.evaluation.tables.rows import (
    AgreementRow,
    LesionRow,
    LesionTest,
    QualityRow,
    RegionRow,
    Tables,
    TissueRow,
    VerdictRow,
)
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN, CONVENTIONS

ALPHA = 0.05


def compute_tables(cohort: Cohort, folds: Mapping[str, FoldSeed] | None = None) -> Tables:
    """All tables of a cohort.

    Args:
        cohort: the values of all subjects.
        folds: run to its fold and seed; None where there is one training.

    Raises:
        ValueError: degenerate values, saying which (see :mod:`qsr_jax.statistics`).
    """
    agreements = list(_agreement_rows(cohort))
    runs = list(run_rows(cohort, folds or {}))
    return Tables(
        verdict=[_verdict(cohort, name, agreements) for name in cohort.maps],
        runs=runs,
        spread=list(spread_rows(runs)),
        tissue=list(_tissue_rows(cohort)),
        agreement=agreements,
        points=list(point_rows(cohort)),
        regions=_corrected(list(_region_rows(cohort))),
        calibration=list(calibration_rows(cohort)),
        lesions=list(_lesion_rows(cohort)),
        lesion_tests=list(_lesion_tests(cohort)),
        readings=list(reading_rows(cohort)),
        reading_summaries=list(summary_rows(cohort)),
        quality=list(_quality_rows(cohort)),
        subjects=list(subject_rows(cohort)),
        slices=list(slice_rows(cohort)),
        weighted=list(weighted_rows(cohort)),
        naturalness=list(naturalness_rows(cohort)),
        detail=list(detail_rows(cohort)),
        labels=list(label_rows(cohort)),
    )


def _tissue_rows(cohort: Cohort) -> Iterator[TissueRow]:
    """Table 1, each method against routine, and the trained model against fast."""
    methods = tuple(dict.fromkeys((FAST, *cohort.methods, ROUTINE, TRUTH)))
    for tissue in cohort.places("tissue", HEALTHY):
        for name in cohort.maps:
            known = [m for m in methods if cohort.of("tissue", tissue, name, "mean", m)]
            mean = {m: cohort.means("tissue", [tissue], name, m) for m in known}
            margin = statistics.margin_of(mean[ROUTINE], percent=published.MARGIN_PERCENT)
            pairs = [(m, ROUTINE) for m in known if m != ROUTINE]
            row = title(tissue, name)
            yield TissueRow(
                row=row,
                map=name,
                tissue=tissue,
                unit=spec_of(name).unit,
                n=len(mean[ROUTINE]),
                means={m: statistics.describe(v) for m, v in mean.items()},
                tests={
                    f"{a}-{b}": if_enough(
                        f"{row}, {a} vs {b}", statistics.paired_t, mean[a], mean[b]
                    )
                    for a, b in [*pairs, (TRAINED, FAST)]
                },
                equivalence={
                    f"{a}-{b}": if_enough(
                        row, statistics.equivalence, mean[a], mean[b], margin=margin, alpha=ALPHA
                    )
                    for a, b in pairs
                },
                percent={f"{m}-{ROUTINE}": _percent(row, mean[m], mean[ROUTINE]) for m, _ in pairs},
                paper=published.TABLE_1[tissue, name],
            )


def _percent(row: str, test: np.ndarray, reference: np.ndarray) -> statistics.Equivalence | None:
    """Equivalence of each subject's own difference in percent of their reference."""
    whole = np.full(len(reference), 100.0)
    options = {"margin": published.MARGIN_PERCENT, "alpha": ALPHA}
    return if_enough(row, statistics.equivalence, 100.0 * test / reference, whole, **options)


def _agreement_rows(cohort: Cohort) -> Iterator[AgreementRow]:
    """Regression and Bland-Altman per tissue, and of both tissues pooled as in the paper."""
    tissues = cohort.places("tissue", HEALTHY)
    papers = {(TRAINED, ROUTINE): published.FIGURE_3, (TRAINED, FAST): published.FIGURE_4}
    for test, reference in [*((m, ROUTINE) for m in cohort.methods), (TRAINED, FAST)]:
        for name in cohort.maps:
            unit = spec_of(name).unit
            for tissue in (POOLED, *tissues) if tissues else ():
                pooled = tissue == POOLED
                places = tissues if pooled else [tissue]
                x, y = (cohort.means("tissue", places, name, m) for m in (test, reference))
                row = f"{title(tissue, name)}, {test} vs {reference}"
                yield AgreementRow(
                    row=row,
                    map=name,
                    unit=unit,
                    tissue=tissue,
                    test=test,
                    reference=reference,
                    n=len(x),
                    regression=if_enough(row, statistics.regress, x, y),
                    percent=if_enough(row, statistics.bland_altman, x, y, unit="%", percent=True),
                    units=if_enough(row, statistics.bland_altman, x, y, unit=unit, percent=False),
                    proportional=if_enough(row, statistics.proportional_bias, x, y),
                    paper=papers.get((test, reference), {}).get(name) if pooled else None,
                )


def _corrected(rows: Sequence[RegionRow]) -> list[RegionRow]:
    """The same rows with their P values corrected for one another."""
    tested = [row for row in rows if row.test]
    if not tested:
        return list(rows)
    holm = statistics.adjust([row.test.p for row in tested]).holm
    p_of = {row.row: float(p) for row, p in zip(tested, holm, strict=True)}
    return [dataclasses.replace(row, p_holm=p_of.get(row.row)) for row in rows]


def _region_rows(cohort: Cohort) -> Iterator[RegionRow]:
    for region in cohort.places("region", HEALTHY):
        for name in cohort.maps:
            x, y = (cohort.means("region", [region], name, m) for m in (TRAINED, ROUTINE))
            row = title(region, name)
            yield RegionRow(
                row=row,
                map=name,
                region=region,
                n=len(x),
                variation=if_enough(row, statistics.variation, x, y),
                test=if_enough(row, statistics.paired_t, x, y),
                percent={
                    m: _percent(row, cohort.means("region", [region], name, m), y)
                    for m in (FAST, *cohort.methods)
                },
                p_holm=None,
                paper=published.TABLE_2.get((region, name)),
            )


def _lesion_means(cohort: Cohort, name: str) -> dict[tuple[str, str], dict[str, float]]:
    """(subject, lesion) to mean by method, patients only; the mean over trainings."""
    methods: dict[tuple[str, str], dict[str, None]] = {}
    for v in cohort.values:
        if (v.kind, v.map, v.group) == ("lesion", name, PATIENT):
            methods.setdefault((v.subject, v.place), {})[v.method] = None
    return {
        (subject, place): {m: cohort.of("lesion", place, name, "mean", m)[subject] for m in found}
        for (subject, place), found in methods.items()
    }


def _lesion_rows(cohort: Cohort) -> Iterator[LesionRow]:
    for name in cohort.maps:
        for (subject, lesion), means in _lesion_means(cohort, name).items():
            row = f"{subject[:8]} {title(lesion, name)}"
            yield LesionRow(row, name, spec_of(name).unit, subject, lesion, means)


def _lesion_tests(cohort: Cohort) -> Iterator[LesionTest]:
    for name in cohort.maps:
        means = _lesion_means(cohort, name)
        for method in cohort.methods if means else ():
            x, y = (np.array([m[k] for m in means.values()]) for k in (method, ROUTINE))
            row = f"{title('lesions', name)}, {method} vs routine"
            yield LesionTest(
                row=row,
                map=name,
                unit=spec_of(name).unit,
                method=method,
                n_lesions=len(x),
                n_subjects=len({subject for subject, _ in means}),
                test=if_enough(row, statistics.paired_t, x, y),
                percent=float((100.0 * (x - y) / y).mean()),
                lower=int((x < y).sum()),
                paper_p=published.TABLE_3_P_PAIRED[name],
            )


def _quality_rows(cohort: Cohort) -> Iterator[QualityRow]:
    """Per subject the mean over slices (already in the values), then mean and SD over subjects."""
    for convention in CONVENTIONS:
        for name in cohort.maps:
            spec = spec_of(name)
            row = f"{spec.label} {convention.place}"
            by_method = {
                method: dict(_qualities(cohort, convention.place, name, method))
                for method in cohort.methods
            }
            by_method = {method: found for method, found in by_method.items() if found}
            yield QualityRow(
                row=row,
                map=name,
                unit=spec.unit,
                place=convention.place,
                convention=convention.text(spec),
                n=by_method[TRAINED]["psnr"].n,
                by_method=by_method,
                paper=published.TABLE_4[name] if convention.stored_range else None,
            )


def _qualities(
    cohort: Cohort, place: str, name: str, method: str
) -> Iterator[tuple[str, statistics.Sample]]:
    """Every metric that the method has for everybody."""
    for quantity in QUANTITIES[place]:
        found = cohort.of("image", place, name, quantity, method)
        if len(found) == len(cohort.group):
            row = f"{spec_of(name).label} {place} {quantity}, {method} vs routine"
            yield quantity, named(row, statistics.describe, list(found.values()))


def _verdict(cohort: Cohort, name: str, agreements: Sequence[AgreementRow]) -> VerdictRow:
    """A model that is bicubic, bit for bit, has a gain of zero and no interval."""
    psnr = {m: cohort.everybody("image", BRAIN.place, name, "psnr", m) for m in cohort.methods}
    pair = psnr[TRAINED], psnr[BICUBIC]
    gains = pair[0] - pair[1]
    mine = [a for a in agreements if (a.map, a.reference) == (name, ROUTINE) and a.percent]
    pooled = {a.test: a for a in mine if a.tissue == POOLED}
    sizes = {
        m: float(np.mean([abs(a.percent.bias) for a in mine if a.test == m and a.tissue != POOLED]))
        for m in pooled
    }
    row, differ = spec_of(name).label, bool((gains != gains[0]).any())
    return VerdictRow(
        row=row,
        map=name,
        convention=BRAIN.text(spec_of(name)),
        n=len(gains),
        psnr={m: named(f"{row} psnr, {m}", statistics.describe, v) for m, v in psnr.items()},
        gain_db=float(gains.mean()),
        gain=if_enough(row, statistics.paired_t, *pair) if differ else None,
        wins=int((gains > 0.0).sum()),
        bias_size_percent=sizes,
        bias_percent={m: a.percent.bias for m, a in pooled.items()},
        r_squared={m: a.regression.r_squared for m, a in pooled.items()},
        slope={m: a.regression.slope for m, a in pooled.items()},
        nearer_psnr=bool(gains.mean() > 0.0),
        nearer_bias=sizes[TRAINED] < sizes[BICUBIC] if pooled else None,
        paper=published.FIGURE_3[name],
    )
