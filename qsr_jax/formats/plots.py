"""Plots of a report: matplotlib figures as inline SVG whose marks tell their values.

Every mark that stands for numbers becomes a group of class ``v`` with a ``title``, shown when a
reader points at it, and the full values in ``data-v`` for machines (and for the test that finds
each of them in the csv).
"""

import dataclasses
import io
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "svg.hashsalt": "qsr_jax",
}
"""Of every figure of the house."""

styled = matplotlib.rc_context(STYLE | {"svg.fonttype": "none", "axes.titlelocation": "left"})
"""Decorator of functions that make a :class:`Plot`."""

BLUE, VERMILION, GREY, GREEN = "#0072B2", "#D55E00", "#767676", "#009E73"
"""Okabe and Ito's, told apart by colour-blind readers."""
BROWN = "#8a5a00"
"""Of bicubic."""

SHAPES = {"dot": "o", "ring": "o", "diamond": "D", "cross": "x"}

WIDTH_INCH = 11.0
HIT_RADIUS = 6
"""Of the invisible disc around a mark that feels the pointer, points."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """A mark of a plot: where it stands, what it says, and the numbers behind the words."""

    x: float
    y: float
    says: str
    values: Sequence[float]


class Plot:
    """A figure whose marks tell their values.

    Attributes:
        figure: to be drawn upon.
        label: what the plot shows, for readers who cannot see it.
    """

    def __init__(self, *, height_inch: float, label: str) -> None:
        self.figure = Figure(figsize=(WIDTH_INCH, height_inch), layout="constrained")
        self.label = label
        self._marks: dict[str, Sequence[Mark]] = {}

    def panels(self, count: int) -> Sequence[Axes]:
        """Panels side by side."""
        return self.figure.subplots(1, count, squeeze=False)[0]

    def draw(
        self, axes: Axes, marks: Sequence[Mark], *, shape: str, colour: str, label: str = ""
    ) -> None:
        """Draws marks; set the limits of ``axes`` before: what lies beyond stands at the edge.

        Args:
            axes: where.
            marks: to draw.
            shape: key of :data:`SHAPES`.
            colour: of all marks.
            label: for the legend; "" leaves it out.
        """
        (left, right), (low, high) = sorted(axes.get_xlim()), sorted(axes.get_ylim())
        x = [min(max(mark.x, left), right) for mark in marks]
        y = [min(max(mark.y, low), high) for mark in marks]
        name = f"marks-{len(self._marks)}"
        hollow = shape == "ring"
        filled = shape in ("dot", "diamond")
        (drawn,) = axes.plot(
            x, y, linestyle="", marker=SHAPES[shape], markersize=5.5, gid=name, clip_on=False,
            zorder=3, markerfacecolor="white" if hollow else colour, label=label,
            markeredgecolor="white" if filled else colour, markeredgewidth=0.6 if filled else 1.6,
        )  # fmt: skip
        drawn.set_in_layout(False)  # no marks would be taken for marks at infinity
        self._marks[name] = marks

    def svg(self) -> Markup:
        """The plot, scaling with the page; its marks in groups of class ``v``."""
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        root = ElementTree.fromstring(buffer.getvalue())
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
            for key in [key for key in element.attrib if "}" in key]:
                element.set(key.rpartition("}")[2], element.attrib.pop(key))
        for group in root.iter("g"):
            marks = self._marks.get(group.attrib.pop("id", ""), ())
            for place in group.findall("g") if marks else ():
                for use, mark in zip(place.findall("use"), marks, strict=True):
                    place.remove(use)
                    place.append(_telling(use, mark))
        for parent in list(root.iter()):
            for child in [c for c in parent if c.tag in ("metadata", "style")]:
                parent.remove(child)
        content = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
        opening = Markup('<svg class="plot" viewBox="{}" role="img" aria-label="{}">')
        return opening.format(root.get("viewBox"), self.label) + Markup(content + "</svg>")


def _telling(use: ElementTree.Element, mark: Mark) -> ElementTree.Element:
    """The mark's shape in a group that says its values."""
    group = ElementTree.Element("g", {"class": "v", "data-v": " ".join(map(_full, mark.values))})
    ElementTree.SubElement(group, "title").text = mark.says
    place = {"cx": use.get("x", "0"), "cy": use.get("y", "0")}
    ElementTree.SubElement(group, "circle", {"class": "hit", "r": str(HIT_RADIUS), **place})
    group.append(use)
    return group


def _full(value: float) -> str:
    return repr(float(value))


def as_bytes(figure: Figure, kind: str, *, dots_per_inch: int = 144) -> bytes:
    """A figure as the bytes of a file, "svg" or "png", the same every time."""
    buffer = io.BytesIO()
    dateless = {"Date": None} if kind == "svg" else {}
    figure.savefig(buffer, format=kind, dpi=dots_per_inch, metadata=dateless)
    return buffer.getvalue()
