"""Plots of comparisons: they draw what was computed, point by point and line by line."""

import math
from collections.abc import Callable, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsr_jax.evaluation.formats.plots import BLUE, GREEN, GREY, STYLE, VERMILION, as_bytes
from qsr_jax.statistics import Comparison

COLUMNS = 4
KINDS = ("svg", "png")

Drawn = tuple[Comparison, np.ndarray, np.ndarray]
"""A comparison and its values (n,), test and reference."""


def forest(comparisons: Sequence[Comparison], *, kind: str) -> bytes:
    """Mean differences of one map with their TOST intervals against the margin, in percent.

    Args:
        comparisons: of one map, drawn from top to bottom.
        kind: "svg" or "png".
    """
    first = comparisons[0].equivalence_percent
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.4 + 0.24 * len(comparisons)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(-first.margin_percent, first.margin_percent, color="0.93", lw=0, zorder=0)
        axes.axvline(0.0, color=GREY, lw=0.8, ls=":")
        for height, comparison in enumerate(reversed(comparisons)):
            result = comparison.equivalence_percent
            to_percent = result.margin_percent / result.margin
            ends = (to_percent * result.interval.low, to_percent * result.interval.high)
            colour = BLUE if result.equivalent else VERMILION
            axes.plot(ends, (height, height), color=colour, lw=1.5)
            axes.plot(
                [to_percent * result.difference],
                [height],
                "o",
                color=colour,
                mec=colour,
                mfc=colour if result.equivalent else "white",
            )
        names = [
            f"{c.endpoint.region}, {c.endpoint.test} (n = {c.n})" for c in reversed(comparisons)
        ]
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(-0.7, len(names) - 0.3)
        level = 100.0 * first.interval.level
        axes.set_xlabel(
            f"difference from {comparisons[0].endpoint.reference} (% of its mean)\n"
            f"{level:g} % intervals; grey: margin ±{first.margin_percent:g} %"
        )
        title = f"{comparisons[0].endpoint.map}: filled where the interval lies inside the margin"
        axes.set_title(title, loc="left")
        return as_bytes(figure, kind)


def bland_altman_plots(drawn: Sequence[Drawn], *, kind: str) -> bytes:
    """Bland-Altman plots in percent, a panel per comparison."""
    return _panels(drawn, _bland_altman, kind)


def regression_plots(drawn: Sequence[Drawn], *, kind: str) -> bytes:
    """Test against reference with three lines and the identity, a panel per comparison."""
    return _panels(drawn, _regression, kind)


def _panels(drawn: Sequence[Drawn], draw: Callable[..., None], kind: str) -> bytes:
    columns = min(COLUMNS, len(drawn))
    rows = math.ceil(len(drawn) / columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * columns + 0.6, 2.9 * rows + 0.5), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, one in zip(panels, drawn, strict=False):
            draw(axes, *one)
        for axes in panels[len(drawn) :]:
            axes.set_axis_off()
        shown = [
            item for axes in panels for item in zip(*axes.get_legend_handles_labels(), strict=True)
        ]
        handles = {label: handle for handle, label in reversed(shown)}
        names = sorted(handles, key=[label for _, label in shown].index)
        figure.legend(
            [handles[name] for name in names], names, loc="outside upper right", ncols=len(names)
        )
        return as_bytes(figure, kind)


def _bland_altman(
    axes: Axes, comparison: Comparison, test: np.ndarray, reference: np.ndarray
) -> None:
    endpoint, result = comparison.endpoint, comparison.bland_altman_percent
    mean = (test + reference) / 2.0
    axes.plot(mean, 100.0 * (test - reference) / mean, "o", ms=4, color=BLUE, mec="white", mew=0.5)
    axes.axhline(0.0, color=GREY, lw=0.8, ls=":")
    lines = (
        (result.bias, result.bias_interval, "-", "bias"),
        (result.low, result.low_interval, "--", "95 % limits"),
        (result.high, result.high_interval, "--", None),
    )
    for level, interval, style, label in lines:
        axes.axhline(level, color="black", lw=1, ls=style, label=label)
        axes.axhspan(interval.low, interval.high, color="black", alpha=0.08, lw=0)
    axes.set_title(f"{endpoint.region} (n = {comparison.n})", loc="left")
    axes.set_xlabel(f"mean of both, {endpoint.map} ({endpoint.unit})")
    axes.set_ylabel(f"{endpoint.test} − {endpoint.reference} (%)")


def _regression(
    axes: Axes, comparison: Comparison, test: np.ndarray, reference: np.ndarray
) -> None:
    endpoint = comparison.endpoint
    axes.plot(reference, test, "o", ms=4, color=BLUE, mec="white", mew=0.5)
    ends = np.array(axes.get_xlim())
    axes.plot(ends, ends, ":", color=GREY, lw=1, label="identity")
    lines = (
        (comparison.regression, "black", "-", "least squares"),
        (comparison.deming, VERMILION, "--", "Deming"),
        (comparison.passing_bablok, GREEN, "-.", "Passing–Bablok"),
    )
    for line, colour, style, label in lines:
        if line is not None:
            points = line.slope * ends + line.intercept
            axes.plot(ends, points, style, color=colour, lw=1, label=label)
    axes.set_xlim(*ends)
    axes.set_title(f"{endpoint.region}: slope {comparison.regression.slope:.3f}", loc="left")
    axes.set_xlabel(f"{endpoint.reference} {endpoint.map} ({endpoint.unit})")
    axes.set_ylabel(f"{endpoint.test} {endpoint.map} ({endpoint.unit})")
