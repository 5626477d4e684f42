"""The outcome of an agreement, and how it reads: a line per comparison, and what may be claimed."""

import dataclasses
from collections.abc import Mapping, Sequence

from qsr_jax.evaluation.agreement_report.tables import digits_of, span
from qsr_jax.evaluation.formats.table import Cell, Num, to_terminal
from qsr_jax.statistics import Adjusted, Comparison, Plan

CLAIM = """equivalence: shown where TOST's P, corrected by Holm over {} comparisons, is below alpha.
Where it is open, neither a difference nor agreement follows, whatever the P of a t-test."""


@dataclasses.dataclass(frozen=True)
class Agreement:
    """Agreement of methods with a reference; ``print`` shows it as the door does.

    Attributes:
        comparisons: every method against the reference in every region of every map.
        adjusted: per comparison, name of a test to its P corrected over all comparisons.
        plan: what was asked.
    """

    comparisons: tuple[Comparison, ...]
    adjusted: tuple[Mapping[str, Adjusted], ...]
    plan: Plan

    def __str__(self) -> str:
        return f"{summary(self.comparisons, self.adjusted)}\n{CLAIM.format(len(self.comparisons))}"


def summary(comparisons: Sequence[Comparison], corrected: Sequence[Mapping[str, Adjusted]]) -> str:
    """A line per comparison under its heading. Where equivalence is not shown, it is open.

    Args:
        comparisons: at least one.
        corrected: of :func:`qsr_jax.statistics.adjusted`.
    """
    first = comparisons[0].equivalence_percent
    level, margin = f"{100 * first.interval.level:g} %", f"{first.margin_percent:g} %"
    head: tuple[Cell, ...] = (
        *("map", "region", "test", "n", "difference", f"{level} interval", f"margin ({margin})"),
        *("P (Holm)", "equivalence", "margin in units", "limits (%)", "slope"),
    )
    lines = [head, *(_line(c, p) for c, p in zip(comparisons, corrected, strict=True))]
    return to_terminal(lines)


def _line(c: Comparison, corrected: Mapping[str, Adjusted]) -> tuple[Cell, ...]:
    endpoint, tost, relative = c.endpoint, c.equivalence_percent, c.bland_altman_percent
    digits, units = digits_of(c.paired_t.sd), c.equivalence_units
    verdict = {name: "shown" if p.holm < tost.alpha else "open" for name, p in corrected.items()}
    return (
        *(endpoint.map, endpoint.region, endpoint.test, str(c.n)),
        (Num(tost.difference, digits, signed=True), f" {endpoint.unit}"),
        span(tost.interval.low, tost.interval.high, digits),
        (Num(tost.margin, digits), f" {endpoint.unit}"),
        Num(float(corrected["equivalence_percent"].holm), p=True),
        verdict["equivalence_percent"],
        f"{units.margin:g} {endpoint.unit}: {verdict['equivalence_units']}" if units else "",
        span(relative.low, relative.high, 2),
        Num(c.regression.slope, 3),
    )
