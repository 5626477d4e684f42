"""Agreement of tissue means (the paper's Figures 3 and 4): regression and Bland-Altman."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import (
    PAPER_TISSUES,
    Section,
    TableRow,
    if_enough,
    interval,
    spanned,
    title,
)
from qsr_jax.evaluation.sections.places import subject_values
from qsr_jax.evaluation.values import TRAINED
from qsr_jax.formats.numbers import NO_TEST, number
from qsr_jax.formats.plots import BLUE, VERMILION, Mark, Plot, styled
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import BlandAltman, Regression

PAIRS = ((TRAINED, ROUTINE), (TRAINED, FAST), (FAST, ROUTINE))
"""The comparisons of the table; those of the paper's Figures 3 and 4 are drawn point by point."""

METHODS = (FAST, TRAINED, ROUTINE)

FIGURES = {(TRAINED, ROUTINE): "Figure 3", (TRAINED, FAST): "Figure 4"}

WINDOW_PERCENT = 6.0
"""Half height of a Bland-Altman plot unless the limits need more."""

TISSUE_MARKS = {"GM": ("dot", BLUE), "WM": ("diamond", VERMILION)}


@dataclasses.dataclass(frozen=True)
class AgreementRow(TableRow):
    """Figures 3 and 4 in numbers: ``test`` against ``reference``, GM and WM pooled."""

    map: str
    test: str
    reference: str
    n: int
    regression: Regression | None
    percent: BlandAltman | None
    paper: published.PublishedAgreement | None


@dataclasses.dataclass(frozen=True)
class PointRow(TableRow):
    """One subject's tissue mean by two methods, as the scatter and Bland-Altman plots show it."""

    map: str
    unit: str
    tissue: str
    subject: str
    test: str
    reference: str
    test_value: float
    reference_value: float
    mean: float
    percent: float


def point_rows(cohort: Cohort) -> Iterator[PointRow]:
    """The GM and WM means of every healthy subject who has both, two methods at a time."""
    for name in cohort.maps:
        values = {
            tissue: subject_values(cohort, "tissue", tissue, name) for tissue in PAPER_TISSUES
        }
        columns = [by.get(m, {}) for by in values.values() for m in METHODS]
        subjects = [s for s in cohort.group if all(s in column for column in columns)]
        for test, reference in PAIRS:
            for tissue, by in values.items():
                for subject in subjects:
                    x, y = by[test][subject], by[reference][subject]
                    mean = (x + y) / 2.0
                    row = f"{subject[:8]} {title(tissue, name)}, {test} vs {reference}"
                    yield PointRow(row, name, spec_of(name).unit, tissue, subject, test, reference,
                                   x, y, mean, 100.0 * (x - y) / mean)  # fmt: skip


def agreement_rows(cohort: Cohort) -> Iterator[AgreementRow]:
    """Regression and Bland-Altman of both tissues pooled, two points of each subject."""
    papers = {(TRAINED, ROUTINE): published.FIGURE_3, (TRAINED, FAST): published.FIGURE_4}
    for test, reference in PAIRS:
        for name in cohort.maps:
            mine = [p for p in cohort.rows(point_rows)
                    if (p.map, p.test, p.reference) == (name, test, reference)]  # fmt: skip
            if not mine:
                continue
            x, y = (np.array([getattr(p, which) for p in mine]).reshape(len(PAPER_TISSUES), -1).T
                    for which in ("test_value", "reference_value"))  # fmt: skip
            row = f"{spec_of(name).label}, {test} vs {reference}"
            yield AgreementRow(
                row=row,
                map=name,
                test=test,
                reference=reference,
                n=len(x),
                regression=if_enough(row, statistics.regress, x, y),
                percent=if_enough(row, statistics.bland_altman, x, y, unit="%", percent=True),
                paper=papers.get((test, reference), {}).get(name),
            )


def agreement_table(cohort: Cohort) -> Iterator[Table]:
    """A line per comparison, the paper's below."""
    rows = cohort.rows(agreement_rows)
    if rows:
        yield Table(
            name="agreement_pooled",
            title="GM and WM pooled",
            caption="As in the paper: two points of each subject. Pooled limits describe neither "
            "tissue (those are in the verdict), and R² and slope mostly say that grey is not white "
            "matter. Intervals (95 %) come from leaving out one subject at a time.",
            columns=[
                Column("", align="l"), Column("n"), Column("R²"), Column("slope"),
                Column("bias", "%"), Column("95 % limits", "%"),
            ],
            groups=[Group([line for row in rows for line in _lines(row)])],
            wide=False,
        )  # fmt: skip


def _lines(row: AgreementRow) -> Iterator[Line]:
    """Ours, and the paper's below."""
    percent, fit, paper = row.percent, row.regression, row.paper
    cells: list[Cell] = [NO_TEST, "", "", ""]
    if percent and fit:
        slope = spanned(fit.slope, fit.slope_interval, 3, signed=False)
        bias = spanned(percent.bias, percent.bias_interval, 2)
        cells = [Num(fit.r_squared, 3), slope, bias, interval(percent, 2)]
    yield Line([row.row, str(row.n), *cells])
    if paper:
        ends = paper.low_percent, paper.high_percent
        limits: Cell = (Num(ends[0], signed=True), " to ", Num(ends[1], signed=True))
        shown = [Num(paper.r_squared), Num(paper.slope, 4), Num(paper.bias_percent, signed=True)]
        last = "" if ends[0] is None else limits
        yield Line(["paper", str(published.N_HEALTHY), *shown, last], kind="paper")


