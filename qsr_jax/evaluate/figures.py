"""Figures as bytes: pictures as PNG, plots as SVG. They draw numbers and compute none.

Colours are Okabe and Ito's, errors diverge from orange to purple: both readable when colour-blind.
"""

import dataclasses
import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsr_jax.evaluate.cohort import HEALTHY, PATIENT, Cohort
from qsr_jax.evaluate.measure import BICUBIC, FAST, ROUTINE, TRAINED, Example
from qsr_jax.evaluate.rows import AgreementRow
from qsr_jax.maps import spec_of

BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#767676"
MARKERS = {"GM": ("o", BLUE), "WM": ("D", VERMILION)}
LABELS = {FAST: "fast", BICUBIC: "bicubic", TRAINED: "trained", ROUTINE: "routine"}

WINDOWS: dict[str, tuple[float, float]] = {"t1": (0, 2500), "t2": (0, 250), "pd": (40, 120)}
"""Grey-scale window of each map, physical units; the same in every report."""
ERROR_WINDOWS: dict[str, float] = {"t1": 300, "t2": 40, "pd": 10}
"""Half width of the error window, physical units."""

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.hashsalt": "qsr_jax",
}


def _bytes(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    figure.savefig(buffer, format=kind, dpi=144, metadata=dateless)
    return buffer.getvalue()


def pictures(example: Example, name: str) -> bytes:
    """PNG of one slice of one map: fast, bicubic, trained, routine, and the signed errors."""
    spec, images = spec_of(name), example.images[name]
    low, high = WINDOWS[name]
    half = ERROR_WINDOWS[name]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 5.3), layout="constrained")
        top, bottom = figure.subplots(2, 4)
        for axes, method in zip(top, LABELS, strict=True):
            shown = _show(axes, images[method], example, cmap="gray", vmin=low, vmax=high)
            axes.set_title(f"{LABELS[method]} {spec.label}")
        for axes, method in zip(bottom[1:3], (BICUBIC, TRAINED), strict=True):
            error = np.where(example.mask, images[method] - images[ROUTINE], np.nan)
            errors = _show(axes, error, example, cmap="PuOr_r", vmin=-half, vmax=half)
            axes.set_title(f"{LABELS[method]} − routine")
        bottom[0].set_axis_off()
        bottom[3].set_axis_off()
        figure.colorbar(shown, ax=top, label=f"{spec.label} ({spec.unit})", extend="both")
        figure.colorbar(errors, ax=bottom, label=f"error ({spec.unit})", extend="both")
        return _bytes(figure, "png")


def _show(axes: Axes, image: np.ndarray, example: Example, **options: object) -> object:
    """Draws an image over the common field of view, cropped to the head."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    height, width = example.mask.shape
    shown = axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest", **options)
    rows, columns = (np.flatnonzero(example.mask.any(axis)) for axis in (1, 0))
    pad = 0.02 * width
    axes.set_xlim(max(columns[0] - pad, 0), min(columns[-1] + pad, width))
    axes.set_ylim(min(rows[-1] + pad, height), max(rows[0] - pad, 0))
    return shown


def agreement_plots(cohort: Cohort, rows: Sequence[AgreementRow]) -> bytes:
    """SVG: per map, regression above and Bland-Altman in percent below, GM and WM pooled.

    Args:
        cohort: where the points come from.
        rows: the pooled rows of one comparison, one per map; lines and limits come from them.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 6.2), layout="constrained")
        panels = figure.subplots(2, len(rows), squeeze=False)
        for row, scatter, difference in zip(rows, *panels, strict=True):
            _scatter(scatter, row, _points(cohort, row))
            _bland_altman(difference, row, _points(cohort, row))
        panels[0, 0].legend(loc="upper left", handletextpad=0.2)
        return _bytes(figure, "svg")


def _points(cohort: Cohort, row: AgreementRow) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        tissue: tuple(
            cohort.means("tissue", [tissue], row.map, method) for method in (row.test, row.reference)
        )
        for tissue in cohort.places("tissue", HEALTHY)
    }


