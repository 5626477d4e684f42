"""Plots of verdicts and comparisons: they draw what was computed, and their marks tell it."""

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax.agreement_report.judged import Judged, Question, called, farthest
from qsr_jax.agreement_report.pairs import Pair
from qsr_jax.agreement_report.tables import digits_of, title_of
from qsr_jax.formats.numbers import number
from qsr_jax.formats.plots import BLUE, GREEN, GREY, VERMILION, Mark, Plot, styled
from qsr_jax.statistics import Comparison, Outcome, Verdict

MOST_LINES = 24
"""Comparisons that one plot shows; of more, those that reach farthest."""
PER_FIGURE = 4
"""Comparisons in one figure of points."""
MARGINS_SHOWN = 3.0
"""Ends of a verdict plot in margins; what lies beyond stands at the edge."""

Points = tuple[Comparison, Pair]
"""A comparison and the values behind it."""


@styled
def verdict_plot(question: Question) -> Markup:
    """Both verdicts of a question: intervals in margins, filled where agreement is shown."""
    rows = farthest(question.rows, MOST_LINES)
    plot = Plot(height_inch=1.5 + 0.24 * len(rows), label=f"Verdicts, {title_of(question)}")
    left, right = plot.figure.subplots(1, 2, sharey=True)
    for axes, side, what in (
        (left, "mean", "the mean: difference with its interval"),
        (right, "individual", "each subject: bounds of the limits of agreement"),
    ):
        axes.set(xlim=(-MARGINS_SHOWN, MARGINS_SHOWN), ylim=(len(rows) - 0.3, -0.7))
        axes.axvspan(-1.0, 1.0, color="0.93", lw=0, zorder=0)
        axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
        axes.set_title(what)
        axes.set_xlabel(f"{question.test} − {question.reference}, in margins (grey: inside)")
        _intervals(plot, axes, [getattr(row, side) for row in rows], rows)
    left.set_yticks(range(len(rows)), [f"{called(row)} (n = {row.count})" for row in rows])
    return plot.svg()


def _intervals(plot: Plot, axes: Axes, verdicts: Sequence[Verdict], rows: Sequence[Judged]) -> None:
    """A line for every interval; marks for what is shown, what is not, and what is open."""
    kinds: dict[tuple[str, str], list[Mark]] = {}
    for height, (verdict, row) in enumerate(zip(verdicts, rows, strict=True)):
        if verdict.interval is None or verdict.estimate is None:
            continue
        shape, colour = {
            Outcome.SHOWN: ("dot", BLUE),
            Outcome.NOT_SHOWN: ("ring", VERMILION),
        }.get(verdict.outcome, ("ring", GREY))
        low, high = verdict.interval.low / verdict.margin, verdict.interval.high / verdict.margin
        axes.plot((low, high), (height, height), color=colour, lw=1.5, zorder=2)
        values = (verdict.estimate, verdict.interval.low, verdict.interval.high)
        mark = Mark(verdict.estimate / verdict.margin, height, _said(verdict, row), values)
        kinds.setdefault((shape, colour), []).append(mark)
    for (shape, colour), marks in kinds.items():
        plot.draw(axes, marks, shape=shape, colour=colour)


def _said(verdict: Verdict, row: Judged) -> str:
    digits = digits_of(verdict.margin) + 1
    estimate = number(verdict.estimate or 0.0, digits, signed=True)
    unit = verdict.unit or row.endpoint.unit
    return f"{called(row)}: {estimate} {unit}, {verdict.outcome.value} ({verdict.reason})"


@styled
def point_plots(drawn: Sequence[Points]) -> Markup:
    """Regression and Bland-Altman of some comparisons, a row of two panels for each."""
    plot = Plot(height_inch=3.2 * len(drawn), label="Regression and Bland-Altman plots")
    panels = plot.figure.subplots(len(drawn), 2, squeeze=False)
    for (left, right), (comparison, pair) in zip(panels, drawn, strict=True):
        _regression(plot, left, comparison, pair)
        _bland_altman(plot, right, comparison, pair)
    return plot.svg()


def _draw(plot: Plot, axes: Axes, pair: Pair, place: Callable[..., tuple[float, float]]) -> None:
    """A mark for every subject at ``place(test, reference)``."""
    e = pair.endpoint
    digits = digits_of(float(np.std(pair.reference)))
    marks = []
    for who, x, y in zip(pair.subjects, pair.test.tolist(), pair.reference.tolist(), strict=True):
        says = f"{who}: {e.test} {number(x, digits)}, {e.reference} {number(y, digits)} {e.unit}"
        marks.append(Mark(*place(x, y), says, (x, y)))
    plot.draw(axes, marks, shape="dot", colour=BLUE)


def _padded(values: np.ndarray) -> tuple[float, float]:
    pad = 0.06 * float(np.ptp(values)) or 1.0
    return float(values.min()) - pad, float(values.max()) + pad


def _regression(plot: Plot, axes: Axes, comparison: Comparison, pair: Pair) -> None:
    e = comparison.endpoint
    ends = np.array(_padded(np.concatenate([pair.test, pair.reference])))
    axes.set(xlim=ends, ylim=ends)
    axes.plot(ends, ends, ":", color=GREY, lw=1, label="identity")
    for line, colour, style, label in (
        (comparison.regression, "black", "-", "least squares"),
        (comparison.deming, VERMILION, "--", "Deming"),
        (comparison.passing_bablok, GREEN, "-.", "Passing–Bablok"),
    ):
        if line is not None:
            points = line.slope * ends + line.intercept
            axes.plot(ends, points, style, color=colour, lw=1, label=label)
    axes.set_title(f"{e.region}: slope {number(comparison.regression.slope, 3)}")
    axes.set_xlabel(f"{e.reference} {e.map} ({e.unit})")
    axes.set_ylabel(f"{e.test} {e.map} ({e.unit})")
    axes.legend(loc="upper left", fontsize=7)
    _draw(plot, axes, pair, lambda x, y: (y, x))


def _bland_altman(plot: Plot, axes: Axes, comparison: Comparison, pair: Pair) -> None:
    e, result = comparison.endpoint, comparison.bland_altman_percent
    mean = (pair.test + pair.reference) / 2.0
    percent = 100.0 * (pair.test - pair.reference) / mean
    bounds = np.array([result.low_interval.low, result.high_interval.high])
    axes.set(xlim=_padded(mean), ylim=_padded(np.concatenate([percent, bounds])))
    axes.axhline(0.0, color=GREY, lw=0.8, ls=":")
    for level, interval, style in (
        (result.bias, result.bias_interval, "-"),
        (result.low, result.low_interval, "--"),
        (result.high, result.high_interval, "--"),
    ):
        axes.axhline(level, color="black", lw=1, ls=style)
        axes.axhspan(interval.low, interval.high, color="black", alpha=0.08, lw=0)
    bias, low, high = (number(v, 2, signed=True) for v in (result.bias, result.low, result.high))
    axes.set_title(f"{e.region}: bias {bias} %, limits {low} to {high} %")
    axes.set_xlabel(f"mean of both, {e.map} ({e.unit})")
    axes.set_ylabel(f"{e.test} − {e.reference} (%)")
    _draw(plot, axes, pair, lambda x, y: ((x + y) / 2.0, 200.0 * (x - y) / (x + y)))


def standalone(plot: Markup) -> str:
    """A plot of a page as an SVG file of its own."""
    opening, _, rest = str(plot).partition(">")
    style = "<style>.hit { fill: transparent; stroke: none; }</style>"
    return f'{opening} xmlns="http://www.w3.org/2000/svg">{style}{rest}\n'
