"""Calibration curves: by how much each method is off, by the value it should have."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import calibration
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import Section, TableRow, maps_of, named
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.numbers import number
from qsr_jax.formats.plots import BLUE, BROWN, GREY, Mark, Plot, styled
from qsr_jax.maps import spec_of
from qsr_jax.statistics import MIN_SUBJECTS, Interval, Sample

SHOWN = {ROUTINE: (FAST, BICUBIC, TRAINED), TRUTH: (BICUBIC, TRAINED, ROUTINE)}
"""Methods whose curves are drawn, by what they are compared with."""

COLOURS = {FAST: GREY, BICUBIC: BROWN, TRAINED: BLUE, ROUTINE: "#111111"}

WIDEST_PERCENT = 25.0
"""At most; a bin of mixed voxels at the brain's rim must not flatten all others."""


@dataclasses.dataclass(frozen=True)
class CalibrationRow(TableRow):
    """Mean test minus reference where the reference lies in a bin: one map, method and bin."""

    map: str
    unit: str
    method: str
    reference: str
    low: float
    high: float
    n: int
    difference: Sample
    interval: Interval | None

    def percent(self, value: float) -> float:
        """A difference in percent of the bin's middle."""
        return 100.0 * value / ((self.low + self.high) / 2.0)


def calibration_rows(cohort: Cohort) -> Iterator[CalibrationRow]:
    """Mean difference by bin of the reference's value: mean over the subjects who have the bin."""
    methods = dict.fromkeys(v.method for v in cohort.values if v.kind == calibration.KIND)
    for reference, name, method in itertools.product((ROUTINE, TRUTH), cohort.maps, methods):
        for low, high in itertools.pairwise(spec_of(name).value_bins):
            place, quantity = calibration.bin_name(low, high), f"difference from {reference}"
            found = cohort.of(calibration.KIND, place, name, quantity, method)
            if found:
                values = np.array(list(found.values()))
                yield _row(name, method, reference, (low, high), values)


def _row(
    name: str, method: str, reference: str, ends: tuple[float, float], values: np.ndarray
) -> CalibrationRow:
    spec = spec_of(name)
    row = f"{spec.label} {calibration.bin_name(*ends)} {spec.unit}, {method} minus {reference}"
    several = len(values) >= MIN_SUBJECTS and values.std() > 0.0
    test = named(row, statistics.paired_t, values, 0 * values) if several else None
    return CalibrationRow(
        row=row,
        map=name,
        unit=spec.unit,
        method=method,
        reference=reference,
        low=float(ends[0]),
        high=float(ends[1]),
        n=len(values),
        difference=named(row, statistics.describe, values),
        interval=test.interval if test else None,
    )


@styled
def calibration_plot(rows: Sequence[CalibrationRow]) -> Markup:
    """Mean difference from one reference by its value in percent, one panel per map."""
    reference, maps = rows[0].reference, maps_of(rows)
    label = f"Mean difference from {reference} by value"
    plot = Plot(height_inch=4.0, label=label)
    panels = plot.panels(len(maps))
    for name, axes in zip(maps, panels, strict=True):
        _panel(plot, axes, [r for r in rows if r.map == name and r.method in SHOWN[reference]])
    handles, labels = panels[0].get_legend_handles_labels()
    plot.figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return plot.svg()


def _panel(plot: Plot, axes: Axes, rows: Sequence[CalibrationRow]) -> None:
    """Bins stand at equal distances, so that brain tissue is not squeezed by fluid."""
    spec, reference = spec_of(rows[0].map), rows[0].reference
    edges = sorted({(r.low, r.high) for r in rows})
    means = [r.percent(r.difference.mean) for r in rows]
    shown = [-1.0, 1.0, *np.clip(means, -WIDEST_PERCENT, WIDEST_PERCENT)]
    pad = 0.06 * (max(shown) - min(shown))
    axes.set(xlim=(-0.6, len(edges) - 0.4), ylim=(min(shown) - pad, max(shown) + pad))
    axes.set(title=spec.label, ylabel="mean difference (% of the bin)")
    axes.set_xlabel(f"{name_of(reference)} {spec.label} ({spec.unit}), by bin")
    names = [f"{low:g}–{high:g}" for low, high in edges]
    axes.set_xticks(range(len(edges)), names, rotation=45, ha="right")
    axes.axhline(0.0, color="0.5", lw=1, ls=":")
    for method in dict.fromkeys(m for m in SHOWN[reference] if any(r.method == m for r in rows)):
        mine = sorted((r for r in rows if r.method == method), key=lambda r: r.low)
        marks = [_mark(edges.index((r.low, r.high)), r) for r in mine]
        colour, pair = COLOURS[method], f"{name_of(method)} − {name_of(reference)}"
        axes.plot([m.x for m in marks], [m.y for m in marks], color=colour, lw=1.3)
        for mark, row in zip(marks, mine, strict=True):
            if row.interval:
                ends = [row.percent(v) for v in (row.interval.low, row.interval.high)]
                axes.plot([mark.x, mark.x], ends, color=colour, lw=1.3)
        plot.draw(axes, marks, shape="dot", colour=colour, label=pair)


def _mark(place: int, row: CalibrationRow) -> Mark:
    digits, values, between = spec_of(row.map).digits, [row.difference.mean], ""
    if row.interval:
        values += [row.interval.low, row.interval.high]
        said = " to ".join(number(v, digits, signed=True) for v in values[1:])
        between = f" (95 % interval {said})"
    says = (
        f"{name_of(row.method)} − {name_of(row.reference)}, {row.low:g} to {row.high:g} "
        f"{row.unit}: {number(values[0], digits, signed=True)} {row.unit}{between}; n = {row.n}"
    )
    return Mark(place, row.percent(values[0]), says, values)


def plots(cohort: Cohort) -> dict[str, object]:
    """A figure for each reference."""
    rows = cohort.rows(calibration_rows)
    by_reference = {r.reference: [o for o in rows if o.reference == r.reference] for r in rows}
    drawn = [(reference, calibration_plot(mine)) for reference, mine in by_reference.items()]
    return {"plots": drawn, "min_voxels": calibration.MIN_VOXELS}


SECTION = Section(
    Path(__file__), "Calibration", {"calibration": calibration_rows}, plots=plots
)  # fmt: skip
