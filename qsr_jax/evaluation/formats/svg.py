"""Plots as inline SVG whose marks tell their values when pointed at. They draw and compute nothing.

Every mark that stands for numbers is a group of class ``v`` with a ``title`` for subjects and the
full values in ``data-v`` for machines (and for the test that finds each of them in the csv).
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

TICK = 4
"""Length of a tick in pixels."""

NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Steps between ticks, times a power of ten."""


@dataclasses.dataclass(frozen=True)
class AxisScale:
    """A linear map from values ``low``..``high`` to pixels ``start``..``end``."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value, to a tenth."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def nearest(self, value: float) -> float:
        """The value, or the end of the scale beyond which it lies."""
        return min(max(value, self.low), self.high)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the scale."""
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Panel:
    """One plot: its scales and its words.

    ``names`` stand for the ticks of y, at 0, 1, ... from the top, ``columns`` for those of x.
    """

    x: AxisScale
    y: AxisScale
    title: str
    x_label: str
    y_label: str = ""
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def top(self) -> float:
        """Pixel of the upper edge."""
        return min(self.y.start, self.y.end)

    @property
    def bottom(self) -> float:
        """Pixel of the lower edge."""
        return max(self.y.start, self.y.end)


def spanning(values: Iterable[float], *, start: float, end: float, pad: float = 0.06) -> AxisScale:
    """A scale that holds all values and a little more.

    Raises:
        ValueError: there are no values.
    """
    known = list(values)
    if not known:
        raise ValueError("a scale needs a value to hold")
    low, high = min(known), max(known)
    room = pad * (high - low) or abs(low) * pad or 1.0
    return AxisScale(low - room, high + room, start, end)


def ticks(scale: AxisScale, count: int = 5) -> list[float]:
    """About ``count`` round values on a scale."""
    raw = (scale.high - scale.low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(n * power for n in NICE if n * power >= raw * (1 - 1e-9))
    first = math.ceil(scale.low / step - 1e-9)
    last = math.floor(scale.high / step + 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, last + 1)]


def text(x: float, y: float, words: str, kind: str = "") -> Markup:
    """Words at a place; ``kind`` is one or more classes of the page's style."""
    return Markup('<text x="{}" y="{}" class="{}">{}</text>').format(
        round(x, 1), round(y, 1), kind, words
    )


def _line(x0: float, y0: float, x1: float, y1: float, kind: str) -> Markup:
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(x0, y0, x1, y1, kind)


def frame(panel: Panel) -> Markup:
    """Axes, ticks, labels and title."""
    left, right, bottom, top = panel.x.start, panel.x.end, panel.bottom, panel.top
    parts = [text(left, top - 10, panel.title, "title"), _line(left, bottom, right, bottom, "axis")]
    parts += _columns(panel) if panel.columns else _x_ticks(panel)
    below = bottom + (62 if panel.columns else 34)
    parts.append(text((left + right) / 2, below, panel.x_label, "middle label"))
    if panel.names:
        parts += [text(left - 8, panel.y(i) + 4, name, "end") for i, name in enumerate(panel.names)]
        return Markup("").join(parts)
    parts.append(_line(left, top, left, bottom, "axis"))
    for value in ticks(panel.y):
        at = panel.y(value)
        parts.append(_line(left - TICK, at, left, at, "axis"))
        parts.append(text(left - 8, at + 4, _plain(value), "end"))
    turned = Markup('<text transform="translate({},{}) rotate(-90)" class="middle label">{}</text>')
    middle = round((top + bottom) / 2, 1)
    parts.append(turned.format(round(left - 44, 1), middle, panel.y_label))
    return Markup("").join(parts)


def _x_ticks(panel: Panel) -> list[Markup]:
    parts = []
    for value in ticks(panel.x):
        at = panel.x(value)
        parts.append(_line(at, panel.top, at, panel.bottom, "grid"))
        parts.append(_line(at, panel.bottom, at, panel.bottom + TICK, "axis"))
        parts.append(text(at, panel.bottom + 16, _plain(value), "middle"))
    return parts


