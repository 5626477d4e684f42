"""What a terminal shows of an evaluation and of a comparison."""

import textwrap

from qsr_jax.data.studies.manifest import FAST
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.compare_volumes import VolumeComparison
from qsr_jax.evaluation.report.opening import opening
from qsr_jax.evaluation.sections.common import interval
from qsr_jax.evaluation.sections.places import place_rows
from qsr_jax.evaluation.sections.summary import answer
from qsr_jax.evaluation.values import TRAINED
from qsr_jax.formats.table import Cell, Num, to_terminal
from qsr_jax.maps import spec_of

WIDTH = 100
"""Columns of a terminal."""


def summary(cohort: Cohort) -> str:
    """The opening of the page, and a line per tissue and map of the trained model."""
    rows = [r for r in cohort.rows(place_rows) if r.kind != "region"]
    fast = {(r.place, r.map): r.difference_percent for r in rows if r.method == FAST}
    lines: list[list[Cell]] = [
        ["", "n", "fast (%)", "trained (%)", "90 %", "mean", "outer limits (%)", "individual"]
    ]
    for row in (r for r in rows if r.method == TRAINED):
        lines.append([
            f"{row.place} {spec_of(row.map).label}",
            str(row.n),
            Num(fast.get((row.place, row.map)), signed=True),
            Num(row.difference_percent, signed=True),
            interval(row.mean.interval, 1),
            answer(row.mean),
            interval(row.individual.interval, 1),
            answer(row.individual),
        ])  # fmt: skip
    said = [textwrap.fill(line, WIDTH, subsequent_indent="  ") for line in opening(cohort)]
    return "\n".join([*said, "", to_terminal(lines)] if rows else said)


def comparison(result: VolumeComparison) -> str:
    """Two volumes: what they are, and a line per quantity."""
    unit = f" {result.unit}".rstrip()
    heading = [
        f"test       {result.test}",
        f"reference  {result.reference}",
        f"map {result.map or 'not known'}, mask: {result.mask}, L = {result.data_range:g}{unit}, "
        f"{result.shape[0]} slices of {result.shape[1]} x {result.shape[2]}",
    ]
    lines = [["", "unit", "slices", "mean", "SD", "smallest", "largest"]]
    for row in result.rows:
        numbers = row.summary()
        shown = (f"{numbers[key]:.5g}" for key in ("mean", "sd", "min", "max"))
        lines.append([row.label, row.unit, str(numbers["n"]), *shown])
    return "\n".join([*heading, "", to_terminal(lines)])
