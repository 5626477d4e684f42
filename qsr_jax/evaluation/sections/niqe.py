"""NIQE (the paper's Table 5); low is natural and says nothing of values."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax import statistics
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import niqe
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import Section, TableRow, mean_sd, named
from qsr_jax.formats.table import Cell, Column, Group, Line, Table
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.statistics import Sample


@dataclasses.dataclass(frozen=True)
class NiqeRow(TableRow):
    """Table 5: NIQE of one map by method."""

    map: str
    convention: str
    n: int
    by_method: dict[str, Sample]
    paper: tuple[published.MeanSD, published.MeanSD, published.MeanSD]


def niqe_rows(cohort: Cohort) -> Iterator[NiqeRow]:
    """NIQE of every method that has it for everybody; never to be ranked on alone."""
    rows = [v for v in cohort.values if v.kind == niqe.KIND]
    for place, name in dict.fromkeys((v.place, v.map) for v in rows):
        mine = [v for v in rows if (v.place, v.map) == (place, name)]
        of = {m: cohort.of(niqe.KIND, place, name, "niqe", m) for m in _methods(cohort, place)}
        full = {m: found for m, found in of.items() if len(found) == len(cohort.group)}
        if not full:
            continue
        row = f"{MAPS[name].label} NIQE, {place}"
        yield NiqeRow(
            row=row,
            map=name,
            convention=mine[0].convention,
            n=len(cohort.group),
            by_method={
                m: named(f"{row} {m}", statistics.describe, list(found.values()))
                for m, found in full.items()
            },
            paper=published.TABLE_5[name],
        )


def _methods(cohort: Cohort, place: str) -> list[str]:
    mine = (v for v in cohort.values if (v.kind, v.place) == (niqe.KIND, place))
    return list(dict.fromkeys(v.method for v in mine))


def niqe_table(cohort: Cohort) -> Iterator[Table]:
    """Table 5."""
    rows = cohort.rows(niqe_rows)
    if not rows:
        return
    methods = list(dict.fromkeys(m for row in rows for m in row.by_method))
    lines = []
    for row in rows:
        cells: list[Cell] = [spec_of(row.map).label, str(row.n)]
        cells += [mean_sd(row.by_method[m], 2) if m in row.by_method else "" for m in methods]
        lines.append(Line([*cells, *(mean_sd(sample, 2) for sample in row.paper)]))
    yield Table(
        name="niqe_values",
        title="Table 5",
        caption="NIQE, mean (SD) over subjects; low is natural. It sees no wrong value, so nothing "
        "is ranked by it. The fast scan is left out: on its own grid a block covers four times the "
        f"area, and its number is not comparable. {rows[0].convention}; the other maps likewise, "
        "each with its own grey scale. Numbers are comparable only under the same model, crop and "
        "grey scale: the paper’s are not under ours.",
        columns=[
            Column("map", align="l"),
            Column("n"),
            *(Column(name_of(m)) for m in methods),
            *(Column(m, group="paper", kind="paper") for m in ("fast", "DL", "routine")),
        ],
        groups=[Group(lines)],
        wide=False,
    )


SECTION = Section(
    Path(__file__), "NIQE", {"niqe": niqe_rows}, niqe_table,
    absent="Table 5 (NIQE) is left out: there were too few blocks of routine maps of training "
    "subjects to fit a model on, and no model of natural images was given.",
)  # fmt: skip
