"""The two verdicts of every comparison, decided over the declared family of its question."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from qsr_jax.agreement_report.pairs import Pair
from qsr_jax.statistics import (
    MIN_SUBJECTS,
    Adjusted,
    Comparison,
    Endpoint,
    Family,
    Outcome,
    Plan,
    Verdict,
    adjust,
    decide_family,
    individual_verdict,
    mean_verdict,
    take,
)

ALL, EACH = "all", "each"
"""Rules of :func:`qsr_jax.statistics.decide_family`: the claim about everything at once, and the
claims of single rows. Rows, counts and plots follow the second."""
SIDES = ("mean", "individual")
DIFFERENCES = ("paired_t", "signed_rank")
"""Tests of "no difference", whose P values are corrected over the family as well."""


@dataclasses.dataclass(frozen=True)
class Judged:
    """One comparison's verdicts after the correction for its family.

    Attributes:
        pair: what is compared, and its values.
        family: cells of the columns that make families, "" where a method has one.
        mean: does the mean agree?
        individual: does each subject's own value agree?
        repeatability: the reference's repeatability coefficient in the unit of the margin.
        statistics: everything else about it; or why that could not be computed.
        adjusted: name of a test of "no difference" to its P corrected over the family.
    """

    pair: Pair
    family: str
    mean: Verdict
    individual: Verdict
    repeatability: float | None
    statistics: Comparison | str
    adjusted: Mapping[str, Adjusted] = dataclasses.field(default_factory=dict)

    @property
    def endpoint(self) -> Endpoint:
        """What is compared."""
        return self.pair.endpoint

    @property
    def count(self) -> int:
        """Subjects."""
        return len(self.pair.test)

    @property
    def missing(self) -> str:
        """Why something was not computed, "" where everything was."""
        return self.statistics if isinstance(self.statistics, str) else ""


@dataclasses.dataclass(frozen=True)
class Question:
    """Does one method agree with the reference, in one declared family of comparisons?

    Attributes:
        test: the method.
        reference: what it is held against.
        family: see :class:`Judged`.
        rows: all members; outcomes are those after Holm's correction over them.
        mean: the means of all members, each for itself.
        individual: likewise for single subjects.
        mean_everywhere: whether the means agree in all members at once (intersection-union).
        individual_everywhere: likewise.
    """

    test: str
    reference: str
    family: str
    rows: tuple[Judged, ...]
    mean: Family
    individual: Family
    mean_everywhere: Family
    individual_everywhere: Family


def questions_of(
    pairs: Sequence[Pair],
    statistics: Sequence[Comparison | str],
    coefficients: Sequence[float | None],
    *,
    plan: Plan,
    by: Sequence[str] = (),
) -> list[Question]:
    """Every method's verdicts, family by family.

    Args:
        pairs: all comparisons.
        statistics: of each, or why there are none.
        coefficients: repeatability coefficient of the reference in each, in the unit of its
            margin; None where nobody knows.
        plan: margins and alpha.
        by: what tells families of one method apart: "map" or "region"; further columns
            (``Pair.more``) always do.
    """
    found: dict[tuple[str, str], list[Judged]] = {}
    for pair, computed, coefficient in zip(pairs, statistics, coefficients, strict=True):
        cells = [getattr(pair.endpoint, name) for name in by] + list(pair.more)
        mean, individual = _verdicts(pair, coefficient, plan)
        judged = Judged(pair, ", ".join(cells), mean, individual, coefficient, computed)
        found.setdefault((pair.endpoint.test, judged.family), []).append(judged)
    return [_question(rows) for rows in found.values()]


def _verdicts(pair: Pair, coefficient: float | None, plan: Plan) -> tuple[Verdict, Verdict]:
    """On the mean and on each subject; without values both say why."""
    margin = plan.margins.get(pair.endpoint.map)
    if pair.reason:
        unit, half = ("%", plan.margin_percent) if margin is None else ("", margin)
        n = len(pair.test)
        outcome = Outcome.NOT_COMPUTED if n >= MIN_SUBJECTS else Outcome.TOO_FEW
        mean, individual = (
            Verdict(name, outcome, pair.reason, n, unit, half, plan.alpha) for name in SIDES
        )
        return mean, individual
    options: dict[str, Any] = {
        "margin": margin,
        "margin_percent": plan.margin_percent if margin is None else None,
        "repeatability": coefficient,
        "alpha": plan.alpha,
    }
    return (
        mean_verdict(pair.test, pair.reference, **options),
        individual_verdict(pair.test, pair.reference, **options),
    )


def _question(rows: Sequence[Judged]) -> Question:
    """Decides a family by both rules; rows get the outcomes of the claims of single ones."""
    names = [called(row) for row in rows]
    decided: dict[tuple[str, str], Family] = {}
    for side in SIDES:
        verdicts = dict(zip(names, (getattr(row, side) for row in rows), strict=True))
        decided |= {(side, rule): decide_family(verdicts, rule=rule) for rule in (ALL, EACH)}
    mean, individual = decided["mean", EACH], decided["individual", EACH]
    corrected = tuple(
        dataclasses.replace(
            row, mean=mean.members[name], individual=individual.members[name], adjusted=adjusted
        )
        for row, name, adjusted in zip(rows, names, _adjusted(rows), strict=True)
    )
    first = rows[0]
    return Question(
        first.endpoint.test,
        first.endpoint.reference,
        first.family,
        corrected,
        mean,
        individual,
        decided["mean", ALL],
        decided["individual", ALL],
    )


def _adjusted(rows: Sequence[Judged]) -> list[dict[str, Adjusted]]:
    """Corrected P of the tests of "no difference", over the rows that have them."""
    corrected: list[dict[str, Adjusted]] = [{} for _ in rows]
    there = [i for i, row in enumerate(rows) if isinstance(row.statistics, Comparison)]
    for name in DIFFERENCES if there else ():
        family = adjust([getattr(rows[i].statistics, name).p for i in there])
        for place, i in enumerate(there):
            corrected[i][name] = take(family, (place,))
    return corrected


def called(row: Judged) -> str:
    """What a member is called in its family: "GM t1"."""
    return f"{row.endpoint.region} {row.endpoint.map}"


def farthest(rows: Sequence[Judged], most: int) -> list[Judged]:
    """The rows that reach farthest beyond their margins, in their own order; all if few.

    What could not be decided stands before everything else.
    """

    def reach(row: Judged) -> float:
        known = [v.reach for v in (row.mean, row.individual) if v.reach is not None]
        return max(known, default=math.inf)

    kept = {id(row) for row in sorted(rows, key=reach, reverse=True)[:most]}
    return [row for row in rows if id(row) in kept]
