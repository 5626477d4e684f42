"""Lesion contrast: what is to be seen of each lesion."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.lesion_contrast import (
    CNR,
    CONTRAST,
    LESION_KIND,
    READ_AT,
    RING_MM,
)
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import Section, TableRow, maps_of, title
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of

SHOWN = (FAST, TRAINED, ROUTINE, TRUTH, BICUBIC)

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


def contrast_tables(cohort: Cohort) -> Iterator[Table]:
    """Every lesion."""
    if cohort.rows(contrast_rows):
        yield _seen(cohort)


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


SECTION = Section(
    Path(__file__), "Lesion contrast",
    {"lesion_contrast": contrast_rows}, contrast_tables,
)  # fmt: skip