def _columns(panel: Panel) -> list[Markup]:
    """Names of columns, turned so that long ones find room."""
    turned = Markup('<text transform="translate({},{}) rotate(-40)" class="end small">{}</text>')
    return [
        turned.format(round(panel.x(i) + 4, 1), panel.bottom + 14, name)
        for i, name in enumerate(panel.columns)
    ]


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def rule(panel: Panel, *, x: float | None = None, y: float | None = None, kind: str) -> Markup:
    """A line across the panel at a value of x or of y, left out where it lies beyond the scale."""
    if x is not None:
        at = panel.x(x)
        return _line(at, panel.top, at, panel.bottom, kind) if panel.x.holds(x) else Markup("")
    at = panel.y(y)
    return _line(panel.x.start, at, panel.x.end, at, kind) if panel.y.holds(y) else Markup("")


def band(
    panel: Panel,
    *,
    x: tuple[float, float] | None = None,
    y: tuple[float, float] | None = None,
    kind: str,
) -> Markup:
    """A stripe between two values of x or of y, cut at the scale's ends."""
    low_x, high_x = x or (panel.x.low, panel.x.high)
    low_y, high_y = y or (panel.y.low, panel.y.high)
    left, right = (panel.x(panel.x.nearest(v)) for v in (low_x, high_x))
    ends = [panel.y(panel.y.nearest(v)) for v in (low_y, high_y)]
    box = Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}"/>')
    return box.format(
        left, min(ends), round(right - left, 1), round(max(ends) - min(ends), 1), kind
    )


def segment(
    panel: Panel, start: tuple[float, float], end: tuple[float, float], *, kind: str
) -> Markup:
    """A straight line between two points, cut short at the panel's edges if level or upright."""
    ends = [(panel.x(panel.x.nearest(x)), panel.y(panel.y.nearest(y))) for x, y in (start, end)]
    return _line(*ends[0], *ends[1], kind)


def curve(panel: Panel, points: Sequence[tuple[float, float]], *, kind: str) -> Markup:
    """A line through points; what lies beyond the panel runs along its edge."""
    x, y = panel.x, panel.y
    path = " ".join(f"{x(x.nearest(a))},{y(y.nearest(b))}" for a, b in points)
    return Markup('<polyline points="{}" class="{}"/>').format(path, kind)


def mark(
    panel: Panel, x: float, y: float, *, shape: str, kind: str, says: str, values: Sequence[float]
) -> Markup:
    """A mark that tells its values; one beyond the panel stands at its edge.

    Args:
        panel: where.
        x: value on the x scale.
        y: value on the y scale.
        shape: "dot", "ring", "diamond" or "cross".
        kind: classes, such as the method's colour.
        says: what subjects read when they point at it.
        values: the numbers behind the words, in full.
    """
    cx, cy = panel.x(panel.x.nearest(x)), panel.y(panel.y.nearest(y))
    return Markup('<g class="v {}" data-v="{}"><title>{}</title>{}{}</g>').format(
        kind,
        " ".join(repr(float(v)) for v in values),
        says,
        Markup('<circle class="hit" cx="{}" cy="{}" r="9"/>').format(cx, cy),
        _shape(shape, cx, cy),
    )


def sample(x: float, y: float, *, shape: str, kind: str) -> Markup:
    """A mark of a legend, at a pixel; it stands for no value."""
    return Markup('<g class="{}">{}</g>').format(kind, _shape(shape, x, y))


def _shape(shape: str, cx: float, cy: float) -> Markup:
    match shape:
        case "dot" | "ring":
            return Markup('<circle class="{}" cx="{}" cy="{}" r="4"/>').format(shape, cx, cy)
        case "diamond":
            path = f"M{cx},{cy - 5:.1f}l5,5l-5,5l-5,-5z"
        case "cross":
            path = f"M{cx - 4:.1f},{cy - 4:.1f}l8,8m0,-8l-8,8"
        case _:
            raise ValueError(f"no mark of shape {shape!r}; expected dot, ring, diamond or cross")
    return Markup('<path class="{}" d="{}"/>').format(shape, path)


def drawing(parts: Iterable[Markup], *, width: float, height: float, label: str) -> Markup:
    """The whole plot, scaling with the page."""
    return Markup(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(round(width), round(height), label, Markup("\n").join(escape(p) for p in parts))
