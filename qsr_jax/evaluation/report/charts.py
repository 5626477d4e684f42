"""The report's plots, drawn from computed rows. Point at a mark and it tells its values."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from qsr_jax.data.studies.manifest import FAST, PATIENT, ROUTINE
from qsr_jax.evaluation.formats import svg
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED, TRUTH
from qsr_jax.evaluation.report.opening import DIGITS, name_of, number
from qsr_jax.evaluation.tables.findings import PointRow, SubjectRow
from qsr_jax.evaluation.tables.rows import AgreementRow
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Regression

WIDTH, LEFT, RIGHT, GAP, TOP, BOTTOM = 1100, 60, 10, 66, 34, 46
"""Of every plot, in pixels: whole width, room left and right, between panels, above, below."""

BLAND_ALTMAN_WINDOW = 6.0
"""Half height of a Bland-Altman plot in percent unless the limits need more."""

SHAPES = {"GM": "dot", "WM": "diamond"}
KINDS = {FAST: "fast", BICUBIC: "bicubic", TRAINED: "trained", ROUTINE: "routine", TRUTH: "truth"}
"""Style class of a method; the others share one."""


def kind_of(method: str) -> str:
    """The style class of a method's marks and lines."""
    return f"m-{KINDS.get(method, 'other')}"


def panels(count: int, *, top: float, height: float, left: float = LEFT) -> Iterator[tuple]:
    """(start, end) pixels of x and (bottom, top) of y of panels side by side."""
    width = (WIDTH - left - RIGHT - (count - 1) * GAP) / count
    for i in range(count):
        start = left + i * (width + GAP)
        yield (start, start + width), (top + height, top)


def legend(entries: Sequence[tuple[str, str, str]], *, y: float) -> Markup:
    """Marks and what they mean in one line: (shape, class, words)."""
    parts, x = [], float(LEFT)
    for shape, kind, words in entries:
        sample = svg.sample(x + 6, y - 4, shape=shape, kind=kind)
        parts += [sample, svg.text(x + 18, y, words)]
        x += 34 + 6.6 * len(words)
    return Markup("").join(parts)


def agreement_chart(rows: Sequence[AgreementRow], points: Sequence[PointRow]) -> Markup:
    """Per map, regression above and Bland-Altman in percent below, GM and WM pooled.

    Args:
        rows: the pooled rows of one comparison, one per map; lines and limits come from them.
        points: every subject's values of the same comparison.
    """
    height, parts = 230, [_tissue_legend()]
    upper = panels(len(rows), top=TOP + 22, height=height)
    lower = panels(len(rows), top=TOP + 22 + height + BOTTOM + 40, height=height)
    for row, above, below in zip(rows, upper, lower, strict=True):
        mine = [point for point in points if point.map == row.map]
        parts += [_scatter(row, mine, *above), _bland_altman(row, mine, *below)]
    label = f"Regression and Bland-Altman plots, {rows[0].test} against {rows[0].reference}"
    return svg.drawing(parts, width=WIDTH, height=2 * (height + BOTTOM) + TOP + 62, label=label)


def _tissue_legend() -> Markup:
    entries = [(shape, f"t-{tissue}", tissue) for tissue, shape in SHAPES.items()]
    return legend(entries, y=14)


def _scatter(row: AgreementRow, points: Sequence[PointRow], x: tuple, y: tuple) -> Markup:
    spec, fit = spec_of(row.map), row.regression
    values = [v for point in points for v in (point.reference_value, point.test_value)]
    across = svg.spanning(values, start=x[0], end=x[1])
    panel = svg.Panel(
        across,
        svg.AxisScale(across.low, across.high, *y),
        f"{spec.label}: slope {number(fit.slope, 3)}, R² {number(fit.r_squared, 3)}",
        f"{name_of(row.reference)} {spec.label} ({spec.unit})",
        f"{name_of(row.test)} {spec.label} ({spec.unit})",
    )
    ends = (across.low, across.high)
    line = [(v, fit.slope * v + fit.intercept) for v in _crossings(fit, across)]
    parts = [
        svg.frame(panel),
        svg.curve(panel, [(v, v) for v in ends], kind="identity"),
        svg.curve(panel, line, kind="fit"),
    ]
    parts += [_point(panel, row, p, p.reference_value, p.test_value) for p in points]
    return Markup("").join(parts)


def _crossings(fit: Regression, scale: svg.AxisScale) -> tuple[float, float]:
    """Where the line enters and leaves a square panel of that scale."""
    at = [scale.low, scale.high]
    if fit.slope > 0.0:
        level = [(v - fit.intercept) / fit.slope for v in at]
        at = [max(at[0], level[0]), min(at[1], level[1])]
    return at[0], at[1]