@styled
def agreement_plot(rows: Sequence[AgreementRow], points: Sequence[PointRow]) -> Markup:
    """Per map, regression above and Bland-Altman in percent below, GM and WM pooled.

    Args:
        rows: the pooled rows of one comparison, one per map; lines and limits come from them.
        points: every subject's values of the same comparison.
    """
    label = f"Regression and Bland-Altman plots, {rows[0].test} against {rows[0].reference}"
    plot = Plot(height_inch=6.0, label=label)
    panels = plot.figure.subplots(2, len(rows), squeeze=False)
    for row, above, below in zip(rows, *panels, strict=True):
        mine = [point for point in points if point.map == row.map]
        _regression(plot, above, row, mine)
        _bland_altman(plot, below, row, mine)
    handles, labels = panels[0][0].get_legend_handles_labels()
    plot.figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return plot.svg()


def _regression(plot: Plot, axes: Axes, row: AgreementRow, points: Sequence[PointRow]) -> None:
    spec, fit = spec_of(row.map), row.regression
    assert fit is not None  # the caller leaves such rows out
    values = [v for point in points for v in (point.reference_value, point.test_value)]
    pad = 0.06 * (max(values) - min(values))
    ends = (min(values) - pad, max(values) + pad)
    axes.set(xlim=ends, ylim=ends, xlabel=_label(row.reference, row), ylabel=_label(row.test, row))
    axes.set_title(f"{spec.label}: slope {number(fit.slope, 3)}, R² {number(fit.r_squared, 3)}")
    axes.plot(ends, ends, color="0.5", lw=1, ls=":")
    axes.plot(ends, [fit.slope * v + fit.intercept for v in ends], color="black", lw=1.2)
    _draw(plot, axes, row, [(p, p.reference_value, p.test_value) for p in points])


def _bland_altman(plot: Plot, axes: Axes, row: AgreementRow, points: Sequence[PointRow]) -> None:
    spec, result = spec_of(row.map), row.percent
    assert result is not None  # the caller leaves such rows out
    reach = max(WINDOW_PERCENT, 1.1 * abs(result.low), 1.1 * abs(result.high))
    means = [point.mean for point in points]
    pad = 0.06 * (max(means) - min(means))
    axes.set(xlim=(min(means) - pad, max(means) + pad), ylim=(-reach, reach))
    axes.set_xlabel(f"mean of both, {spec.label} ({spec.unit})")
    axes.set_ylabel(f"{name_of(row.test)} − {name_of(row.reference)} (%)")
    bias, low, high = (number(v, 2, signed=True) for v in (result.bias, result.low, result.high))
    axes.set_title(f"bias {bias} %, limits {low} to {high} %")
    axes.axhspan(result.bias_interval.low, result.bias_interval.high, color="0.9", lw=0)
    axes.axhline(0.0, color="0.5", lw=1, ls=":")
    axes.axhline(result.bias, color="black", lw=1.2)
    for limit in (result.low, result.high):
        axes.axhline(limit, color="black", lw=1, ls="--")
    _draw(plot, axes, row, [(p, p.mean, p.percent) for p in points])


def _label(method: str, row: AgreementRow) -> str:
    spec = spec_of(row.map)
    return f"{name_of(method)} {spec.label} ({spec.unit})"


def _draw(
    plot: Plot, axes: Axes, row: AgreementRow, placed: Sequence[tuple[PointRow, float, float]]
) -> None:
    digits = spec_of(row.map).digits
    for tissue, (shape, colour) in TISSUE_MARKS.items():
        marks = []
        for p, x, y in placed:
            test, reference = (number(v, digits) for v in (p.test_value, p.reference_value))
            says = (
                f"{p.subject[:6]} {p.tissue}: {name_of(row.test)} {test}, "
                f"{name_of(row.reference)} {reference} {p.unit} "
                f"({number(p.percent, 2, signed=True)} %)"
            )
            if p.tissue == tissue:
                marks.append(Mark(x, y, says, (p.test_value, p.reference_value, p.percent)))
        plot.draw(axes, marks, shape=shape, colour=colour, label=tissue)


def plots(cohort: Cohort) -> dict[str, object]:
    """Figures 3 and 4, where there are enough subjects."""
    drawn = []
    for (test, reference), figure in FIGURES.items():
        rows = [
            r
            for r in cohort.rows(agreement_rows)
            if (r.test, r.reference) == (test, reference) and r.percent and r.regression
        ]
        mine = [p for p in cohort.rows(point_rows) if (p.test, p.reference) == (test, reference)]
        if rows:
            drawn.append((figure, test, reference, agreement_plot(rows, mine)))
    return {"plots": drawn}


SECTION = Section(
    Path(__file__), "Figures 3 and 4: regression and Bland–Altman",
    {"agreement": agreement_rows, "points": point_rows}, agreement_table, plots,
)  # fmt: skip
