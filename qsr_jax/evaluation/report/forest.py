"""The forest plot: every region's difference from routine against the equivalence margins."""

from collections.abc import Sequence

from markupsafe import Markup

from qsr_jax.evaluation.formats import svg
from qsr_jax.evaluation.measure.subject import BICUBIC, TRAINED
from qsr_jax.evaluation.report.charts import BOTTOM, TOP, WIDTH, kind_of, legend, panels
from qsr_jax.evaluation.report.opening import name_of, number
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.tables.rows import RegionRow
from qsr_jax.maps import spec_of

FOREST_WINDOW, FOREST_WIDEST = 8.0, 32.0
"""Half width in percent unless an interval needs more, and at most."""


def forest_chart(rows: Sequence[RegionRow]) -> Markup:
    """Per region the mean difference from routine in percent and its 90 % interval, and margins."""
    shown = [row for row in rows if row.percent[TRAINED]]
    maps = list(dict.fromkeys(row.map for row in shown))
    regions = list(dict.fromkeys(row.region for row in shown))
    names = tuple(region.replace("_", " ") for region in regions)
    height = 19.0 * len(regions) + 12
    entries = [
        ("dot", "better", "trained, interval inside the margins"),
        ("dot", "worse", "trained, equivalence not shown"),
        ("ring", kind_of(BICUBIC), "bicubic"),
    ]
    parts = [legend(entries, y=14)]
    for name, (x, y) in zip(
        maps, panels(len(maps), top=TOP + 22, height=height, left=176), strict=True
    ):
        mine = {row.region: row for row in shown if row.map == name}
        ends = [abs(v) for r in mine.values() for m in (TRAINED, BICUBIC)
                for v in (r.percent[m].interval.low, r.percent[m].interval.high)]  # fmt: skip
        reach = max(FOREST_WINDOW, min(1.05 * max(ends), FOREST_WIDEST))
        panel = svg.Panel(
            svg.AxisScale(-reach, reach, *x), svg.AxisScale(-0.7, len(regions) - 0.3, *y[::-1]),
            spec_of(name).label, "difference from routine (%)",
            names=names if name == maps[0] else ("",) * len(names),
        )  # fmt: skip
        margin = published.MARGIN_PERCENT
        parts += [
            svg.band(panel, x=(-margin, margin), kind="margin"),
            svg.frame(panel),
            svg.rule(panel, x=0.0, kind="identity"),
        ]
        parts += [_forest_region(panel, i, mine[r]) for i, r in enumerate(regions) if r in mine]
    label = "Difference from routine of every region with its 90 % interval, against the margins"
    return svg.drawing(parts, width=WIDTH, height=height + TOP + BOTTOM + 22, label=label)


def _forest_region(panel: svg.Panel, index: int, row: RegionRow) -> Markup:
    parts = []
    for method, shift in ((BICUBIC, 0.2), (TRAINED, -0.14)):
        result = row.percent[method]
        low, high = result.interval.low, result.interval.high
        kind = kind_of(BICUBIC) if method == BICUBIC else "better" if result.equivalent else "worse"
        place = f"{row.region.replace('_', ' ')} {spec_of(row.map).label}"
        says = (
            f"{place}, {name_of(method)} − routine: "
            f"{number(result.difference, 2, signed=True)} % (90 % interval "
            f"{number(low, 2, signed=True)} to {number(high, 2, signed=True)} %), n = {result.n}"
        )
        ends = [(value, index + shift) for value in (low, high)]
        parts.append(svg.segment(panel, *ends, kind=f"whisker {kind}"))
        parts.append(
            svg.mark(
                panel,
                result.difference,
                index + shift,
                shape="ring" if method == BICUBIC else "dot",
                kind=kind,
                says=says,
                values=(result.difference, low, high),
            )
        )
    return Markup("").join(parts)
