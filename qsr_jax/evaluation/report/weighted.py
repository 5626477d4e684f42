"""The page of models of weighted images: errors beside the truth, intervals, what physics tells."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from qsr_jax.evaluation.report.figures import ERROR_COLOURS, GREYS, png
from qsr_jax.formats.html import to_html
from qsr_jax.formats.pages import templates_of
from qsr_jax.formats.plots import STYLE
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import MAPS
from qsr_jax.predictors.weighted_flair import brightest

PAGE = "weighted.html"
COVERED = (60.0, 76.0)
"""Percent of a tissue's voxels that should lie within one standard deviation."""

DIFFERENCE = "difference"

Numbers = Mapping[str, Any]
"""Of one method, by part, as ``data_tools.weighted_check`` writes them."""


class Pictured(NamedTuple):
    """What is shown of a slice.

    Attributes:
        words: whose it is.
        uri: of the picture.
    """

    words: str
    uri: str


class _Method(NamedTuple):
    name: str
    tables: Sequence[Markup]
    pictures: Sequence[Pictured]


def weighted_page(
    found: Mapping[str, Numbers],
    pictures: Mapping[str, Sequence[Pictured]],
    *,
    about: Mapping[str, object],
) -> str:
    """The page as HTML.

    Args:
        found: name of a method to its numbers; parts that were not looked at are left out.
        pictures: name of a method to what is shown of it.
        about: what the head of the page says, by name.
    """
    environment = templates_of(Path(__file__).parent)
    methods = [
        _Method(name, [to_html(table) for table in tables_of(parts)], pictures.get(name, ()))
        for name, parts in found.items()
    ]
    return environment.get_template("weighted.html").render(about=about, methods=methods)


def tables_of(parts: Numbers) -> Iterator[Table]:
    """The tables of one method."""
    if "accuracy" in parts:
        rows = [(s, g, n) for s, of in parts["accuracy"].items() for g, n in of.items()]
        yield _errors(rows)
        if any("covered_68" in numbers for *_, numbers in rows):
            yield _intervals(rows)
    if lines := list(_proofs(parts)):
        title, caption = "Where it comes from", "T1, T2 and PD unless said otherwise."
        columns = [Column("What", align="l"), *(Column(spec.label) for spec in MAPS.values())]
        yield Table("proofs", title, caption, columns, [Group(lines)], wide=False)


def _errors(rows: Sequence[tuple[str, str, Numbers]]) -> Table:
    kinds = ("error", "bias", "WM median", "GM median")
    columns = [Column("Heads", align="l"), Column("gains", align="l"), Column("slices")]
    columns += [Column(spec.label, "%", group=kind) for kind in kinds for spec in MAPS.values()]
    lines = []
    for source, gains, n in rows:
        medians = [n["roi"][tissue]["error"] for tissue in ("WM", "GM")]
        values = [Num(v) for v in n["mpe"]] + [Num(v, signed=True) for v in n["bias"]]
        values += [Num(v) for three in medians for v in three]
        lines.append(Line((source, gains, str(n["slices"]), *values)))
    caption = (
        "Mean percentage error and mean error of voxels of grey and white matter; error of the "
        "tissues' medians, mean over studies."
    )
    return Table("errors", "Errors", caption, columns, [Group(lines)])


def _intervals(rows: Sequence[tuple[str, str, Numbers]]) -> Table:
    tissues = ("CSF", "GM", "WM")
    columns = [Column("Heads", align="l"), Column("gains", align="l")]
    columns += [Column(spec.label, "%", group=t) for t in tissues for spec in MAPS.values()]
    lines = [
        Line((source, gains, *(_judged(v) for t in tissues for v in n["covered_68"][t])))
        for source, gains, n in rows
        if "covered_68" in n
    ]
    low, high = COVERED
    caption = f"Voxels within one standard deviation; {low:g} to {high:g} % are wanted."
    return Table("intervals", "Intervals", caption, columns, [Group(lines)])


def _judged(value: float) -> Cell:
    low, high = COVERED
    return Num(value, 0) if low <= value <= high else Styled("bad", Num(value, 0))


def _proofs(parts: Numbers) -> Iterator[Line]:
    def line(what: str, values: Sequence[float], *, signed: bool = False) -> Line:
        return Line((what, *(Num(value, signed=signed) for value in values)))

    for gains, numbers in parts.get("shuffled", {}).items():
        yield line(f"times of another study: error over error, gains {gains}", numbers["ratio"])
    for name, values in parts.get("bands", {}).items():
        if name.startswith("loss_"):
            band = name.removeprefix("loss_").removesuffix("_percent")
            yield line(f"change of error at times {band}, %", values, signed=True)
    for gains, numbers in parts.get("lesions", {}).items():
        if "bias" in numbers:
            yield line(f"bias of lesions, %, gains {gains}", numbers["bias"], signed=True)
    for gains, values in parts.get("scale", {}).items():
        yield line(f"largest change when images are brighter, %, gains {gains}", values)
    for tissue, values in parts.get("phantoms", {}).items():
        yield line(f"disc of {tissue} without noise, error, %", values, signed=True)


def flair_picture(made: np.ndarray, real: np.ndarray, brain: np.ndarray) -> bytes:
    """PNG of the slice with the most brain: the real FLAIR, what was made, their difference.

    Args:
        made: (z, y, x), of the same gain.
        real: likewise.
        brain: (z, y, x) bool.
    """
    at, top = int(brain.sum((1, 2)).argmax()), brightest(real, brain)
    shown = (("FLAIR", real[at]), ("from T1w and T2w", made[at]), (DIFFERENCE, made[at] - real[at]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        for axes, (title, image) in zip(figure.subplots(1, 3), shown, strict=True):
            differs = title == DIFFERENCE
            low, high = (-top / 2, top / 2) if differs else (0.0, top)
            axes.imshow(image, cmap=ERROR_COLOURS if differs else GREYS, vmin=low, vmax=high)
            axes.set(title=title, xticks=[], yticks=[])
        return png(figure)
