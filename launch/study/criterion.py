"""The criterion of docs/study.md, applied to the json files alone.

Among the cells whose biases lie inside the repeatability of the routine scan, the least parenchymal
error against the truth. Asked twice: with biases against the truth (a model that stands for the
truth) and against routine (one that stands for the routine scan).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

MAPS = ("t1", "t2", "pd")
REFERENCES = ("truth", "routine")
TISSUES = ("GM", "WM")
LESIONS = "lesions"

MARGIN_PERCENT = {
    "t1": {"GM": 0.5, "WM": 0.5, LESIONS: 2.0},
    "t2": {"GM": 0.4, "WM": 0.4, LESIONS: 3.0},
    "pd": {"GM": 0.5, "WM": 0.5, LESIONS: 1.5},
}
"""Limits that hold where no cell is inside the repeatability, and that is the smaller."""

LEAST_SEEDS = 3
"""Trainings of a cell that may be chosen."""

TRAINED, ROUTINE = "trained", "routine"

Measured = Mapping[str, Any]
"""Map to numbers of one training on one manifest, as in its json."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A cell against the criterion.

    Attributes:
        cell: its name.
        scores: of every seed: parenchymal error in parts of routine's, geometric mean over maps.
        outside: biases beyond their limit, in words.
        open: biases that nobody measured, or whose limit, in words.
    """

    cell: str
    scores: tuple[float, ...]
    outside: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def score(self) -> float:
        """Mean over seeds."""
        return sum(self.scores) / len(self.scores)

    @property
    def is_inside(self) -> bool:
        """Whether every bias is known to lie inside."""
        return not self.outside and not self.open


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the criterion says.

    Attributes:
        best: the cell that it chooses; where none is inside, the nearest: fewest biases outside or
            open, then the least error. None where no cell has seeds enough.
        alike: cells as near to their targets whose seeds reach the best's: not told apart from it.
    """

    best: Verdict | None
    alike: tuple[Verdict, ...]


def judge(
    cell: str, seeds: Sequence[Measured], *, reference: str, widened: bool = False
) -> Verdict:
    """Holds the mean over seeds of a cell's biases against the repeatability.

    Args:
        cell: its name.
        seeds: what each of its trainings measured, all three maps.
        reference: "truth" or "routine".
        widened: whether a limit is :data:`MARGIN_PERCENT` at least.
    """
    outside, unknown = [], []
    for name in MAPS:
        repeats = seeds[0][name]["repeatability_percent"]
        for place in (*TISSUES, LESIONS):
            found = [_bias(seed[name], place, reference) for seed in seeds]
            said = f"{place} {name.upper()}"
            least = MARGIN_PERCENT[name][place] if widened else 0.0
            limit = max(least, repeats.get(place) or 0.0)
            if not limit or None in found:
                unknown.append(said)
                continue
            bias = sum(value for value in found if value is not None) / len(found)
            if abs(bias) > limit:
                outside.append(f"{said} {bias:+.2f} % (±{limit:.2f})")
    return Verdict(cell, tuple(map(score_of, seeds)), tuple(outside), tuple(unknown))


def _bias(numbers: Mapping[str, Any], place: str, reference: str) -> float | None:
    """Percent, of the network against the reference; None where nobody has the place."""
    if place == LESIONS:
        return numbers["lesions"]["median_error_percent"][reference].get(TRAINED)
    found = numbers["bias_percent"][reference].get(TRAINED, {}).get(place)
    return None if found is None else found["mean"]


def score_of(measured: Measured) -> float:
    """Parenchymal error against the truth in parts of routine's own, geometric mean over maps."""
    logs = [math.log(measured[name]["share"][ROUTINE]["mean"]) for name in MAPS]
    return math.exp(sum(logs) / len(logs))


def choose(verdicts: Sequence[Verdict]) -> Choice:
    """The cell that the criterion names, of those with :data:`LEAST_SEEDS` trainings."""
    enough = [verdict for verdict in verdicts if len(verdict.scores) >= LEAST_SEEDS]
    if not enough:
        return Choice(None, ())

    def beyond(verdict: Verdict) -> int:
        return len(verdict.outside) + len(verdict.open)

    best = min(enough, key=lambda verdict: (beyond(verdict), verdict.score))
    alike = [
        verdict
        for verdict in enough
        if verdict is not best
        and beyond(verdict) == beyond(best)
        and min(verdict.scores) <= max(best.scores)
    ]
    return Choice(best, tuple(alike))
