"""How many subjects does a study need for each verdict? From stated spreads, or from a pilot."""

import dataclasses
import math
from collections.abc import Sequence

from scipy import stats

from qsr_jax.agreement_report.judged import Judged, called
from qsr_jax.agreement_report.tables import digits_of
from qsr_jax.agreement_report.terminal import Agreement
from qsr_jax.formats.table import Cell, Num, to_terminal
from qsr_jax.statistics import Comparison
from qsr_jax.statistics.planning import (
    SampleSize,
    individual_power,
    individual_subjects,
    mean_power,
    mean_subjects,
)

PILOT_BOUND = 0.8
"""Level of the upper bound of a pilot's SD that is planned with: a study planned with the estimate
itself is too small in half of all cases (Browne 1995, doi:10.1002/sim.4780141709)."""


@dataclasses.dataclass(frozen=True)
class Expected:
    """What is expected of one comparison, all numbers in the unit of its margin.

    Attributes:
        name: of the comparison.
        margin: half width of what does not matter.
        sd: of the difference between the methods, over subjects.
        spread: SD of the reference over subjects of one tissue; None leaves the verdict on each
            subject out.
        difference: true mean difference.
        unit: of all of them.
    """

    name: str
    margin: float
    sd: float
    spread: float | None
    difference: float
    unit: str


@dataclasses.dataclass(frozen=True)
class Planned:
    """The subjects that one comparison needs; ``powers`` at the numbers of subjects asked for."""

    expected: Expected
    mean: SampleSize
    individual: SampleSize | None
    powers: tuple[tuple[float, float | None], ...]


@dataclasses.dataclass(frozen=True)
class Study:
    """A plan; ``print`` shows it as the door does.

    Attributes:
        rows: what each comparison needs.
        power: wanted chance that a verdict is shown.
        alpha: level of each one-sided test after the worst case of Holm's correction.
        comparisons: size of the family that alpha was divided by.
        subjects: numbers of subjects whose power was asked for.
    """

    rows: tuple[Planned, ...]
    power: float
    alpha: float
    comparisons: int
    subjects: tuple[int, ...]

    def __str__(self) -> str:
        head: list[Cell] = ["comparison", "margin", "difference", "SD", "SD of reference"]
        head += ["n: the mean", "n: each subject"]
        head += [f"power at {n}: mean, each" for n in self.subjects]
        lines = to_terminal([head, *(_line(row) for row in self.rows)])
        return f"""{lines}

n: least number of subjects who show agreement with a chance of {self.power:g}, one by one.
Each test at {self.alpha:.3g}, the worst case of Holm's correction over {self.comparisons}; no \
verdict is given below 10 subjects.
Whether all comparisons are shown at once is a larger claim: its chance is below each of these."""


def plan_study(
    expected: Sequence[Expected],
    *,
    comparisons: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    subjects: Sequence[int] = (),
) -> Study:
    """The subjects that each verdict needs.

    Args:
        expected: what is expected of each comparison of one family.
        comparisons: size of the family, if it is larger than ``expected``.
        power: wanted chance that a verdict is shown.
        alpha: level of each one-sided test, before the correction for the family.
        subjects: numbers of subjects whose power is told as well.

    Raises:
        ValueError: a number outside its range.
    """
    family = len(expected) if comparisons is None else comparisons
    if family < max(len(expected), 1):
        raise ValueError(f"comparisons: {family}, expected {max(len(expected), 1)} or more")
    level = alpha / family
    rows = tuple(_planned(one, power, level, subjects) for one in expected)
    return Study(rows, power, level, family, tuple(subjects))


def expected_of_pilot(found: Agreement) -> list[Expected]:
    """What a pilot's question lets expect: its differences, and the upper bounds of its SDs.

    Raises:
        ValueError: the pilot has several questions, or nothing of it could be computed.
    """
    if len(found.questions) != 1:
        names = ", ".join(question.test for question in found.questions)
        raise ValueError(f"a plan is made for one question, got {names}; choose one (test, --test)")
    rows = [row for row in found.rows if not row.missing]
    if not rows:
        raise ValueError(f"nothing of the pilot could be computed: {found.missing[0].missing}")
    return [_expected(row, row.statistics) for row in rows if not isinstance(row.statistics, str)]


def _expected(row: Judged, of: Comparison) -> Expected:
    percent = row.mean.unit == "%"
    altman = of.bland_altman_percent if percent else of.bland_altman
    bound = math.sqrt((row.count - 1) / stats.chi2.ppf(1.0 - PILOT_BOUND, row.count - 1))
    spread = of.variation.reference if percent else of.reference.sd
    unit = "%" if percent else row.endpoint.unit
    return Expected(called(row), row.mean.margin, altman.sd * bound, spread, altman.bias, unit)


def _planned(one: Expected, power: float, alpha: float, subjects: Sequence[int]) -> Planned:
    """Needs and powers of one comparison."""
    mean = {"margin": one.margin, "sd": one.sd, "difference": one.difference, "alpha": alpha}
    if one.spread is None:
        powers = [(mean_power(n, **mean), None) for n in subjects]
        return Planned(one, mean_subjects(**mean, power=power), None, tuple(powers))
    each = mean | {"spread": one.spread}
    return Planned(
        one,
        mean_subjects(**mean, power=power),
        individual_subjects(**each, power=power),
        tuple((mean_power(n, **mean), individual_power(n, **each)) for n in subjects),
    )


def _line(row: Planned) -> list[Cell]:
    one, digits = row.expected, digits_of(row.expected.margin) + 1
    numbers = (one.difference, one.sd, one.spread)
    cells: list[Cell] = [one.name, f"±{one.margin:g} {one.unit}"]
    cells += [(Num(v, digits), f" {one.unit}") if v is not None else "–" for v in numbers]
    cells += [_needs(row.mean), "–" if row.individual is None else _needs(row.individual)]
    for mean, each in row.powers:
        cells.append((Num(mean), ", ", Num(each)))
    return cells


def _needs(size: SampleSize) -> str:
    return str(size.n) if size.n is not None else f"none ({size.reason})"
