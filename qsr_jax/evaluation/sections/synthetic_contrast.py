"""Weighted images computed from every method's maps, against those from the routine maps."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax import statistics
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.synthetic_contrast import KIND, QUANTITIES, SHOWN
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.report.figures import WEIGHTED_WINDOW
from qsr_jax.evaluation.sections.common import (
    MAIN,
    Section,
    TableRow,
    if_enough,
    mean_sd,
    named,
    spanned,
    style_of,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.formats.table import Cell, Column, Group, Line, Styled, Table
from qsr_jax.physics.synthetic_contrast import SEQUENCES
from qsr_jax.statistics import PairedT, Sample


@dataclasses.dataclass(frozen=True)
class WeightedRow(TableRow):
    """Weighted images from a method's maps against those from routine, one contrast."""

    contrast: str
    unit: str
    convention: str
    n: int
    by_method: dict[str, dict[str, Sample]]
    gain: PairedT | None


def weighted_rows(cohort: Cohort) -> Iterator[WeightedRow]:
    """Mean and SD over subjects, of every method that has it for everybody."""
    rows = [v for v in cohort.values if v.kind == KIND]
    methods = dict.fromkeys(v.method for v in rows)
    for name in dict.fromkeys(v.map for v in rows):
        label = SEQUENCES[name].label
        of = {m: {q: cohort.of(KIND, "brain", name, q, m) for q in QUANTITIES} for m in methods}
        full = {m: by for m, by in of.items() if len(by["psnr"]) == len(cohort.group)}
        first, second = (
            cohort.everybody(KIND, "brain", name, "psnr", m) for m in (TRAINED, BICUBIC)
        )
        differ = bool(((first - second) != (first - second)[0]).any())
        gain = if_enough(f"{label} psnr", statistics.paired_t, first, second) if differ else None
        yield WeightedRow(
            row=label,
            contrast=name,
            unit="%",
            convention=next(v for v in rows if v.map == name).convention,
            n=len(cohort.group),
            by_method={
                m: {
                    q: named(f"{label} {q}, {m}", statistics.describe, list(found.values()))
                    for q, found in by.items()
                }
                for m, by in full.items()
            },
            gain=gain,
        )


def weighted_table(cohort: Cohort) -> Iterator[Table]:
    """A contrast per group."""
    yield Table(
        name="weighted",
        title="Computed images against those from routine maps",
        caption="Mean (SD) over n subjects of the mean over slices. Gain: trained minus bicubic "
        "with its 95 % interval. The fast map is read at its nearest voxel.",
        columns=[
            Column("method", align="l"),
            Column("PSNR", "dB"),
            Column("gain", "dB"),
            Column("SSIM"),
            Column("mean absolute error", "%"),
            Column("bias", "%"),
        ],
        groups=[_group(row) for row in cohort.rows(weighted_rows)],
    )


def _group(row: WeightedRow) -> Group:
    head = Styled("soft", f"({row.convention}; n = {row.n})")
    lines = []
    for method in (m for m in row.by_method if m in MAIN):
        by, gain = row.by_method[method], row.gain if method == TRAINED else None
        gained: Cell = spanned(gain.difference, gain.interval, 2) if gain else ""
        cells: list[Cell] = [
            name_of(method),
            mean_sd(by["psnr"], 2),
            gained,
            mean_sd(by["ssim"], 3),
        ]
        cells += [mean_sd(by["mae"], 2), mean_sd(by["bias"], 2, signed=True)]
        lines.append(Line(cells, kind=style_of(method)))
    return Group(lines, (f"{row.row} ", head))


def words(_: Cohort) -> dict[str, object]:
    """The sequences and the windows of the pictures."""
    return {"contrasts": {name: SEQUENCES[name] for name in SHOWN}, "windows": WEIGHTED_WINDOW}


SECTION = Section(
    Path(__file__), "Weighted images", {"weighted": weighted_rows}, weighted_table, words
)  # fmt: skip
