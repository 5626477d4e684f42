"""Figures as bytes: pictures as PNG, plots as SVG. They draw numbers and compute none.

Colours are Okabe and Ito's, errors diverge from orange to purple: both readable when colour-blind.
"""

import io
from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qsr_jax.data.manifest import FAST, HEALTHY, PATIENT, ROUTINE
from qsr_jax.evaluate.cohort import Cohort
from qsr_jax.evaluate.measure import BICUBIC, TRAINED, TRUTH, Example
from qsr_jax.evaluate.rows import AgreementRow
from qsr_jax.evaluate.wording import number
from qsr_jax.maps import spec_of

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#767676"
MARKERS = {"GM": ("o", BLUE), "WM": ("D", VERMILION)}
LABELS = {FAST: "fast", BICUBIC: "bicubic", TRAINED: "trained", ROUTINE: "routine", TRUTH: "truth"}

WINDOWS: dict[str, tuple[float, float]] = {"t1": (0, 2500), "t2": (0, 250), "pd": (40, 120)}
"""Grey-scale window of each map, physical units; the same in every report."""
ERROR_WINDOWS: dict[str, float] = {"t1": 300, "t2": 40, "pd": 10}
"""Half width of the error window, physical units."""
BLAND_ALTMAN_WINDOW = 6.0
"""Half height of a Bland-Altman plot in percent unless the limits need more."""

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
    """PNG of one slice of one map: the four maps, and below them the signed errors.

    Lesions, where labelled, are outlined in the errors. The routine map's own error is against the
    truth, and left out where nobody knows the truth.
    """
    spec, images = spec_of(name), example.images[name]
    low, high = WINDOWS[name]
    half = ERROR_WINDOWS[name]
    pairs = ((BICUBIC, ROUTINE), (TRAINED, ROUTINE), (ROUTINE, TRUTH))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 5.3), layout="constrained")
        top, bottom = figure.subplots(2, 4)
        for axes, method in zip(top, (FAST, BICUBIC, TRAINED, ROUTINE), strict=True):
            shown = _show(axes, images[method], example, cmap="gray", vmin=low, vmax=high)
            axes.set_facecolor("black")
            axes.set_title(f"{LABELS[method]} {spec.label}")
        bottom[0].set_axis_off()
        for axes, (test, reference) in zip(bottom[1:], pairs, strict=True):
            if reference not in images:
                axes.set_axis_off()
                continue
            error = images[test] - images[reference]
            errors = _show(axes, error, example, cmap="PuOr_r", vmin=-half, vmax=half)
            axes.set_title(f"{LABELS[test]} − {LABELS[reference]}")
            if example.lesion is not None and example.lesion.any():
                centres = (np.arange(size) + 0.5 for size in reversed(example.mask.shape))
                axes.contour(*centres, example.lesion, [0.5], colors="black", linewidths=0.8)
        figure.colorbar(shown, ax=top, label=f"{spec.label} ({spec.unit})", extend="max")
        figure.colorbar(errors, ax=bottom, label=f"error ({spec.unit})", extend="both")
        return _bytes(figure, "png")


def _show(axes: Axes, image: np.ndarray, example: Example, **options: object) -> object:
    """Draws an image over the common field of view, cropped to the head and empty in air.

    Maps are noise in air. An image on the coarser grid reads every k-th voxel of the mask.
    """
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    height, width = example.mask.shape
    step = height // image.shape[0]
    image = np.where(example.mask[::step, ::step], image, np.nan)
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
        panels[0, 0].legend(loc="upper left", handletextpad=0.6)
        return _bytes(figure, "svg")


def _points(cohort: Cohort, row: AgreementRow) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        tissue: tuple(
            cohort.means("tissue", [tissue], row.map, method)
            for method in (row.test, row.reference)
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
    axes.axhline(0.0, color=GREY, lw=1, ls=":")
    band = result.bias_interval
    axes.axhspan(band.low, band.high, color="black", alpha=0.1, lw=0)
    for level, style in ((result.bias, "-"), (result.low, "--"), (result.high, "--")):
        axes.axhline(level, color="black", lw=1, ls=style)
    reach = max(BLAND_ALTMAN_WINDOW, 1.1 * max(abs(v) for v in (result.low, result.high)))
    axes.set_ylim(-reach, reach)
    bias, low, high = (number(v, 2, signed=True) for v in (result.bias, result.low, result.high))
    text = f"bias {bias} %, limits {low} to {high} %"
    axes.set_title(text.replace("-", "−"), loc="left")
    axes.set_xlabel(f"mean of both, {spec.label} ({spec.unit})")
    axes.set_ylabel(f"{LABELS[row.test]} − {LABELS[row.reference]} (%)")


def psnr_plot(cohort: Cohort) -> bytes:
    """SVG: brain-masked PSNR of every person, bicubic joined to trained, one panel per map.

    Joined dots and not bars: bars must start at zero, where a decibel is too small to see.
    """
    names = [f"{p[:6]}{' *' if g == PATIENT else ''}" for p, g in cohort.group.items()]
    heights = np.arange(len(names))[::-1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.4, 1.2 + 0.26 * len(names)), layout="constrained")
        panels = figure.subplots(1, len(cohort.maps), squeeze=False, sharey=True)[0]
        for axes, name in zip(panels, cohort.maps, strict=True):
            bicubic, trained = (
                cohort.everybody("image", "brain", name, "psnr", m) for m in (BICUBIC, TRAINED)
            )
            won = trained > bicubic
            axes.hlines(heights, bicubic, trained, color=GREY, lw=1.5, zorder=1)
            axes.plot(bicubic, heights, "o", mfc="white", mec="black", label="bicubic")
            for which, label, colour in ((won, "better", BLUE), (~won, "worse", VERMILION)):
                dots = {"color": colour, "label": f"trained, {label} than bicubic"}
                axes.plot(trained[which], heights[which], "o" if label == "better" else "X", **dots)
            axes.set_title(spec_of(name).label, loc="left")
            axes.set_xlabel("brain-masked PSNR (dB)")
            axes.grid(axis="x", color="0.92", lw=0.7)
            axes.margins(x=0.08)
        panels[0].set_yticks(heights, names, family="monospace")
        panels[0].set_ylim(-0.7, len(names) - 0.3)
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=3)
        return _bytes(figure, "svg")
