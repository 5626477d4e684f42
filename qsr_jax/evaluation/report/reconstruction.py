"""The page of a reconstruction whose truth is known: maps, what they miss, errors by place."""

import base64
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from qsr_jax.evaluation.report.figures import ERROR_COLOURS, GREYS, WIDTH_INCH, png
from qsr_jax.formats.html import to_html
from qsr_jax.formats.pages import templates_of
from qsr_jax.formats.plots import STYLE
from qsr_jax.formats.table import Column, Group, Line, Num, Table
from qsr_jax.maps import MAPS, MapSpec
from qsr_jax.ops.mask import WHITE_BELOW_MS
from qsr_jax.reconstruct.errors import (
    LESIONS,
    PARENCHYMA,
    SOLID_MS,
    Errors,
    percent_errors,
    places_of,
)

PAGE = "index.html"
SLICES_SHOWN = 3
"""Slices with pictures: the middle one, and those half way to the ends."""


def reconstruction_page(
    found: np.ndarray,
    truth: np.ndarray,
    brain: np.ndarray,
    lesions: np.ndarray | None,
    *,
    about: Mapping[str, object],
) -> tuple[str, Errors]:
    """The page as HTML, and the errors that it shows.

    Args:
        found: (z, y, x, 3) T1 ms, T2 ms, PD.
        truth: (z, y, x, 3) what the scan was simulated from.
        brain: (z, y, x) bool.
        lesions: (z, y, x) number of the lesion, 0 elsewhere, or None.
        about: what the head of the page says, by name.

    Raises:
        ValueError: as :func:`~qsr_jax.reconstruct.errors.percent_errors`.
    """
    errors = percent_errors(found, truth, brain, lesions)
    each = {
        number: percent_errors(found[number], truth[number], brain[number])
        for number in range(len(found))
        if places_of(truth[number], brain[number])[PARENCHYMA].any()
    }
    unit = np.percentile(truth[brain][:, 2], 95.0) / 100.0
    scale = np.asarray([1.0 if spec.unit == "ms" else unit for spec in MAPS.values()])
    shown = sorted({len(found) * k // (SLICES_SHOWN + 1) for k in range(1, SLICES_SHOWN + 1)})
    pictures = [
        (
            number,
            beside_truth(found[number] / scale, truth[number] / scale, _marks(lesions, number)),
        )
        for number in shown
    ]
    environment = templates_of(Path(__file__).parent)
    page = environment.get_template("reconstruction.html").render(
        about=about,
        table=to_html(_table(errors)),
        slices=to_html(_slice_table(each)) if len(each) > 1 else "",
        pictures=pictures,
        lesions=LESIONS in errors,
        solid=SOLID_MS,
        white_below=WHITE_BELOW_MS,
    )
    return page, errors


def _table(errors: Errors) -> Table:
    columns = [Column("Place", align="l")]
    for spec in MAPS.values():
        columns += [Column(head, "%", group=spec.label) for head in ("error", "bias")]
    lines = [
        Line(
            (place, *(n for e in of.values() for n in (Num(e.absolute), Num(e.bias, signed=True))))
        )
        for place, of in errors.items()
    ]
    caption = "Mean absolute error and mean error of voxels; of lesions, those of each one's mean."
    return Table("errors", "Errors by place", caption, columns, [Group(lines)], wide=False)


def _slice_table(each: dict[int, Errors]) -> Table:
    columns = [Column("Slice", align="l"), *(Column(s.label, "%") for s in MAPS.values())]
    lines = [
        Line((str(number), *(Num(error.absolute) for error in of[PARENCHYMA].values())))
        for number, of in each.items()
    ]
    title, caption = "Slice by slice", "Mean absolute error in parenchyma."
    return Table("slices", title, caption, columns, [Group(lines)], wide=False)


def _marks(lesions: np.ndarray | None, number: int) -> np.ndarray | None:
    return None if lesions is None or not lesions[number].any() else lesions[number] > 0


def beside_truth(found: np.ndarray, truth: np.ndarray, lesions: np.ndarray | None) -> str:
    """Truth, what was found, and their difference, a line for each map, as a data URI.

    Args:
        found: (y, x, 3) T1 ms, T2 ms, PD percent.
        truth: likewise; 0 where nothing is shown.
        lesions: (y, x) bool, outlined, or None.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.7 * WIDTH_INCH, 7.0), layout="constrained")
        grid = figure.subplots(len(MAPS), 3)
        for line, spec, one, other in zip(
            grid, MAPS.values(), *(np.moveaxis(m, -1, 0) for m in (truth, found)), strict=True
        ):
            _line(figure, line, spec, one, other, lesions)
        return f"data:image/png;base64,{base64.b64encode(png(figure)).decode('ascii')}"


def _line(
    figure: Figure,
    line: np.ndarray,
    spec: MapSpec,
    truth: np.ndarray,
    found: np.ndarray,
    lesions: np.ndarray | None,
) -> None:
    low, high = spec.display_window
    half = spec.error_window
    shown = (("truth", truth), ("found", found), ("found − truth", found - truth))
    for axes, (title, image) in zip(line, shown, strict=True):
        axes.set_axis_off()
        axes.set_title(f"{spec.label}, {title}")
        differs = title != "truth" and title != "found"
        limits = {"vmin": -half, "vmax": half} if differs else {"vmin": low, "vmax": high}
        drawn = axes.imshow(
            np.where(truth > 0, image, np.nan), cmap=ERROR_COLOURS if differs else GREYS, **limits
        )
        if differs and lesions is not None:
            axes.contour(lesions, [0.5], colors="black", linewidths=0.8)
        if title != "truth":
            figure.colorbar(drawn, ax=axes, label=spec.unit)