def _scatter(axes: Axes, row: AgreementRow, points: Mapping[str, tuple]) -> None:
    spec = spec_of(row.map)
    for tissue, (x, y) in points.items():
        marker, colour = MARKERS[tissue]
        axes.plot(y, x, marker, ms=5, color=colour, mec="white", mew=0.5, label=tissue)
    ends = np.array(axes.get_xlim())
    axes.plot(ends, ends, ":", color=GREY, lw=1, label="identity", zorder=0)
    fit = row.regression
    axes.plot(ends, fit.slope * ends + fit.intercept, color="black", lw=1, label="fit", zorder=1)
    axes.set_xlim(*ends)
    text = f"slope {fit.slope:.3f}, R² {fit.r_squared:.3f}"
    axes.set_title(f"{spec.label}: {text}", loc="left")
    axes.set_xlabel(f"{LABELS[row.reference]} {spec.label} ({spec.unit})")
    axes.set_ylabel(f"{LABELS[row.test]} {spec.label} ({spec.unit})")


def _bland_altman(axes: Axes, row: AgreementRow, points: Mapping[str, tuple]) -> None:
    spec, result = spec_of(row.map), row.percent
    for tissue, (x, y) in points.items():
        marker, colour = MARKERS[tissue]
        mean = (x + y) / 2.0
        axes.plot(mean, 100.0 * (x - y) / mean, marker, ms=5, color=colour, mec="white", mew=0.5)
    axes.axhline(0.0, color=GREY, lw=0.7, ls=":")
    axes.axhspan(result.bias_interval.low, result.bias_interval.high, color="black", alpha=0.1, lw=0)
    for level, style in ((result.bias, "-"), (result.low, "--"), (result.high, "--")):
        axes.axhline(level, color="black", lw=1, ls=style)
        axes.annotate(
            f"{level:+.2f}".replace("-", "−"), (1.0, level), (-2, 2), fontsize=8, ha="right",
            xycoords=("axes fraction", "data"), textcoords="offset points",
        )  # fmt: skip
    reach = 1.15 * max(abs(result.low), abs(result.high), abs(result.bias_interval.low),
                       abs(result.bias_interval.high))  # fmt: skip
    axes.set_ylim(-reach, reach)
    axes.set_xlabel(f"mean of both ({spec.unit})")
    axes.set_ylabel(f"{LABELS[row.test]} − {LABELS[row.reference]} (%)")


def psnr_plot(cohort: Cohort) -> bytes:
    """SVG: brain-masked PSNR of every person, bicubic joined to trained, one panel per map."""
    order = {p: f"{p[:6]}{' *' if g == PATIENT else ''}" for p, g in cohort.group.items()}
    heights = np.arange(len(order))[::-1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 1.1 + 0.26 * len(order)), layout="constrained")
        panels = figure.subplots(1, len(cohort.maps), squeeze=False, sharey=True)[0]
        for axes, name in zip(panels, cohort.maps, strict=True):
            bicubic, trained = (
                cohort.everybody("image", "brain", name, "psnr", m) for m in (BICUBIC, TRAINED)
            )
            won = np.where(trained > bicubic, BLUE, VERMILION)
            axes.hlines(heights, bicubic, trained, color=won, lw=2, zorder=1)
            axes.plot(bicubic, heights, "o", ms=6, mfc="white", mec="black", label="bicubic")
            axes.scatter(trained, heights, s=38, color=won, zorder=3, label="trained")
            axes.set_title(spec_of(name).label, loc="left")
            axes.set_xlabel("brain-masked PSNR (dB)")
            axes.grid(axis="x", color="0.92", lw=0.7)
        panels[0].set_yticks(heights, order.values(), family="monospace")
        panels[0].set_ylim(-0.7, len(order) - 0.3)
        return _bytes(figure, "svg")
