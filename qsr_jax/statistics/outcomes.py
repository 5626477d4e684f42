"""What a verdict is: one question about one comparison, its answer, its interval, its reason."""

import dataclasses
import enum
import math

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.results import Interval

LEAST_SUBJECTS = 10
"""Subjects below which no verdict is given, only estimates.

The least n at which the 95 % interval of a limit of agreement ends below twice the limit itself
(Carkeet 2015, doi:10.1097/OPX.0000000000000513; 2.04 times at n = 9, 1.94 at n = 10). With fewer,
the spread is not known to a factor of two, and the normality of means that every test here takes
for granted cannot be leant on.
"""


class Outcome(enum.StrEnum):
    """The answers, in words that a reader can take as they are."""

    SHOWN = "shown"
    NOT_SHOWN = "not shown"
    TOO_FEW = "too few subjects to decide"
    UNDECIDABLE = "the margin lies below the repeatability coefficient"
    NOT_COMPUTED = "not computed"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer to one question about one comparison.

    Attributes:
        question: "mean", "individual" or "non-inferiority".
        outcome: the answer.
        reason: why, in words with numbers.
        n: subjects.
        unit: "%" of the reference where the margin was stated in percent, else "", the unit of
            the values; it belongs to ``margin``, ``estimate`` and ``interval``.
        margin: half width of what does not matter.
        alpha: level of each one-sided test.
        estimate: mean difference test - reference (or - comparator); None where there is none.
        interval: of level 1 - 2 alpha; for "individual" the outer bounds of both limits.
        reach: the end of the interval that counts, in margins: below 1 lies inside, and the
            largest of several verdicts is the worst.
        p: largest P of the one-sided tests that the claim needs.
        p_holm: the same corrected for its family, where ``decide_family`` did so.
        concordance: Lin's, for "individual" only.
        concordance_low: its one-sided lower bound of level 1 - alpha.
    """

    question: str
    outcome: Outcome
    reason: str
    n: int
    unit: str
    margin: float
    alpha: float
    estimate: float | None = None
    interval: Interval | None = None
    reach: float | None = None
    p: float | None = None
    p_holm: float | None = None
    concordance: float | None = None
    concordance_low: float | None = None

    @property
    def shown(self) -> bool:
        """Whether the claim is made."""
        return self.outcome is Outcome.SHOWN


def asked(
    question: str,
    values: tuple[ArrayLike, ...],
    *,
    margin: float | None,
    margin_percent: float | None,
    alpha: float,
) -> tuple[list[np.ndarray], Verdict]:
    """The values (n,) of each method in float64, and a verdict still without numbers.

    Raises:
        ValueError: unequal shapes, several values per subject, not one positive margin, or alpha
            outside 0 to 0.5.

    >>> asked("mean", ([1.0], [2.0]), margin=3.0, margin_percent=None, alpha=0.05)[1].n
    1
    """
    lists = [np.asarray(v, np.float64) for v in values]
    if lists[0].ndim != 1 or len({v.shape for v in lists}) > 1:
        shapes = ", ".join(str(v.shape) for v in lists)
        raise ValueError(f"shapes {shapes}: expected equal lists (n,), one value per subject")
    if (margin is None) == (margin_percent is None):
        raise ValueError("state one margin: in units, or in percent of the reference's mean")
    require_positive_options(margin=margin, margin_percent=margin_percent)
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha}")
    unit, half = ("%", margin_percent) if margin is None else ("", margin)
    assert half is not None
    n = lists[0].size
    return lists, Verdict(question, Outcome.NOT_COMPUTED, "", n, unit, float(half), alpha)


def require_positive_options(**options: float | None) -> None:
    """Refuses options that are stated and not positive numbers.

    Raises:
        ValueError: names the option.

    >>> require_positive_options(margin=None, repeatability=3.0)
    """
    for name, value in options.items():
        if value is not None and not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be a positive number, got {value}")


def withheld(found: Verdict, outcome: Outcome, reason: str) -> Verdict:
    """A verdict that is none, with why.

    >>> _, blank = asked("mean", ([1.0], [2.0]), margin=3.0, margin_percent=None, alpha=0.05)
    >>> withheld(blank, Outcome.NOT_COMPUTED, "zero variance").reason
    'zero variance'
    """
    return dataclasses.replace(found, outcome=outcome, reason=reason)


def too_few(found: Verdict) -> Verdict:
    """The verdict of fewer than :data:`LEAST_SUBJECTS` subjects.

    >>> _, blank = asked("mean", ([1.0], [2.0]), margin=3.0, margin_percent=None, alpha=0.05)
    >>> too_few(blank).reason
    'n = 1 subjects, a verdict needs 10'
    """
    reason = f"n = {found.n} subjects, a verdict needs {LEAST_SUBJECTS}"
    return withheld(found, Outcome.TOO_FEW, reason)


def decided(found: Verdict, *, against: str = "") -> Verdict:
    """The outcome of a verdict that has its P and its interval.

    Args:
        found: with ``p``, ``interval`` and ``reach``.
        against: what stands against the claim besides the interval, "" for nothing.

    >>> _, blank = asked("mean", ([1.0] * 10,) * 2, margin=3.0, margin_percent=None, alpha=0.05)
    >>> found = dataclasses.replace(blank, interval=Interval(-1.0, 2.0, 0.9), reach=0.67, p=0.01)
    >>> decided(found).reason
    '90 % interval -1 to 2 inside ±3'
    """
    assert found.interval is not None and found.reach is not None and found.p is not None
    if found.n < LEAST_SUBJECTS:
        return too_few(found)
    unit = f" {found.unit}" if found.unit else ""
    low, high, level = found.interval.low, found.interval.high, found.interval.level
    name = "bounds of the limits" if found.question == "individual" else "interval"
    reason = (
        f"{100 * level:g} % {name} {low:.3g} to {high:.3g}{unit} "
        f"{'inside' if found.reach < 1.0 else 'not inside'} ±{found.margin:.3g}{unit}"
    )
    outcome = Outcome.SHOWN if found.p < found.alpha else Outcome.NOT_SHOWN
    return withheld(found, outcome, f"{reason}; {against}" if against else reason)
