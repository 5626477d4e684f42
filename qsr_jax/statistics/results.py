"""What the statistics say: frozen results, each number with its n and its interval.

A field holds one number, or, where many comparisons were computed together, an array of them;
:func:`take` picks one comparison.
"""

import dataclasses
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ResultT = TypeVar("ResultT", bound="DataclassInstance")

LEVEL = 0.95
"""Level of every interval but those of TOST."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A confidence interval of ``level`` (0.95 is 95 %)."""

    low: float
    high: float
    level: float = LEVEL

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def covers(self, value: float) -> np.ndarray:
        """Whether each of many intervals holds ``value``."""
        return np.logical_and(self.low <= value, value <= self.high)


def interval_of(low: np.ndarray, high: np.ndarray, level: float = LEVEL) -> Interval:
    """An interval of each comparison; :func:`take` makes plain numbers of one.

    >>> take(interval_of(np.array([1.0, 2.0]), np.array([3.0, 4.0])), (1,))
    Interval(low=2.0, high=4.0, level=0.95)
    """
    return Interval(cast(float, low), cast(float, high), level)


@dataclasses.dataclass(frozen=True)
class Sample:
    """Mean and sample standard deviation over n subjects."""

    n: int
    mean: float
    sd: float | None


@dataclasses.dataclass(frozen=True)
class PairedT:
    """Paired t-test: P is the probability of such a mean difference if the true one were zero."""

    n: int
    difference: float
    sd: float
    t: float
    p: float
    interval: Interval


@dataclasses.dataclass(frozen=True)
class SignedRank:
    """Wilcoxon's test: V sums the ranks of positive differences; with the pseudomedian.

    ``method`` is "exact", or "normal" where differences tie, are zero, or n >= 50.
    """

    n: int
    v: float
    p: float
    method: str
    pseudomedian: float
    interval: Interval


@dataclasses.dataclass(frozen=True)
class Equivalence:
    """Two one-sided tests: equivalent if the (1 - 2 alpha) interval lies inside +-margin.

    ``stated`` says whether the margin was chosen in "units" or in "percent" of the reference's
    mean; the other one follows from the sample. ``interval`` is that of the difference in units;
    with a margin in percent it is ``interval_percent`` that decides, else that is None.
    """

    n: int
    margin: float
    alpha: float
    difference: float
    p: float
    interval: Interval
    equivalent: bool
    margin_percent: float
    stated: str
    interval_percent: Interval | None


@dataclasses.dataclass(frozen=True)
class BlandAltman:
    """Bias and 95 % limits of agreement of ``test - reference``, in ``unit``.

    ``intervals`` says how the intervals were made.
    """

    n: int
    points: int
    unit: str
    bias: float
    sd: float
    low: float
    high: float
    bias_interval: Interval
    low_interval: Interval
    high_interval: Interval
    intervals: str


@dataclasses.dataclass(frozen=True)
class ProportionalBias:
    """Least squares ``test - reference = slope * mean of both + intercept``."""

    n: int
    points: int
    slope: float
    intercept: float
    p: float
    slope_interval: Interval


@dataclasses.dataclass(frozen=True)
class Regression:
    """Least squares ``test = slope * reference + intercept``."""

    n: int
    points: int
    slope: float
    intercept: float
    r_squared: float
    slope_interval: Interval
    intercept_interval: Interval


@dataclasses.dataclass(frozen=True)
class Deming:
    """Errors in both methods; ``error_ratio`` is var(error of test) / var(error of reference)."""

    n: int
    points: int
    error_ratio: float
    slope: float
    intercept: float
    slope_interval: Interval
    intercept_interval: Interval


@dataclasses.dataclass(frozen=True)
class PassingBablok:
    """Rank regression; ``linearity_p`` is the Cusum test's, small where the line does not fit."""

    n: int
    slope: float
    intercept: float
    slope_interval: Interval
    intercept_interval: Interval
    linearity_p: float


@dataclasses.dataclass(frozen=True)
class Coefficient:
    """A coefficient of agreement, 1 at best; ``form`` says which."""

    n: int
    points: int
    form: str
    value: float
    interval: Interval


@dataclasses.dataclass(frozen=True)
class Variation:
    """Coefficients of variation in percent: among subjects per method, and between the methods."""

    n: int
    test: float
    reference: float
    between: float


def take(result: ResultT, index: tuple[int, ...] = ()) -> ResultT:
    """One comparison of a result that holds many: arrays become plain numbers.

    >>> take(interval_of(np.array([1.0, 2.0]), np.array([3.0, 4.0])), (0,)).low
    1.0
    """
    picked = {f.name: _picked(getattr(result, f.name), index) for f in dataclasses.fields(result)}
    return type(result)(**picked)


def _picked(value: object, index: tuple[int, ...]) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)[index].item()
    return take(value, index) if isinstance(value, Interval) else value
