"""Agreement of tissue means (the paper's Figures 3 and 4): regression and Bland-Altman."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import NO_TEST, name_of, number
from qsr_jax.evaluation.formats.plots import BLUE, VERMILION, Mark, Plot, styled
from qsr_jax.evaluation.formats.table import Cell, Column, Group, Line, Num, Table
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import (
    POOLED,
    Section,
    TableRow,
    if_enough,
    in_brackets,
    interval,
    title,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.maps import spec_of
from qsr_jax.statistics import BlandAltman, ProportionalBias, Regression

SHOWN_PAIRS = ((TRAINED, ROUTINE), (TRAINED, FAST), (BICUBIC, ROUTINE))
"""The comparisons that are plotted point by point."""

WINDOW_PERCENT = 6.0
"""Half height of a Bland-Altman plot unless the limits need more."""

TISSUE_MARKS = {"GM": ("dot", BLUE), "WM": ("diamond", VERMILION)}


@dataclasses.dataclass(frozen=True)
class AgreementRow(TableRow):
    """Figures 3 and 4 in numbers: ``test`` against ``reference`` in one tissue or both.

    ``proportional`` is the line of the difference on the mean of both, in the unit of the map.
    """

    map: str
    unit: str
    tissue: str
    test: str
    reference: str
    n: int
    regression: Regression | None
    percent: BlandAltman | None
    units: BlandAltman | None
    proportional: ProportionalBias | None
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


def agreement_rows(cohort: Cohort) -> Iterator[AgreementRow]:
    """Regression and Bland-Altman per tissue, and of both tissues pooled as in the paper."""
    tissues = cohort.places("tissue", HEALTHY)
    for test, reference in [*((m, ROUTINE) for m in cohort.methods), (TRAINED, FAST)]:
        for name in cohort.maps:
            for tissue in (POOLED, *tissues) if tissues else ():
                places = tissues if tissue == POOLED else [tissue]
                yield _agreement_row(cohort, name, tissue, places, test, reference)


def _agreement_row(
    cohort: Cohort, name: str, tissue: str, places: Sequence[str], test: str, reference: str
) -> AgreementRow:
    papers = {(TRAINED, ROUTINE): published.FIGURE_3, (TRAINED, FAST): published.FIGURE_4}
    x, y = (cohort.means("tissue", places, name, m) for m in (test, reference))
    row, unit = f"{title(tissue, name)}, {test} vs {reference}", spec_of(name).unit
    return AgreementRow(
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
        paper=papers.get((test, reference), {}).get(name) if tissue == POOLED else None,
    )


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


COLUMNS = (
    Column("", align="l"),
    Column("n"),
    Column("R²", group="regression"),
    Column("slope (95 % interval)", group="regression"),
    Column("bias (95 % interval)", group="Bland–Altman (%)"),
    Column("95 % limits", group="Bland–Altman (%)"),
    Column("bias", group="Bland–Altman (unit of the map)"),
    Column("95 % limits", group="Bland–Altman (unit of the map)"),
    Column("proportional bias"),
)


def agreement_tables(cohort: Cohort) -> Iterator[Table]:
    """The trained model and bicubic with both tissues pooled; each tissue; the other methods."""
    rows = [row for row in cohort.rows(agreement_rows) if row.test in (TRAINED, BICUBIC)]
    others = [row for row in cohort.rows(agreement_rows) if row.test not in (TRAINED, BICUBIC)]
    caption = (
        "GM and WM pooled as in Figures 3 and 4 of the paper: two points per subject. R² and slope "
        "then mostly say that grey is not white matter. Points of one subject are not independent, "
        "so intervals come from leaving out one subject at a time. Proportional bias: slope of the "
        "difference on the mean of both; 0 where the bias does not depend on the value."
    )
    for name, head, words, chosen in (
        ("agreement_pooled", "Agreement of tissue means", caption,
         [row for row in rows if row.tissue == POOLED]),
        ("agreement_tissues", "Agreement within each tissue", "One point per subject.",
         [row for row in rows if row.tissue != POOLED]),
        ("agreement_others", "Agreement of the other methods", "GM and WM pooled.",
         [row for row in others if row.tissue == POOLED]),
    ):  # fmt: skip
        lines = [line for row in chosen for line in _lines(row)]
        yield Table(name, head, words, COLUMNS, [Group(lines)])


def _lines(row: AgreementRow) -> Iterator[Line]:
    """Ours, and the paper's below."""
    label: list[Cell] = [row.row.replace(f"{POOLED} ", ""), str(row.n)]
    percent, units, fit, slope = row.percent, row.units, row.regression, row.proportional
    if percent is None or units is None or fit is None or slope is None:
        yield Line([*label, NO_TEST, *6 * [""]])
    else:
        digits = spec_of(row.map).digits
        cells: list[Cell] = [
            Num(fit.r_squared, 3),
            (Num(fit.slope, 3), " ", in_brackets(interval(fit.slope_interval, 3, signed=False))),
            (
                Num(percent.bias, 2, signed=True),
                " ",
                in_brackets(interval(percent.bias_interval, 2)),
            ),
            interval(percent, 2),
            Num(units.bias, digits, signed=True),
            interval(units, digits),
            (Num(slope.slope, 3, signed=True), " ", in_brackets(interval(slope.slope_interval, 3))),
        ]
        yield Line([*label, *cells])
    if row.paper:
        paper = row.paper
        limits: Cell = ""
        if paper.low_percent is not None:
            low, high = (Num(v, signed=True) for v in (paper.low_percent, paper.high_percent))
            limits = (low, " to ", high)
        bias = Num(paper.bias_percent, 2, signed=True)
        shown = [Num(paper.r_squared), Num(paper.slope, 4), bias, limits]
        yield Line(["paper", str(published.N_HEALTHY), *shown, "", "", ""], kind="paper")


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
    """A figure for each of :data:`SHOWN_PAIRS` that has its numbers."""
    drawn = []
    for test, reference in SHOWN_PAIRS:
        pair = [
            r for r in cohort.rows(agreement_rows) if (r.test, r.reference) == (test, reference)
        ]
        rows = [row for row in pair if row.tissue == POOLED and row.percent]
        points = cohort.rows(point_rows)
        mine = [p for p in points if (p.test, p.reference) == (test, reference)]
        if rows:
            drawn.append((test, reference, agreement_plot(rows, mine)))
    return {"plots": drawn}


SECTION = Section(
    Path(__file__), "Agreement", {"agreement": agreement_rows, "points": point_rows},
    agreement_tables, plots,
)  # fmt: skip
