"""Is the model's own uncertainty to be believed? Errors within its 95 % intervals, by place."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.coverage import (
    ERROR,
    INSIDE,
    KIND,
    LEARNED,
    MEANS,
    SPREAD,
    VOXELS,
)
from qsr_jax.evaluation.measure.error_by_place import against
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import (
    Section,
    TableRow,
    if_enough,
    in_brackets,
    interval,
    maps_of,
)
from qsr_jax.evaluation.values import TRAINED, TRUTH
from qsr_jax.formats.numbers import NO_TEST, number
from qsr_jax.formats.plots import BLUE, Mark, Plot, styled
from qsr_jax.formats.table import MISSING, Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Interval

BELIEVED_PERCENT = (93.0, 97.0)
"""Of errors within intervals that say 95 %: there a spread is to be believed."""

PLACES = (*VOXELS, *MEANS)


@dataclasses.dataclass(frozen=True)
class CoverageRow(TableRow):
    """Errors of one map in one place against one reference, within the model's 95 % intervals.

    ``inside_percent`` is the mean over subjects, with its interval from 3 subjects on; ``said`` and
    ``error`` are the root mean squares, over subjects, of the standard deviation and of the error.
    ``learned`` tells whether the reference is what the network learned to make, and so what its
    spread is for.
    """

    map: str
    unit: str
    method: str
    place: str
    reference: str
    learned: bool
    n: int
    inside_percent: float
    interval: Interval | None
    said: float
    error: float

    @property
    def believed(self) -> bool:
        """Whether as many lie inside as should, within :data:`BELIEVED_PERCENT`."""
        low, high = BELIEVED_PERCENT
        return low <= self.inside_percent <= high


def coverage_rows(cohort: Cohort) -> Iterator[CoverageRow]:
    """One row per map, method, reference and place; none where nobody tells a spread."""
    said = {(v.method, v.quantity): v.convention for v in cohort.values if v.kind == KIND}
    methods = dict.fromkeys(method for method, _ in said)
    wanted = itertools.product(cohort.maps, methods, (TRUTH, ROUTINE), PLACES)
    for name, method, reference, place in wanted:
        inside, spread, error = (
            cohort.of(KIND, place, name, against(quantity, reference), method)
            for quantity in (INSIDE, SPREAD, ERROR)
        )
        if inside:
            learned = said[method, against(INSIDE, reference)] == LEARNED
            row = f"{spec_of(name).label} {place} against {reference}, {method}"
            values = np.array(list(inside.values()))
            test = if_enough(row, statistics.paired_t, values, np.zeros_like(values))
            yield CoverageRow(
                row=row,
                map=name,
                unit=spec_of(name).unit,
                method=method,
                place=place,
                reference=reference,
                learned=learned,
                n=len(values),
                inside_percent=float(values.mean()),
                interval=test.interval if test else None,
                said=_rms(spread),
                error=_rms(error),
            )


def _rms(found: dict[str, float]) -> float:
    return float(np.sqrt(np.mean(np.square(list(found.values())))))


def judged(cohort: Cohort) -> list[CoverageRow]:
    """The rows of the trained model against what it learned to make."""
    rows = cohort.rows(coverage_rows)
    return [row for row in rows if row.learned and row.method == TRAINED]


def coverage_table(cohort: Cohort) -> Iterator[Table]:
    """A line per map and place, a group of columns per reference."""
    rows = [row for row in cohort.rows(coverage_rows) if row.method == TRAINED]
    if not rows:
        return
    references = list(dict.fromkeys(row.reference for row in rows))
    learned = {row.reference: row.learned for row in rows}
    columns = [Column("", align="l"), Column("n")]
    for reference in references:
        group = f"against {name_of(reference)}" + (", as learned" if learned[reference] else "")
        heads = (("inside", "%"), ("said", ""), ("error", ""))
        columns += [Column(head, unit, group=group) for head, unit in heads]
    groups = []
    for name in maps_of(rows):
        lines = []
        for place in PLACES:
            mine = {r.reference: r for r in rows if (r.map, r.place) == (name, place)}
            if mine:
                cells: list[Cell] = [place, str(next(iter(mine.values())).n)]
                lines.append(Line([*cells, *(c for r in references for c in _cells(mine.get(r)))]))
        groups.append(Group(lines, f"{spec_of(name).label} ({spec_of(name).unit})"))
    low, high = BELIEVED_PERCENT
    yield Table(
        name="coverage",
        title="Errors within the model’s own 95 % intervals",
        caption="Inside: percent of errors no larger than 1.96 of the standard deviations that the "
        f"model tells, mean over n subjects with its 95 % interval; between {low:g} and {high:g} "
        "they are to be believed. Of voxels, then of means over regions and tissues, whose own "
        "follow from those of their voxels by a law fitted on validation subjects, and "
        "over lesions, whose voxels err as one. Said and error: root mean square of the standard "
        "deviation, and of the error. A network that learned the truth does not answer for "
        "routine’s own noise.",
        columns=columns,
        groups=groups,
    )


def _cells(row: CoverageRow | None) -> tuple[Cell, Cell, Cell]:
    if row is None:
        return MISSING, MISSING, MISSING
    number_ = Num(row.inside_percent, 1)
    share = Styled("good" if row.believed else "bad", number_) if row.learned else number_
    ends = interval(row.interval, 1, signed=False) if row.interval else (NO_TEST,)
    digits = spec_of(row.map).digits
    return (share, " ", in_brackets(ends)), Num(row.said, digits), Num(row.error, digits)


@styled
def coverage_plot(rows: Sequence[CoverageRow]) -> Markup:
    """Percent inside by place, one panel per map; the band is where a spread is to be believed."""
    maps = maps_of(rows)
    plot = Plot(height_inch=2.8, label="Errors within the model’s own 95 % intervals, by place")
    least = min(80.0, *(10.0 * (row.inside_percent // 10.0) for row in rows))
    for name, axes in zip(maps, plot.panels(len(maps)), strict=True):
        _panel(plot, axes, [row for row in rows if row.map == name], least=least)
    return plot.svg()


def _panel(plot: Plot, axes: Axes, rows: Sequence[CoverageRow], *, least: float) -> None:
    axes.set(title=spec_of(rows[0].map).label, xlabel="inside the 95 % interval (%)")
    axes.set(xlim=(least, 100.5), ylim=(len(rows) - 0.5, -0.5))
    axes.axvspan(*BELIEVED_PERCENT, color="#e8eef4", lw=0)
    axes.set_yticks(range(len(rows)), [row.place for row in rows])
    marks = []
    for at, row in enumerate(rows):
        values = [row.inside_percent]
        if row.interval:
            ends = np.clip([row.interval.low, row.interval.high], least, 100.0)
            axes.plot(ends, [at, at], color=BLUE, lw=1.3)
        says = f"{row.place} {spec_of(row.map).label}: {number(values[0], 1)} %; n = {row.n}"
        marks.append(Mark(row.inside_percent, at, says, values))
    plot.draw(axes, marks, shape="dot", colour=BLUE)


def plots(cohort: Cohort) -> dict[str, object]:
    """The figure, where the model tells a spread."""
    rows = judged(cohort)
    return {"plot": coverage_plot(rows) if rows else ""}


SECTION = Section(
    Path(__file__), "Uncertainty", {"coverage": coverage_rows}, coverage_table, plots,
)  # fmt: skip
