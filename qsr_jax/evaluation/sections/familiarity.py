"""Which of the scans are unlike those that the network learned from, and in what."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.familiarity import KIND
from qsr_jax.evaluation.sections.common import Section, TableRow
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Styled, Table


@dataclasses.dataclass(frozen=True)
class FamiliarityRow(TableRow):
    """One subject's fast scan to one training; beyond a score of 1 it is out of range.

    ``scores`` are by what is compared, ``said`` is the outcome in words and ``known`` the number of
    subjects it was compared with.
    """

    subject: str
    run: str
    n: int
    known: int
    score: float
    scores: dict[str, float]
    said: str

    @property
    def is_unfamiliar(self) -> bool:
        """Whether it is out of range."""
        return self.score > 1.0


def familiarity_rows(cohort: Cohort) -> Iterator[FamiliarityRow]:
    """One row per subject and training; none where no network can tell."""
    found: dict[tuple[str, str, str, int], dict[str, float]] = {}
    for v in cohort.values:
        if v.kind == KIND:
            found.setdefault((v.subject, v.run, v.convention, v.count), {})[v.place] = v.value
    for (subject, run, said, known), scores in found.items():
        yield FamiliarityRow(
            row=f"{subject} {run}",
            subject=subject,
            run=run,
            n=1,
            known=known,
            score=max(scores.values()),
            scores=scores,
            said=said,
        )


def familiarity_table(cohort: Cohort) -> Iterator[Table]:
    """Every scan, the least familiar first."""
    rows = sorted(cohort.rows(familiarity_rows), key=lambda row: -row.score)
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.scores))
    several = len({row.run for row in rows}) > 1
    count = sum(row.is_unfamiliar for row in rows)
    yield Table(
        name="familiarity",
        title="Scans unlike those the network learned from",
        caption=f"{count} of {len(rows)} are out of range. Of each fast scan, how unlike it is to "
        "the nearest of the scans the network learned from: 0 is usual among them, beyond 1 is out "
        "of range.",
        columns=[
            Column("subject", align="l"),
            *([Column("training", align="l")] if several else []),
            Column("score"),
            *(Column(kind, latex=False) for kind in kinds),
            Column("outcome", align="l", latex=False),
        ],
        groups=[Group([_line(row, kinds, several=several) for row in rows])],
    )


def _line(row: FamiliarityRow, kinds: list[str], *, several: bool) -> Line:
    cells: list[Cell] = [row.subject[:8]]
    cells += [row.run] if several else []
    cells.append(Styled("bad", Num(row.score)) if row.is_unfamiliar else Num(row.score))
    cells += [Num(row.scores.get(kind)) for kind in kinds]
    cells.append(row.said if row.is_unfamiliar else "in range")
    return Line(cells)


SECTION = Section(
    Path(__file__),
    "Scans unlike those the network learned from",
    {"familiarity": familiarity_rows},
    familiarity_table,
)
