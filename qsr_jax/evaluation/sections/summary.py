"""Is the trained model nearer to routine than bicubic? Every method at a glance."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import name_of, plural
from qsr_jax.evaluation.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.agreement import agreement_rows
from qsr_jax.evaluation.sections.common import (
    POOLED,
    Section,
    TableRow,
    answer,
    if_enough,
    in_brackets,
    interval,
    mean_sd,
    named,
    style_of,
)
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN
from qsr_jax.statistics import PairedT, Sample


@dataclasses.dataclass(frozen=True)
class VerdictRow(TableRow):
    """Is the trained model nearer to routine than bicubic? One map.

    ``gain_db`` is trained minus bicubic in brain-masked PSNR, ``wins`` the subjects in whom it is
    positive. ``absolute_bias_percent`` is the mean of the absolute biases of GM and WM, so that
    opposite ones do not cancel; ``bias_percent`` and the regression pool both tissues as the paper
    does. These are empty, and ``nearer_bias`` None, without tissue labels or with fewer than 3
    subjects.
    """

    map: str
    convention: str
    n: int
    psnr: dict[str, Sample]
    gain_db: float
    gain: PairedT | None
    wins: int
    absolute_bias_percent: dict[str, float]
    bias_percent: dict[str, float]
    r_squared: dict[str, float]
    slope: dict[str, float]
    nearer_psnr: bool
    nearer_bias: bool | None
    paper: published.PublishedAgreement


def verdict_rows(cohort: Cohort) -> Iterator[VerdictRow]:
    """One row per map."""
    for name in cohort.maps:
        yield _verdict(cohort, name)


def _verdict(cohort: Cohort, name: str) -> VerdictRow:
    """A model that is bicubic, bit for bit, has a gain of zero and no interval."""
    psnr = {m: cohort.everybody("image", BRAIN.place, name, "psnr", m) for m in cohort.methods}
    pair = psnr[TRAINED], psnr[BICUBIC]
    gains = pair[0] - pair[1]
    biases: dict[str, list[float]] = {}
    pooled = {}
    for row in cohort.rows(agreement_rows):
        if (row.map, row.reference) == (name, ROUTINE) and row.percent and row.regression:
            if row.tissue == POOLED:
                pooled[row.test] = row.percent.bias, row.regression
            else:
                biases.setdefault(row.test, []).append(abs(row.percent.bias))
    absolute = {m: float(np.mean(biases[m])) for m in pooled}
    label, differ = spec_of(name).label, bool((gains != gains[0]).any())
    return VerdictRow(
        row=label,
        map=name,
        convention=BRAIN.text(spec_of(name)),
        n=len(gains),
        psnr={m: named(f"{label} psnr, {m}", statistics.describe, v) for m, v in psnr.items()},
        gain_db=float(gains.mean()),
        gain=if_enough(label, statistics.paired_t, *pair) if differ else None,
        wins=int((gains > 0.0).sum()),
        absolute_bias_percent=absolute,
        bias_percent={m: bias for m, (bias, _) in pooled.items()},
        r_squared={m: line.r_squared for m, (_, line) in pooled.items()},
        slope={m: line.slope for m, (_, line) in pooled.items()},
        nearer_psnr=bool(gains.mean() > 0.0),
        nearer_bias=absolute[TRAINED] < absolute[BICUBIC] if pooled else None,
        paper=published.FIGURE_3[name],
    )


COLUMNS = (
    Column("method", align="l"),
    Column("PSNR", "dB"),
    Column("gain", "dB"),
    Column("absolute bias", "%"),
    Column("bias", "%"),
    Column("R²"),
    Column("slope"),
    Column("nearer to routine than bicubic?", align="l", latex=False),
)


def verdict_table(cohort: Cohort) -> Iterator[Table]:
    """Every method against routine."""
    rows = cohort.rows(verdict_rows)
    healthy = plural(list(cohort.group.values()).count(HEALTHY), "healthy subject")
    also = ""
    if REPEAT in cohort.methods:
        also += (
            " “Routine, retest” is the same subject scanned again: what is left is noise, and no "
        )
        also += "method can do better."
    if TRUTH in cohort.methods:
        also += " “Truth” is what was simulated: the routine scan is that far from it."
    if not rows[0].bias_percent:
        also += " Bias, R² and slope: needs 3 healthy subjects with labels."
    yield Table(
        name="verdict",
        title="At a glance",
        caption="Every method against routine. PSNR: inside the brain mask with the data range L, "
        "mean (SD) over n subjects; gain: trained minus bicubic with its 95 % interval. Absolute "
        "bias: mean of the absolute biases of GM and WM. Bias, R² and slope: GM and WM pooled as "
        f"in the paper, {healthy}.{also} The paper’s numbers ({published.N_HEALTHY} healthy "
        "subjects) belong to its own data and are no target for other data.",
        columns=COLUMNS,
        groups=[_group(row) for row in rows],
        notes=[f"{row.row}: {row.convention}, n = {row.n}" for row in rows],
    )


def _group(row: VerdictRow) -> Group:
    paper = [Num(row.paper.bias_percent, signed=True), Num(row.paper.r_squared)]
    theirs = Line(["paper, DL", "", "", "", *paper, Num(row.paper.slope, 4), ""], kind="paper")
    head = (f"{row.row} ", Styled("soft", f"({row.convention}; n = {row.n})"))
    return Group([*(Line(_cells(row, m), kind=style_of(m)) for m in row.psnr), theirs], head)


def _cells(row: VerdictRow, method: str) -> list[Cell]:
    gain: Cell = ""
    said: Cell = ""
    if method == TRAINED:
        between = (" ", in_brackets(interval(row.gain.interval, 2))) if row.gain else ()
        gain = (Num(row.gain_db, signed=True), *between)
        wins = Styled("soft", (" in ", Num(row.wins, 0), f" of {row.n}"))
        by_bias = ("; by bias ", answer(bool(row.nearer_bias)))
        said = ("by PSNR ", answer(row.nearer_psnr), wins)
        said = said if row.nearer_bias is None else (*said, *by_bias)
    biases: list[Cell] = ["", "", "", ""]
    if method in row.bias_percent:
        biases = [
            Num(row.absolute_bias_percent[method]),
            Num(row.bias_percent[method], signed=True),
            Num(row.r_squared[method], 3),
            Num(row.slope[method], 3),
        ]
    return [name_of(method), mean_sd(row.psnr[method], 2), gain, *biases, said]


SECTION = Section(Path(__file__), "At a glance", {"verdict": verdict_rows}, verdict_table)
