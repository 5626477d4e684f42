"""How noisy the maps are, and how fine the detail is that they hold."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax import statistics
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.noise_and_resolution import (
    CHECKERBOARD,
    KIND,
    NOISE,
    OF_RETEST,
    OF_TRUTH,
    SHARPNESS,
    SHOWN,
    SLICES,
    UNITS,
)
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections.common import Section, TableRow, maps_of, mean_sd, named
from qsr_jax.formats.table import Cell, Column, Group, Line, Table
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Sample


@dataclasses.dataclass(frozen=True)
class ResolutionRow(TableRow):
    """Noise or resolution of one map by method, over the subjects who have it."""

    map: str
    quantity: str
    unit: str
    convention: dict[str, str]
    by_method: dict[str, Sample]


def resolution_rows(cohort: Cohort) -> Iterator[ResolutionRow]:
    """One row per map and quantity; a method may have it in some subjects only, see its n."""
    rows = [v for v in cohort.values if v.kind == KIND]
    for name in cohort.maps:
        for quantity in (NOISE, CHECKERBOARD, SHARPNESS, OF_TRUTH, OF_RETEST):
            mine = {v.method: v for v in rows if (v.map, v.quantity) == (name, quantity)}
            if not mine:
                continue
            row = f"{spec_of(name).label} {quantity}"
            of = {m: cohort.of(KIND, "brain", name, quantity, m).values() for m in mine}
            yield ResolutionRow(
                row=row,
                map=name,
                quantity=quantity,
                unit=next(iter(mine.values())).unit,
                convention={m: v.convention for m, v in mine.items()},
                by_method={
                    m: named(f"{row} {m}", statistics.describe, list(found))
                    for m, found in of.items()
                },
            )


def resolution_table(cohort: Cohort) -> Iterator[Table]:
    """Noise in the map's unit, resolution in mm; a map per group."""
    rows = cohort.rows(resolution_rows)
    if not rows:
        return
    methods = [m for m in SHOWN if any(m in row.by_method for row in rows)]
    said = {
        CHECKERBOARD: " Checkerboard: root mean square of what turns its sign from pixel to pixel, "
        "the mark of an upsampler; white noise of 1 has 0.08 of it.",
        SHARPNESS: f" Edge sharpness: {_edges(rows)}; 1 as steep, less where they are blurred.",
        OF_TRUTH: " Resolution against truth: the period (mm, small is fine) at which half of the "
        "truth’s detail is left, noise left out.",
        OF_RETEST: " Test–retest resolution: the period at which Fourier-ring correlation with the "
        "second routine scan falls to 1/7, in the subjects (n) who were scanned again; “routine” "
        "is what the scan itself holds, and no method can show more.",
    }
    there = {row.quantity for row in rows}
    yield Table(
        name="resolution",
        title="Noise and resolution",
        caption=f"Mean (SD) over subjects, of {SLICES} slices spread over the brain. Noise: "
        "standard deviation told from the finest wavelet coefficients of each image by itself, the "
        "checkerboard taken out; "
        "interpolation hides noise, it does not remove it, and what the scanner interpolated reads "
        "lower. The fast "
        "scan on its own grid." + "".join(v for k, v in said.items() if k in there),
        columns=[Column("", align="l"), *(Column(name_of(m)) for m in methods)],
        groups=[
            Group([_line(row, methods) for row in rows if row.map == name])
            for name in maps_of(rows)
        ],
    )


def _edges(rows: list[ResolutionRow]) -> str:
    """Whose edges they are."""
    said = [text for row in rows if row.quantity == SHARPNESS for text in row.convention.values()]
    return "; ".join(dict.fromkeys(said))


def _line(row: ResolutionRow, methods: list[str]) -> Line:
    digits = 2 if row.quantity in UNITS else spec_of(row.map).digits
    counted = next(iter(row.by_method.values())).n
    label = f"{row.row} ({row.unit})" if row.unit else row.row
    label += f", n = {counted}" if row.quantity == OF_RETEST else ""
    cells: list[Cell] = [label]
    cells += [mean_sd(row.by_method[m], digits) if m in row.by_method else "" for m in methods]
    return Line(cells)


SECTION = Section(
    Path(__file__), "Noise and resolution", {"noise_and_resolution": resolution_rows},
    resolution_table,
)  # fmt: skip
