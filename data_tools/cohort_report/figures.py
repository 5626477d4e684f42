"""Pictures and plots of the cohort report, as bytes. They draw numbers and compute none."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from qsr_jax.formats.plots import BLUE, GREEN, STYLE, VERMILION, as_bytes
from qsr_jax.maps import MAPS

COLOURS = ("#000000", BLUE, VERMILION, GREEN)
DOTS_PER_INCH = 110


def _bytes(figure: Figure, kind: str) -> bytes:
    return as_bytes(figure, kind, dots_per_inch=DOTS_PER_INCH)


def draw_slices(
    images: Mapping[str, Mapping[str, np.ndarray]], *, box: tuple[slice, slice] | None = None
) -> bytes:
    """One slice of every map (rows) as every method sees it (columns), PNG.

    Args:
        images: column title to map name to (y, x), physical units, any grid of one field of view.
        box: part of the field of view, as fractions of it, or None for all.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(images) + 0.5, 7.6), layout="constrained")
        axes = figure.subplots(len(MAPS), len(images), squeeze=False)
        for row, (name, spec) in zip(axes, MAPS.items(), strict=True):
            low, high = MAPS[name].display_window
            for ax, (title, maps) in zip(row, images.items(), strict=True):
                picture = maps[name]
                if box is not None:
                    n = len(picture)
                    picture = picture[tuple(slice(int(s.start * n), int(s.stop * n)) for s in box)]
                shown = ax.imshow(picture, cmap="gray", vmin=low, vmax=high)
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
                if name == "t1":
                    ax.set_title(title)
            row[0].set_ylabel(f"{spec.label} ({spec.unit})")
            figure.colorbar(shown, ax=list(row), shrink=0.8, pad=0.01)
        return _bytes(figure, "png")


def draw_fields(fields: Mapping[str, tuple[np.ndarray, float, float]]) -> bytes:
    """Pictures with a colour scale each, PNG: title to (image, low, high)."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.9 * len(fields), 2.9), layout="constrained")
        for ax, (title, (image, low, high)) in zip(
            figure.subplots(1, len(fields), squeeze=False)[0], fields.items(), strict=True
        ):
            shown = ax.imshow(image, cmap="viridis", vmin=low, vmax=high, aspect="auto")
            ax.set(xticks=[], yticks=[], title=title)
            ax.set_box_aspect(1)
            figure.colorbar(shown, ax=ax, shrink=0.8)
        return _bytes(figure, "png")


def draw_histograms(
    counts: Mapping[str, tuple[np.ndarray, Mapping[str, np.ndarray]]],
    marks: Mapping[str, Sequence[tuple[float, str]]],
) -> bytes:
    """Histograms of every map, SVG.

    Args:
        counts: map name to (edges (n + 1,), method to density (n,)).
        marks: map name to (value, text) of vertical lines.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 3), layout="constrained")
        for ax, (name, (edges, lines)) in zip(
            figure.subplots(1, len(counts)), counts.items(), strict=True
        ):
            for colour, (method, density) in zip(COLOURS, lines.items(), strict=False):
                ax.stairs(density, edges, color=colour, lw=1.1, label=method)
            for value, text in marks[name]:
                ax.axvline(value, color="#999999", lw=0.8, ls=":")
                ax.text(value, ax.get_ylim()[1], text, fontsize=7, ha="center", va="bottom")
            spec = MAPS[name]
            ax.set(xlabel=f"{spec.label} ({spec.unit})", yticks=[])
            ax.set_xlim(edges[0], edges[-1])
        figure.axes[0].legend(fontsize=8)
        figure.axes[0].set_ylabel("fraction of brain voxels")
        return _bytes(figure, "svg")


def draw_spreads(spreads: Mapping[str, Mapping[str, tuple[np.ndarray, np.ndarray]]]) -> bytes:
    """Point-spread functions, SVG: direction to line to (mm, spread)."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(11, 3), layout="constrained")
        for ax, (title, lines) in zip(
            figure.subplots(1, len(spreads)), spreads.items(), strict=True
        ):
            for colour, (name, (place_mm, spread)) in zip(COLOURS, lines.items(), strict=False):
                ax.plot(place_mm, spread / np.abs(spread).max(), color=colour, lw=1.1, label=name)
            ax.axhline(0, color="#999999", lw=0.6)
            ax.set(xlabel="mm", title=title, xlim=(-6, 6))
            ax.legend(fontsize=8)
        figure.axes[0].set_ylabel("fraction of the peak")
        return _bytes(figure, "svg")
