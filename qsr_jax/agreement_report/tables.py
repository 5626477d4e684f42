"""Verdicts and statistics as tables: one definition for page, LaTeX and terminal."""

import re
from collections.abc import Sequence

from qsr_jax.agreement_report.judged import Judged, Question
from qsr_jax.formats.table import (
    MISSING,
    Cell,
    Column,
    Group,
    Line,
    Num,
    Part,
    Styled,
    Table,
)
from qsr_jax.statistics import Comparison, Family, Outcome, Verdict

WORDS = {
    Outcome.SHOWN: ("good", "shown"),
    Outcome.NOT_SHOWN: ("bad", "not shown"),
    Outcome.TOO_FEW: ("soft", "too few"),
    Outcome.UNDECIDABLE: ("soft", "undecidable"),
    Outcome.NOT_COMPUTED: ("soft", "not computed"),
}
"""Style and words of an outcome in a cell."""

MEAN, INDIVIDUAL = "the mean", "each subject"
VERDICTS = (
    Column("region", align="l"),
    Column("map", align="l"),
    Column("n"),
    Column("margin"),
    Column("difference", group=MEAN),
    Column("interval", group=MEAN),
    Column("within?", group=MEAN, align="l"),
    Column("bounds of limits", group=INDIVIDUAL),
    Column("CCC (bound)", group=INDIVIDUAL),
    Column("within?", group=INDIVIDUAL, align="l"),
)
OVERVIEW = (
    Column("method", align="l"),
    Column("shown in", group=MEAN),
    Column("everywhere at once?", group=MEAN, align="l"),
    Column("farthest out", group=MEAN, align="l"),
    Column("shown in", group=INDIVIDUAL),
    Column("everywhere at once?", group=INDIVIDUAL, align="l"),
    Column("farthest out", group=INDIVIDUAL, align="l"),
)
DETAILS = (
    Column("region", align="l"),
    Column("map", align="l"),
    Column("n"),
    Column("mean (SD)", group="test"),
    Column("mean (SD)", group="reference"),
    Column("mean", group="difference"),
    Column("P, t", group="difference"),
    Column("P, rank", group="difference"),
    Column("bias", "%", group="Bland–Altman"),
    Column("95 % limits", "%", group="Bland–Altman"),
    Column("least squares", group="slope"),
    Column("Deming", group="slope"),
    Column("ICC"),
)


def safe(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^\w.-]", "_", name)


def title_of(question: Question) -> str:
    """What is asked: "trained against routine", and of which family."""
    family = f", {question.family}" if question.family else ""
    return f"{question.test} against {question.reference}{family}"


def anchor_of(question: Question) -> str:
    """A name of a question for files and links."""
    return safe("-".join(filter(None, (question.test, question.family))))


def digits_of(spread: float) -> int:
    """Decimals that show two figures of a spread, at most 4."""
    return next((digits for digits in range(4) if abs(spread) * 10**digits >= 10.0), 4)


def span(low: float, high: float, digits: int) -> tuple[Part, ...]:
    """An interval, "-1.2 to 3.4": a dash between signs is hard to read."""
    return Num(low, digits), " to ", Num(high, digits)


def outcome_cell(verdict: Verdict) -> Styled:
    """An outcome in a word or two."""
    kind, word = WORDS[verdict.outcome]
    return Styled(kind, word)


def verdict_line(row: Judged) -> Line:
    """Both verdicts of a comparison."""
    mean, individual, e = row.mean, row.individual, row.endpoint
    unit = mean.unit or e.unit
    digits = digits_of(mean.margin)
    difference: Cell = MISSING if mean.estimate is None else Num(mean.estimate, digits, signed=True)
    agreement: Cell = MISSING
    if individual.concordance is not None and individual.concordance_low is not None:
        low = Num(individual.concordance_low, 2)
        agreement = (Num(individual.concordance, 2), " ", Styled("sd", ("(", low, ")")))
    return Line(
        [
            *(e.region, f"{e.map} ({e.unit})", str(row.count)),
            ("±", Num(mean.margin, 0 if mean.margin >= 10 else 1), f" {unit}"),
            *(difference, _interval(mean, digits), outcome_cell(mean)),
            *(_interval(individual, digits), agreement, outcome_cell(individual)),
        ]
    )


def _interval(verdict: Verdict, digits: int) -> Cell:
    if verdict.interval is None:
        return MISSING
    return span(verdict.interval.low, verdict.interval.high, digits)


def verdict_table(question: Question, rows: Sequence[Judged] | None = None) -> Table:
    """Both verdicts of every comparison of a question.

    Args:
        question: whose.
        rows: some of them; None for all.
    """
    first = question.mean
    level = f"{100.0 * (1.0 - 2.0 * first.alpha):g} %"
    caption = (
        f"The mean: {level} interval of the mean difference inside ±margin (TOST). Each subject: "
        f"outer {level} bounds of the 95 % limits of agreement inside ±margin, and concordance "
        "within the region (CCC, with its lower bound). Both after Holm over the "
        f"{len(question.rows)} comparisons of this question."
    )
    return Table(
        name=f"verdicts-{anchor_of(question)}",
        title=f"Verdicts: {title_of(question)}",
        caption=caption,
        columns=VERDICTS,
        groups=[Group([verdict_line(row) for row in (question.rows if rows is None else rows)])],
    )


def overview_table(questions: Sequence[Question]) -> Table:
    """A line per question: how many of its comparisons are shown, and whether all are."""
    lines = [
        Line(
            [
                question.test if not question.family else f"{question.test}, {question.family}",
                *_counted(question.mean, question.mean_everywhere),
                *_counted(question.individual, question.individual_everywhere),
            ]
        )
        for question in questions
    ]
    return Table("overview", "", "", OVERVIEW, [Group(lines)])


def _counted(each: Family, everywhere: Family) -> list[Cell]:
    """Counts of one verdict, whether it holds everywhere, and where it is farthest from it."""
    kind, word = WORDS[everywhere.outcome]
    count = (Num(each.shown, 0), " of ", Num(len(each.members), 0))
    return [count, Styled(kind, word), each.worst or MISSING]


def detail_table(question: Question, comparisons: Sequence[Comparison]) -> Table:
    """The estimates behind a question's verdicts, in the units of the maps."""
    return Table(
        name=f"statistics-{anchor_of(question)}",
        title=f"Statistics: {title_of(question)}",
        caption="Differences in the unit of the map; P of the paired t-test and of Wilcoxon’s test "
        "that there is no difference, not corrected: a large one shows no agreement.",
        columns=DETAILS,
        groups=[Group([_detail_line(c) for c in comparisons])],
    )


def _detail_line(c: Comparison) -> Line:
    relative, digits = c.bland_altman_percent, digits_of(c.paired_t.sd)
    means = ((Num(s.mean, digits), " ", Styled("sd", ("(", Num(s.sd, digits), ")")))
             for s in (c.test, c.reference))  # fmt: skip
    return Line(
        [
            *(c.endpoint.region, f"{c.endpoint.map} ({c.endpoint.unit})", str(c.n)),
            *means,
            Num(c.paired_t.difference, digits, signed=True),
            *(Num(c.paired_t.p, p=True), Num(c.signed_rank.p, p=True)),
            *(Num(relative.bias, 2, signed=True), span(relative.low, relative.high, 2)),
            *(Num(c.regression.slope, 3), Num(c.deming.slope, 3)),
            Num(c.icc_agreement.value, 3),
        ]
    )
