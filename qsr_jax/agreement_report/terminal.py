"""The outcome of an agreement, and how it reads: the verdicts, then a line per comparison."""

import dataclasses

from qsr_jax.agreement_report.judged import Judged, Question, farthest
from qsr_jax.agreement_report.mixed import Mixed, mixed_tables
from qsr_jax.agreement_report.tables import overview_table, title_of, verdict_table
from qsr_jax.formats.numbers import plural
from qsr_jax.formats.table import Cell, Table, to_terminal
from qsr_jax.statistics import Comparison, Plan

MOST_LINES = 60
"""Comparisons of a question that a terminal shows."""
MOST_REASONS = 5


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement of methods with a reference; ``print`` shows it as the door does.

    Attributes:
        questions: the verdicts, a question per method and family.
        subjects: how many subjects the table has.
        plan: what was asked.
        mixed: models of the differences, where asked for.
    """

    questions: tuple[Question, ...]
    subjects: int
    plan: Plan
    mixed: tuple[Mixed, ...] = ()

    @property
    def rows(self) -> list[Judged]:
        """Every comparison of every question."""
        return [row for question in self.questions for row in question.rows]

    @property
    def comparisons(self) -> list[Comparison]:
        """The statistics of those that could be computed."""
        found = (row.statistics for row in self.rows)
        return [statistics for statistics in found if isinstance(statistics, Comparison)]

    @property
    def missing(self) -> list[Judged]:
        """The rows of which something could not be computed; ``missing`` says why."""
        return [row for row in self.rows if row.missing]

    def __str__(self) -> str:
        parts = [_table(overview_table(self.questions))]
        for question in self.questions:
            rows = farthest(question.rows, MOST_LINES)
            left = len(question.rows) - len(rows)
            more = [f"... and {plural(left, 'comparison')} that lie farther inside"] if left else []
            parts.append(
                "\n".join([title_of(question), _table(verdict_table(question, rows)), *more])
            )
        parts += [f"{table.title}\n{_table(table)}" for table in mixed_tables(self.mixed)]
        missing = self.missing
        told = [f"{row.endpoint}: {row.missing}" for row in missing[:MOST_REASONS]]
        if missing:
            left_out = len(missing) - len(told)
            more = [f"  ... and {left_out} more"] if left_out else []
            head = f"not computed: {plural(len(missing), 'comparison')}"
            parts.append("\n".join([head, *(f"  {line}" for line in told), *more]))
        return "\n\n".join(parts)


def _table(table: Table) -> str:
    """A table's headings and lines; two headings where columns stand in groups."""
    groups = [column.group for column in table.columns]
    heads: list[Cell] = []
    for i, column in enumerate(table.columns):
        new = column.group and (i == 0 or groups[i - 1] != column.group)
        heads.append(f"{column.group}: {column.text}" if new else column.text)
    return to_terminal([heads, *(line.cells for group in table.groups for line in group.lines)])
