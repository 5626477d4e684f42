"""Errors in parenchyma, brain and frame, against routine and against the truth; what air holds."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.error_by_place import (
    AIR_HIGH,
    AIR_KIND,
    AIR_MEAN,
    AIR_PLACE,
    BIAS,
    BRAIN,
    FRAME,
    KIND,
    PARENCHYMA,
    PLACES,
    RMSE,
    against,
)
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import (
    MAIN,
    Section,
    TableRow,
    maps_of,
    mean_sd,
    named,
    style_of,
)
from qsr_jax.evaluation.values import TRUTH
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Sample

SHOWN = (PARENCHYMA, BRAIN, FRAME)
"""Places of the page; single tissues are in the csv."""


@dataclasses.dataclass(frozen=True)
class ErrorRow(TableRow):
    """Errors of one map in one place against one reference, by method, over who has the place.

    ``share`` is a subject's RMSE against the truth over that of their routine scan: below 1 the map
    is nearer to the truth than the scan it is meant to replace. Empty against routine.
    """

    map: str
    unit: str
    place: str
    reference: str
    n: int
    rmse: dict[str, Sample]
    bias: dict[str, Sample]
    share: dict[str, Sample]


@dataclasses.dataclass(frozen=True)
class AirRow(TableRow):
    """What one map says outside the head, by method: mean and 99th percentile."""

    map: str
    unit: str
    convention: str
    n: int
    mean: dict[str, Sample]
    high: dict[str, Sample]


def truth_shares(cohort: Cohort, place: str, name: str, method: str) -> dict[str, float]:
    """Subject to RMSE against the truth in parts of the routine scan's own; empty without truth."""
    quantity = against(RMSE, TRUTH)
    mine, own = (cohort.of(KIND, place, name, quantity, m) for m in (method, ROUTINE))
    return {subject: value / own[subject] for subject, value in mine.items() if own.get(subject)}


def error_rows(cohort: Cohort) -> Iterator[ErrorRow]:
    """One row per map, place and reference."""
    rows = [v for v in cohort.values if v.kind == KIND]
    for name in cohort.maps:
        for place in PLACES:
            for reference in (ROUTINE, TRUTH):
                wanted = (place, name, against(RMSE, reference))
                mine = [v for v in rows if (v.place, v.map, v.quantity) == wanted]
                methods = list(dict.fromkeys(v.method for v in mine))
                if methods:
                    yield _error_row(cohort, name, place, reference, methods)


def _error_row(
    cohort: Cohort, name: str, place: str, reference: str, methods: list[str]
) -> ErrorRow:
    row = f"{spec_of(name).label} {place} against {reference}"

    def over(quantity: str) -> dict[str, Sample]:
        of = {m: cohort.of(KIND, place, name, against(quantity, reference), m) for m in methods}
        return {m: _sample(f"{row} {quantity} {m}", found) for m, found in of.items()}

    shares: dict[str, dict[str, float]] = {}
    if reference == TRUTH:
        shares = {m: truth_shares(cohort, place, name, m) for m in methods}
    return ErrorRow(
        row=row,
        map=name,
        unit=spec_of(name).unit,
        place=place,
        reference=reference,
        n=len(cohort.of(KIND, place, name, against(RMSE, reference), methods[0])),
        rmse=over(RMSE),
        bias=over(BIAS),
        share={m: _sample(f"{row} share {m}", found) for m, found in shares.items() if found},
    )


def _sample(row: str, found: dict[str, float]) -> Sample:
    return named(row, statistics.describe, list(found.values()))


def air_rows(cohort: Cohort) -> Iterator[AirRow]:
    """One row per map."""
    rows = [v for v in cohort.values if v.kind == AIR_KIND]
    for name in cohort.maps:
        mine = {v.method: v for v in rows if v.map == name}
        if not mine:
            continue
        row = f"{spec_of(name).label} in air"
        mean, high = (
            {m: _sample(f"{row} {q} {m}", cohort.of(AIR_KIND, AIR_PLACE, name, q, m)) for m in mine}
            for q in (AIR_MEAN, AIR_HIGH)
        )
        said = next(iter(mine.values())).convention
        n = next(iter(mean.values())).n
        yield AirRow(row, name, spec_of(name).unit, said, n, mean, high)


def error_tables(cohort: Cohort) -> Iterator[Table]:
    """Errors by place, and air."""
    rows = [row for row in cohort.rows(error_rows) if row.place in SHOWN]
    if rows:
        yield _errors(rows)
    if cohort.rows(air_rows):
        yield _air(cohort.rows(air_rows))


def _errors(rows: list[ErrorRow]) -> Table:
    known = any(row.reference == TRUTH for row in rows)
    columns = [Column("method", align="l")]
    for place in dict.fromkeys(row.place for row in rows):
        columns.append(Column("routine", group=f"{place}: RMSE against"))
        if known:
            columns += [Column(h, group=f"{place}: RMSE against") for h in ("truth", "share")]
    groups = []
    for name in maps_of(rows):
        mine = [row for row in rows if row.map == name]
        there = dict.fromkeys(m for row in mine for m in row.rmse)
        lines = [
            Line([name_of(m), *(c for row in mine for c in _cells(row, m))], kind=style_of(m))
            for m in MAIN
            if m in there
        ]
        spec = spec_of(name)
        head = (f"{spec.label} ({spec.unit}) ", Styled("soft", f"n = {mine[0].n}"))
        groups.append(Group(lines, head))
    told = (
        " Share: RMSE against the truth in parts of the routine scan’s own, subject by subject; "
        "below 1 a map is nearer to the truth than the routine scan." if known else ""
    )  # fmt: skip
    return Table(
        name="errors",
        title="Errors by place",
        caption="Root mean square over all voxels of a place, mean (SD) over subjects. Parenchyma: "
        "grey matter, white matter and lesions, where values are read; the brain mask holds water, "
        "whose errors are the largest; the frame is mostly air. Fast: every voxel reads the fast "
        f"voxel that covers it, not interpolated.{told}",
        columns=columns,
        groups=groups,
    )


def _cells(row: ErrorRow, method: str) -> list[Cell]:
    digits = spec_of(row.map).digits
    cells: list[Cell] = [mean_sd(row.rmse[method], digits) if method in row.rmse else ""]
    if row.reference == TRUTH:
        cells.append(Num(row.share[method].mean) if method in row.share else "")
    return cells


def _air(rows: list[AirRow]) -> Table:
    columns = [Column("method", align="l")]
    for row in rows:
        label = f"{spec_of(row.map).label} ({row.unit})"
        columns += [Column(head, group=label) for head in ("mean", "99th percentile")]
    lines = []
    for method in (m for m in MAIN if any(m in row.mean for row in rows)):
        cells: list[Cell] = [name_of(method)]
        for row in rows:
            digits = spec_of(row.map).digits
            both = (row.mean, row.high)
            cells += [mean_sd(of[method], digits) if method in of else "" for of in both]
        lines.append(Line(cells, kind=style_of(method)))
    return Table(
        name="air_values",
        title="Air",
        caption="What the maps say where there is nothing, mean (SD) over subjects: "
        f"{rows[0].convention}. A scanner’s fit of noise may say anything; what a method writes "
        "there beyond that is its own.",
        columns=columns,
        groups=[Group(lines)],
        wide=False,
    )


SECTION = Section(
    Path(__file__), "Errors by place", {"errors_by_place": error_rows, "air": air_rows},
    error_tables,
)  # fmt: skip
