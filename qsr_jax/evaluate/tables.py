"""From tidy values to the paper's tables: computed here once, then saved, then shown.

A table is a list of frozen rows; what cannot be computed (fewer than three persons) is None, and
every row carries its n. The unit of analysis is the person; in the lesion table it is the lesion,
as in the paper. Tissue and region tables are over healthy persons.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from qsr_jax.data.manifest import FAST, HEALTHY, PATIENT, ROUTINE
from qsr_jax.evaluate import agreement, published
from qsr_jax.evaluate.agreement import MIN_PERSONS
from qsr_jax.evaluate.cohort import Cohort
from qsr_jax.evaluate.measure import BICUBIC, TRAINED, TRUTH
from qsr_jax.evaluate.metrics import BRAIN, CONVENTIONS, METRICS
from qsr_jax.evaluate.rows import (
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

ALPHA = 0.05
POOLED = "GM + WM"


def compute_tables(cohort: Cohort) -> Tables:
    """All tables of a cohort.

    Raises:
        ValueError: degenerate values, saying which (see :mod:`qsr_jax.evaluate.agreement`).
    """
    agreements = list(_agreement_rows(cohort))
    return Tables(
        verdict=[_verdict(cohort, name, agreements) for name in cohort.maps],
        tissue=list(_tissue_rows(cohort)),
        agreement=agreements,
        regions=list(_region_rows(cohort)),
        lesions=list(_lesion_rows(cohort)),
        lesion_tests=list(_lesion_tests(cohort)),
        quality=list(_quality_rows(cohort)),
    )


def _named(row: str, compute: Callable[..., Any], *data: np.ndarray, **options: Any) -> Any:
    """Computes; what is degenerate gets the name of its row."""
    try:
        return compute(*data, **options)
    except ValueError as error:
        raise ValueError(f"{row}: {error}") from error


def _if_enough(row: str, compute: Callable[..., Any], *data: np.ndarray, **options: Any) -> Any:
    """None below three persons; any other degenerate input still raises."""
    enough = min(len(values) for values in data) >= MIN_PERSONS
    return _named(row, compute, *data, **options) if enough else None


def _title(place: str, name: str) -> str:
    spec = spec_of(name)
    return f"{place} {spec.label} ({spec.unit})"


def _tissue_rows(cohort: Cohort) -> Iterator[TissueRow]:
    """Table 1, each method against routine, and the trained model against fast."""
    methods = (FAST, *cohort.methods, ROUTINE, TRUTH)
    for tissue in cohort.places("tissue", HEALTHY):
        for name in cohort.maps:
            mean = {m: cohort.means("tissue", [tissue], name, m) for m in methods}
            margin = agreement.margin_of(mean[ROUTINE], percent=published.MARGIN_PERCENT)
            pairs = [(m, ROUTINE) for m in methods if m != ROUTINE]
            row = _title(tissue, name)
            yield TissueRow(
                row=row,
                map=name,
                tissue=tissue,
                unit=spec_of(name).unit,
                n=len(mean[ROUTINE]),
                means={m: agreement.describe(v) for m, v in mean.items()},
                tests={
                    f"{a}-{b}": _if_enough(
                        f"{row}, {a} vs {b}", agreement.paired_t, mean[a], mean[b]
                    )
                    for a, b in [*pairs, (TRAINED, FAST)]
                },
                equivalence={
                    f"{a}-{b}": _if_enough(
                        row, agreement.equivalence, mean[a], mean[b], margin=margin, alpha=ALPHA
                    )
                    for a, b in pairs
                },
                paper=published.TABLE_1[tissue, name],
            )


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
                row = f"{_title(tissue, name)}, {test} vs {reference}"
                yield AgreementRow(
                    row=row,
                    map=name,
                    unit=unit,
                    tissue=tissue,
                    test=test,
                    reference=reference,
                    n=len(x),
                    regression=_if_enough(row, agreement.regress, x, y),
                    percent=_if_enough(row, agreement.bland_altman, x, y, unit="%"),
                    units=_if_enough(row, agreement.bland_altman, x, y, unit=unit),
                    paper=papers.get((test, reference), {}).get(name) if pooled else None,
                )


def _region_rows(cohort: Cohort) -> Iterator[RegionRow]:
    for region in cohort.places("region", HEALTHY):
        for name in cohort.maps:
            x, y = (cohort.means("region", [region], name, m) for m in (TRAINED, ROUTINE))
            row = _title(region, name)
            yield RegionRow(
                row=row,
                map=name,
                region=region,
                n=len(x),
                variation=_if_enough(row, agreement.variation, x, y),
                test=_if_enough(row, agreement.paired_t, x, y),
                paper=published.TABLE_2.get((region, name)),
            )


def _lesion_means(cohort: Cohort, name: str) -> dict[tuple[str, str], dict[str, float]]:
    """(person, lesion) to mean by method, patients only."""
    means: dict[tuple[str, str], dict[str, float]] = {}
    for v in cohort.values:
        if (v.kind, v.map, v.group) == ("lesion", name, PATIENT):
            means.setdefault((v.person, v.place), {})[v.method] = v.value
    return means


def _lesion_rows(cohort: Cohort) -> Iterator[LesionRow]:
    for name in cohort.maps:
        for (person, lesion), means in _lesion_means(cohort, name).items():
            row = f"{person[:8]} {_title(lesion, name)}"
            yield LesionRow(row, name, spec_of(name).unit, person, lesion, means)


def _lesion_tests(cohort: Cohort) -> Iterator[LesionTest]:
    for name in cohort.maps:
        means = _lesion_means(cohort, name)
        for method in cohort.methods if means else ():
            x, y = (np.array([m[k] for m in means.values()]) for k in (method, ROUTINE))
            row = f"{_title('lesions', name)}, {method} vs routine"
            yield LesionTest(
                row=row,
                map=name,
                unit=spec_of(name).unit,
                method=method,
                n_lesions=len(x),
                n_persons=len({person for person, _ in means}),
                test=_if_enough(row, agreement.paired_t, x, y),
                percent=float((100.0 * (x - y) / y).mean()),
                lower=int((x < y).sum()),
                paper_p=published.TABLE_3_P_PAIRED[name],
            )


def _quality_rows(cohort: Cohort) -> Iterator[QualityRow]:
    """Per person the mean over slices (already in the values), then mean and SD over persons."""
    for convention in CONVENTIONS:
        for name in cohort.maps:
            spec = spec_of(name)
            row = f"{spec.label} {convention.place}"
            by_method = {
                method: {
                    quantity: _named(
                        f"{row} {quantity}, {method} vs routine",
                        agreement.describe,
                        cohort.everybody("image", convention.place, name, quantity, method),
                    )
                    for quantity in METRICS
                }
                for method in cohort.methods
            }
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
        psnr={m: _named(f"{row} psnr, {m}", agreement.describe, v) for m, v in psnr.items()},
        gain_db=float(gains.mean()),
        gain=_if_enough(row, agreement.paired_t, *pair) if differ else None,
        wins=int((gains > 0.0).sum()),
        bias_size_percent=sizes,
        bias_percent={m: a.percent.bias for m, a in pooled.items()},
        r_squared={m: a.regression.r_squared for m, a in pooled.items()},
        slope={m: a.regression.slope for m, a in pooled.items()},
        nearer_psnr=bool(gains.mean() > 0.0),
        nearer_bias=sizes[TRAINED] < sizes[BICUBIC] if pooled else None,
        paper=published.FIGURE_3[name],
    )
