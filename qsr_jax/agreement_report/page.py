"""The page of an agreement: verdicts first, everything else folded."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from qsr_jax.agreement_report.figures import MOST_LINES
from qsr_jax.agreement_report.judged import Judged, Question, called, farthest
from qsr_jax.agreement_report.mixed import mixed_tables
from qsr_jax.agreement_report.tables import (
    detail_table,
    overview_table,
    title_of,
    verdict_table,
)
from qsr_jax.agreement_report.terminal import Agreement
from qsr_jax.formats.html import to_html
from qsr_jax.formats.numbers import plural
from qsr_jax.formats.pages import templates_of
from qsr_jax.statistics import LEAST_CONCORDANCE, LEAST_SUBJECTS, Comparison, Outcome

OPEN = (Outcome.TOO_FEW, Outcome.UNDECIDABLE, Outcome.NOT_COMPUTED)
MOST_ROWS = 60
"""Rows of a question that the page shows; of more, those that reach farthest."""
TOLD = 8
"""Comparisons that are named for one reason."""


@dataclasses.dataclass(frozen=True)
class Part:
    """What the page says about one question; Markup where it is HTML."""

    title: str
    figure: Markup
    drawn: str
    table: Markup
    left_out: str
    open: Sequence[tuple[str, str]]
    details: Markup


def render(
    found: Agreement,
    *,
    about: Mapping[str, object],
    figures: Mapping[int, Markup],
    drawing: bool,
    files: Sequence[str],
) -> str:
    """The page as HTML.

    Args:
        found: verdicts and statistics.
        about: ``table`` and ``software``.
        figures: index of a question to its plot.
        drawing: whether plots are still to come.
        files: names of further pictures.
    """
    environment = templates_of(Path(__file__).parent)
    first = found.questions[0]
    return environment.get_template("page.html").render(
        about=about,
        reference=first.reference,
        subjects=found.subjects,
        overview=to_html(overview_table(found.questions)),
        missing=len(found.missing),
        parts=[
            _part(question, figures.get(i, Markup()))
            for i, question in enumerate(found.questions)
        ],
        drawing=drawing,
        mixed=Markup("").join(map(to_html, mixed_tables(found.mixed))),
        alpha=found.plan.alpha,
        least=LEAST_CONCORDANCE,
        fewest=LEAST_SUBJECTS,
        families=", told apart by family" if any(q.family for q in found.questions) else
        ", all its maps and regions",
        files=files,
        plural=plural,
    )  # fmt: skip


def _part(question: Question, figure: Markup) -> Part:
    rows = farthest(question.rows, MOST_ROWS)
    left = len(question.rows) - len(rows)
    computed = [row.statistics for row in rows if isinstance(row.statistics, Comparison)]
    return Part(
        title=title_of(question),
        figure=figure,
        drawn=f"The {MOST_LINES} comparisons that reach farthest, of {len(question.rows)}."
        if len(question.rows) > MOST_LINES else "",
        table=to_html(verdict_table(question, rows)),
        left_out=f"The {len(rows)} comparisons that reach farthest; {left} more in "
        "agreement.csv." if left else "",
        open=_open(question.rows),
        details=to_html(detail_table(question, computed)) if computed else Markup(),
    )  # fmt: skip


def _open(rows: Sequence[Judged]) -> list[tuple[str, str]]:
    """(reason, the comparisons that it keeps from being decided)."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        for verdict, side in ((row.mean, "the mean"), (row.individual, "each subject")):
            if verdict.outcome in OPEN:
                both = row.mean.reason == row.individual.reason
                name = called(row) if both else f"{called(row)}, {side}"
                found.setdefault(verdict.reason, {})[name] = None
    return [
        (reason, ", ".join(list(names)[:TOLD]) + (f" and {len(names) - TOLD} more"
                                                  if len(names) > TOLD else ""))
        for reason, names in found.items()
    ]  # fmt: skip
