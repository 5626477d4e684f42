"""Tables of the lesion reading: what is to be seen where, and what is seen where nothing is."""

from collections.abc import Iterator

import numpy as np

from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import lesion_contrast
from qsr_jax.evaluation.measure.subject import TRUTH
from qsr_jax.evaluation.sections.common import title
from qsr_jax.evaluation.tables.findings import ReadingRow, ReadingSummary
from qsr_jax.maps import spec_of

Readings = dict[tuple[str, str], dict[str, tuple[float, float]]]
"""(subject, lesion) to method to contrast and contrast to noise."""


def _readings(cohort: Cohort, name: str) -> Readings:
    """Mean over the trainings that predicted a subject."""
    found: dict[tuple, dict[str, dict[str, list[float]]]] = {}
    for v in cohort.values:
        if (v.kind, v.map) == (lesion_contrast.LESION_KIND, name):
            by = found.setdefault((v.subject, v.place), {}).setdefault(v.method, {})
            by.setdefault(v.quantity, []).append(v.value)
    return {
        lesion: {
            m: tuple(float(np.mean(by[q])) for q in (lesion_contrast.CONTRAST, lesion_contrast.CNR))
            for m, by in methods.items()
        }
        for lesion, methods in found.items()
    }


def is_present(ratio: float) -> bool:
    """The rule of :mod:`qsr_jax.evaluation.measure.lesion_contrast`."""
    return abs(ratio) >= lesion_contrast.READ_AT


def reading_rows(cohort: Cohort) -> Iterator[ReadingRow]:
    """One row per lesion and map."""
    for name in cohort.maps:
        for (subject, lesion), by in _readings(cohort, name).items():
            yield ReadingRow(
                row=f"{subject[:8]} {title(lesion, name)}",
                map=name,
                unit=spec_of(name).unit,
                subject=subject,
                lesion=lesion,
                contrast={m: pair[0] for m, pair in by.items()},
                contrast_to_noise={m: pair[1] for m, pair in by.items()},
                present={m: is_present(pair[1]) for m, pair in by.items()},
            )


def summary_rows(cohort: Cohort) -> Iterator[ReadingSummary]:
    """One row per map and method: lesions found, lost and gained against routine, sham places."""
    for name in cohort.maps:
        readings = _readings(cohort, name)
        methods = dict.fromkeys(
            v.method
            for v in cohort.values
            if v.map == name and v.kind in (lesion_contrast.LESION_KIND, lesion_contrast.SHAM_KIND)
        )
        for method in methods:
            yield _summary(cohort, name, method, [by for by in readings.values() if method in by])


def _summary(cohort: Cohort, name: str, method: str, lesions: list[dict]) -> ReadingSummary:
    mine, routine = ([is_present(by[m][1]) for by in lesions] for m in (method, ROUTINE))
    recovered = None
    if lesions and all(TRUTH in by for by in lesions):
        true = float(np.mean([by[TRUTH][0] for by in lesions]))
        recovered = 100.0 * float(np.mean([by[method][0] for by in lesions])) / true
    sham = {
        q: cohort.of(lesion_contrast.SHAM_KIND, lesion_contrast.SHAM_PLACE, name, q, method)
        for q in (lesion_contrast.READ, lesion_contrast.CONTRAST)
    }
    counts = {
        v.subject: v.count
        for v in cohort.values
        if (v.kind, v.map, v.method, v.quantity)
        == (lesion_contrast.SHAM_KIND, name, method, lesion_contrast.READ)
    }
    places = sum(counts.values())
    share = (
        sum(sham[lesion_contrast.READ][p] * n for p, n in counts.items()) / places
        if places
        else None
    )
    return ReadingSummary(
        row=f"{title('lesions', name)} read by {method}",
        map=name,
        unit=spec_of(name).unit,
        method=method,
        n_lesions=len(lesions),
        present=sum(mine),
        lost=sum(r and not m for m, r in zip(mine, routine, strict=True)),
        gained=sum(m and not r for m, r in zip(mine, routine, strict=True)),
        recovered_percent=recovered,
        n_subjects=len(counts),
        sham_places=places,
        sham_percent=share,
        sham_contrast=max(sham[lesion_contrast.CONTRAST].values(), default=None),
    )
