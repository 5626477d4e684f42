"""Lesion contrast: what is to be seen where, and what is seen where nothing is."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import name_of
from qsr_jax.evaluation.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.evaluation.measure.lesion_contrast import (
    CNR,
    CONTRAST,
    CONTROL_KIND,
    CONTROL_PLACE,
    LESION_KIND,
    READ,
    READ_AT,
    RING_MM,
)
from qsr_jax.evaluation.sections.common import MAIN, Section, TableRow, maps_of, style_of, title
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.maps import spec_of

SHOWN = (FAST, BICUBIC, TRAINED, ROUTINE, TRUTH)

Readings = dict[tuple[str, str], dict[str, tuple[float, float]]]
"""(subject, lesion) to method to contrast and contrast to noise."""


@dataclasses.dataclass(frozen=True)
class ContrastRow(TableRow):
    """Is one lesion to be seen in one map, by method?

    The rule is that of :mod:`qsr_jax.evaluation.measure.lesion_contrast`.
    """

    map: str
    unit: str
    subject: str
    lesion: str
    contrast: dict[str, float]
    contrast_to_noise: dict[str, float]
    present: dict[str, bool]


@dataclasses.dataclass(frozen=True)
class VisibilityRow(TableRow):
    """All lesions of one map read by one method, and the control sites.

    ``lost`` and ``gained`` are against routine; ``recovered_percent`` is the mean contrast in
    percent of the mean contrast of the truth; ``control_percent`` says how many control sites read
    as present and ``control_contrast`` is the largest contrast at one.
    """

    map: str
    unit: str
    method: str
    n_lesions: int
    present: int
    lost: int
    gained: int
    recovered_percent: float | None
    n_subjects: int
    control_sites: int
    control_percent: float | None
    control_contrast: float | None


def _readings(cohort: Cohort, name: str) -> Readings:
    """Mean over the trainings that predicted a subject."""
    found: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for v in cohort.values:
        if (v.kind, v.map) == (LESION_KIND, name):
            by = found.setdefault((v.subject, v.place), {}).setdefault(v.method, {})
            by.setdefault(v.quantity, []).append(v.value)
    return {
        lesion: {
            m: (float(np.mean(by[CONTRAST])), float(np.mean(by[CNR]))) for m, by in methods.items()
        }
        for lesion, methods in found.items()
    }


def is_present(ratio: float) -> bool:
    """Whether a contrast to noise reads as present."""
    return abs(ratio) >= READ_AT


def contrast_rows(cohort: Cohort) -> Iterator[ContrastRow]:
    """One row per lesion and map."""
    for name in cohort.maps:
        for (subject, lesion), by in _readings(cohort, name).items():
            yield ContrastRow(
                row=f"{subject[:8]} {title(lesion, name)}",
                map=name,
                unit=spec_of(name).unit,
                subject=subject,
                lesion=lesion,
                contrast={m: pair[0] for m, pair in by.items()},
                contrast_to_noise={m: pair[1] for m, pair in by.items()},
                present={m: is_present(pair[1]) for m, pair in by.items()},
            )


def visibility_rows(cohort: Cohort) -> Iterator[VisibilityRow]:
    """One row per map and method: lesions found, lost and gained against routine, control sites."""
    for name in cohort.maps:
        readings = _readings(cohort, name)
        kinds = LESION_KIND, CONTROL_KIND
        mine = (v for v in cohort.values if v.map == name and v.kind in kinds)
        for method in dict.fromkeys(v.method for v in mine):
            yield _visibility(cohort, name, method, [b for b in readings.values() if method in b])


def _visibility(
    cohort: Cohort, name: str, method: str, lesions: Sequence[dict[str, tuple[float, float]]]
) -> VisibilityRow:
    mine, routine = ([is_present(by[m][1]) for by in lesions] for m in (method, ROUTINE))
    recovered = None
    if lesions and all(TRUTH in by for by in lesions):
        true = float(np.mean([by[TRUTH][0] for by in lesions]))
        recovered = 100.0 * float(np.mean([by[method][0] for by in lesions])) / true
    control = {q: cohort.of(CONTROL_KIND, CONTROL_PLACE, name, q, method) for q in (READ, CONTRAST)}
    wanted = (CONTROL_KIND, name, method, READ)
    counts = {
        v.subject: v.count for v in cohort.values if (v.kind, v.map, v.method, v.quantity) == wanted
    }
    sites = sum(counts.values())
    weighed = sum(control[READ][subject] * n for subject, n in counts.items())
    return VisibilityRow(
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
        control_sites=sites,
        control_percent=weighed / sites if sites else None,
        control_contrast=max(control[CONTRAST].values(), default=None),
    )


def contrast_tables(cohort: Cohort) -> Iterator[Table]:
    """Every lesion, and all of them together."""
    if cohort.rows(contrast_rows):
        yield _seen(cohort)
        yield _found(cohort)


def _seen(cohort: Cohort) -> Table:
    rows = cohort.rows(contrast_rows)
    methods = [m for m in SHOWN if m in rows[0].present]
    columns = [Column("lesion", align="l"), Column("subject", align="l")]
    for name in maps_of(rows):
        columns += [Column(name_of(m), group=spec_of(name).label) for m in methods]
    lines: dict[tuple[str, str], list[Cell]] = {}
    for row in rows:
        cells = lines.setdefault((row.subject, row.lesion), [row.lesion, row.subject[:6]])
        cells += [_reading(row, m) for m in methods]
    return Table(
        name="lesion_contrast_seen",
        title="Is it to be seen?",
        caption="Contrast to noise of each lesion: its mean minus the mean of the ring around it "
        f"({RING_MM[0]:g} to {RING_MM[1]:g} mm away, white matter outside all lesions), in "
        f"standard deviations of that ring. A lesion reads as present (●) from {READ_AT:g} SD on, "
        "as absent (○) below; the rule is the same for every map and method, and is no "
        "radiologist.",
        columns=columns,
        groups=[Group([Line(cells) for cells in lines.values()])],
    )


def _reading(row: ContrastRow, method: str) -> Cell:
    if method not in row.present:
        return ""
    seen = Styled("seen", "●") if row.present[method] else Styled("unseen", "○")
    return seen, " ", Num(row.contrast_to_noise[method], 1)


def _found(cohort: Cohort) -> Table:
    rows = cohort.rows(visibility_rows)
    heads = ("present", "lost", "gained", "contrast (%)", "control sites", "read as present (%)",
             "largest contrast there")  # fmt: skip
    groups = []
    for name in maps_of(rows):
        mine = {row.method: row for row in rows if row.map == name}
        shown = [mine[m] for m in MAIN if m in mine]
        lines = [
            Line([spec_of(name).label if i == 0 else "", *_visible(row)], kind=style_of(row.method))
            for i, row in enumerate(shown)
        ]
        groups.append(Group(lines))
    return Table(
        name="lesion_contrast_found",
        title="Found, lost and invented",
        caption="Lesions read as present; lost: present in routine and absent here; gained: the "
        "other way round. Contrast: mean contrast in percent of the truth’s. Control sites: discs "
        "in white matter without a marked lesion, spread evenly, the same for every method; what "
        "reads as present there is invented, and without that percentage the lesions found mean "
        "nothing.",
        columns=[Column("", align="l"), Column("method", align="l"), *map(Column, heads)],
        groups=groups,
        wide=False,
    )


def _visible(row: VisibilityRow) -> list[Cell]:
    return [
        name_of(row.method),
        (Num(row.present, 0), f" of {row.n_lesions}"),
        Num(row.lost, 0),
        Num(row.gained, 0),
        Num(row.recovered_percent, 1),
        str(row.control_sites),
        Num(row.control_percent, 1),
        (Num(row.control_contrast, spec_of(row.map).digits), f" {row.unit}"),
    ]


SECTION = Section(
    Path(__file__), "Lesion contrast",
    {"lesion_contrast": contrast_rows, "lesion_visibility": visibility_rows}, contrast_tables,
)  # fmt: skip