def _bland_altman(row: AgreementRow, points: Sequence[PointRow], x: tuple, y: tuple) -> Markup:
    spec, result = spec_of(row.map), row.percent
    reach = max(BLAND_ALTMAN_WINDOW, 1.1 * max(abs(v) for v in (result.low, result.high)))
    bias, low, high = (number(v, 2, signed=True) for v in (result.bias, result.low, result.high))
    panel = svg.Panel(
        svg.spanning([p.mean for p in points], start=x[0], end=x[1]),
        svg.AxisScale(-reach, reach, *y),
        f"bias {bias} %, limits {low} to {high} %",
        f"mean of both, {spec.label} ({spec.unit})",
        f"{name_of(row.test)} − {name_of(row.reference)} (%)",
    )
    inside = (result.bias_interval.low, result.bias_interval.high)
    parts = [
        svg.frame(panel),
        svg.band(panel, y=inside, kind="band"),
        svg.rule(panel, y=0.0, kind="identity"),
        svg.rule(panel, y=result.bias, kind="fit"),
        *(svg.rule(panel, y=v, kind="limit") for v in (result.low, result.high)),
    ]
    parts += [_point(panel, row, p, p.mean, p.percent) for p in points]
    return Markup("").join(parts)


def _point(panel: svg.Panel, row: AgreementRow, point: PointRow, x: float, y: float) -> Markup:
    digits = DIGITS[point.map]
    test, reference = (number(v, digits) for v in (point.test_value, point.reference_value))
    says = (
        f"{point.subject[:6]} {point.tissue}: {name_of(row.test)} {test}, "
        f"{name_of(row.reference)} {reference} {point.unit} "
        f"({number(point.percent, 2, signed=True)} %)"
    )
    return svg.mark(
        panel, x, y, shape=SHAPES[point.tissue], kind=f"t-{point.tissue}", says=says,
        values=(point.test_value, point.reference_value, point.percent),
    )  # fmt: skip


def psnr_chart(rows: Sequence[SubjectRow]) -> Markup:
    """Brain-masked PSNR of every subject, bicubic joined to trained, one panel per map."""
    maps = list(dict.fromkeys(row.map for row in rows))
    subjects = [row for row in rows if row.map == maps[0]]
    names = tuple(f"{r.subject[:6]}{' *' if r.group == PATIENT else ''}" for r in subjects)
    height = 17.0 * len(names) + 12
    entries = [
        ("ring", kind_of(BICUBIC), "bicubic"),
        ("dot", "better", "trained, better than bicubic"),
        ("cross", "worse", "trained, worse than bicubic"),
    ]
    parts = [legend(entries, y=14)]
    for name, (x, y) in zip(
        maps, panels(len(maps), top=TOP + 22, height=height, left=86), strict=True
    ):
        mine = [row for row in rows if row.map == name]
        values = [row.psnr[m] for row in mine for m in (BICUBIC, TRAINED)]
        panel = svg.Panel(
            svg.spanning(values, start=x[0], end=x[1]), svg.AxisScale(-0.7, len(mine) - 0.3, *y[::-1]),
            spec_of(name).label, "brain-masked PSNR (dB)",
            names=names if name == maps[0] else ("",) * len(names),
        )  # fmt: skip
        parts.append(svg.frame(panel))
        parts += [_psnr_subject(panel, i, row) for i, row in enumerate(mine)]
    label = "Brain-masked PSNR of every subject, bicubic and trained"
    return svg.drawing(parts, width=WIDTH, height=height + TOP + BOTTOM + 22, label=label)


def _psnr_subject(panel: svg.Panel, index: int, row: SubjectRow) -> Markup:
    bicubic, trained = row.psnr[BICUBIC], row.psnr[TRAINED]
    better = trained > bicubic
    others = ", ".join(f"{name_of(m)} {number(v, 2)}" for m, v in row.psnr.items())
    says = f"{row.subject[:6]} {spec_of(row.map).label} PSNR (dB): {others}"
    values = list(row.psnr.values())
    common = {"says": says, "values": values}
    shape, kind = ("dot", "better") if better else ("cross", "worse")
    return Markup("").join(
        [
            svg.segment(panel, (bicubic, index), (trained, index), kind="join"),
            svg.mark(panel, bicubic, index, shape="ring", kind=kind_of(BICUBIC), **common),
            svg.mark(panel, trained, index, shape=shape, kind=kind, **common),
        ]
    )
