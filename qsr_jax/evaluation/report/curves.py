"""Calibration curves: by how much each method is off, by the value it should have."""

from collections.abc import Sequence

from markupsafe import Markup

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.formats import svg
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED, TRUTH
from qsr_jax.evaluation.report.charts import BOTTOM, TOP, WIDTH, kind_of, legend, panels
from qsr_jax.evaluation.report.opening import DIGITS, name_of, number
from qsr_jax.evaluation.tables.findings import CalibrationRow
from qsr_jax.maps import spec_of

CALIBRATION_SHOWN = {ROUTINE: (FAST, BICUBIC, TRAINED), TRUTH: (BICUBIC, TRAINED, ROUTINE)}
"""Methods whose curves are drawn, by what they are compared with."""

WIDEST = 25.0
"""Percent at most; a bin of mixed voxels at the brain's rim must not flatten all others."""


def calibration_chart(rows: Sequence[CalibrationRow], reference: str) -> Markup:
    """Mean difference from ``reference`` by its value in percent, one panel per map."""
    mine = [r for r in rows if r.reference == reference]
    maps = list(dict.fromkeys(row.map for row in mine))
    methods = [m for m in CALIBRATION_SHOWN[reference] if any(r.method == m for r in mine)]
    entries = [("dot", kind_of(m), f"{name_of(m)} − {name_of(reference)}") for m in methods]
    height, parts = 260, [legend(entries, y=14)]
    for name, (x, y) in zip(maps, panels(len(maps), top=TOP + 22, height=height), strict=True):
        shown = [r for r in mine if r.map == name and r.method in methods]
        parts.append(_calibration_panel(shown, methods, x, y))
    label = f"Mean difference from {reference} by value"
    return svg.drawing(parts, width=WIDTH, height=height + TOP + BOTTOM + 48, label=label)


def _calibration_panel(
    rows: Sequence[CalibrationRow], methods: Sequence[str], x: tuple, y: tuple
) -> Markup:
    """Bins stand at equal distances, so that brain tissue is not squeezed by fluid."""
    spec, reference = spec_of(rows[0].map), rows[0].reference
    edges = sorted({(r.low, r.high) for r in rows})
    at = {edge: i for i, edge in enumerate(edges)}
    means = [100.0 * r.difference.mean / _middle(r) for r in rows]
    inside = [max(-WIDEST, min(mean, WIDEST)) for mean in means]
    panel = svg.Panel(
        svg.AxisScale(-0.6, len(edges) - 0.4, *x),
        svg.spanning([*inside, -1.0, 1.0], start=y[0], end=y[1]),
        spec.label,
        f"{name_of(reference)} {spec.label} ({spec.unit}), by bin",
        "mean difference (% of the bin)",
        columns=tuple(f"{low:g}–{high:g}" for low, high in edges),
    )
    parts = [svg.frame(panel), svg.rule(panel, y=0.0, kind="identity")]
    for method in methods:
        mine = sorted((r for r in rows if r.method == method), key=lambda r: r.low)
        where = [(at[r.low, r.high], 100.0 * r.difference.mean / _middle(r)) for r in mine]
        parts.append(svg.curve(panel, where, kind=f"line {kind_of(method)}"))
        for row, (i, percent) in zip(mine, where, strict=True):
            parts.append(_calibration_mark(panel, row, i, percent))
    return Markup("").join(parts)


def _middle(row: CalibrationRow) -> float:
    return (row.low + row.high) / 2.0


def _calibration_mark(panel: svg.Panel, row: CalibrationRow, i: int, percent: float) -> Markup:
    digits, parts, values = DIGITS[row.map], [], [row.difference.mean]
    between = ""
    if row.interval:
        low, high = row.interval.low, row.interval.high
        said = " to ".join(number(v, digits, signed=True) for v in (low, high))
        between = f" (95 % interval {said})"
        values += [low, high]
        ends = [(i, 100.0 * v / _middle(row)) for v in (low, high)]
        parts.append(svg.segment(panel, *ends, kind=f"whisker {kind_of(row.method)}"))
    pair = f"{name_of(row.method)} − {name_of(row.reference)}"
    says = (
        f"{pair}, {row.low:g} to {row.high:g} {row.unit}: "
        f"{number(row.difference.mean, digits, signed=True)} {row.unit}{between}; n = {row.n}"
    )
    kind = kind_of(row.method)
    parts.append(svg.mark(panel, i, percent, shape="dot", kind=kind, says=says, values=values))
    return Markup("").join(parts)
