"""Comparisons of two methods, checked, with everything the statistics need computed once."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsr_jax.statistics.moments import Estimates, estimate
from qsr_jax.statistics.results import Interval

MIN_SUBJECTS = 3
LEVEL = 0.95
"""Level of every interval but those of TOST."""


@dataclasses.dataclass(frozen=True)
class Stack:
    """Comparisons over the same n subjects, computed together.

    Attributes:
        test: (comparisons..., n, k) float64, k values (tissues) of each subject, k is often 1.
        reference: same shape and unit.
        names: (comparisons...) opens the error messages of that comparison.
        full: estimates of all subjects, arrays (comparisons...).
        left: estimates with one subject left out, arrays (comparisons..., n).
        drawn: estimates of bootstrap samples, arrays (comparisons..., resamples), may be empty.
    """

    test: np.ndarray
    reference: np.ndarray
    names: np.ndarray
    error_ratio: float
    full: Estimates
    left: Estimates
    drawn: Estimates

    @property
    def n(self) -> int:
        """Subjects."""
        return self.test.shape[-2]

    @property
    def points(self) -> int:
        """Subjects times the values of each."""
        return self.n * self.test.shape[-1]

    @property
    def single(self) -> bool:
        """Whether each subject gives one value, so that exact intervals exist."""
        return self.test.shape[-1] == 1

    def require(self, good: np.ndarray, reason: str) -> None:
        """Raises ValueError for the first comparison where ``good`` (comparisons...) is false."""
        bad = np.argwhere(~np.asarray(good))
        if len(bad):
            name = str(self.names[tuple(bad[0])])
            raise ValueError(f"{name}: {reason}" if name else reason)


def stack_of(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    names: ArrayLike = "",
    error_ratio: float = 1.0,
    counts: np.ndarray | None = None,
) -> Stack:
    """Checks comparisons and computes their estimates, with jackknife and bootstrap, in one call.

    Args:
        test: (comparisons..., n, k), see :class:`Stack`.
        reference: same shape.
        names: (comparisons...) what to call each in an error.
        error_ratio: var(error of test) / var(error of reference), positive.
        counts: (resamples, n) how often each subject was drawn, or None.

    Raises:
        ValueError: unequal lengths, fewer than 3 subjects, values that are not finite, a ratio
            that is not positive.
    """
    x, y = np.asarray(test, np.float64), np.asarray(reference, np.float64)
    if x.shape != y.shape:
        raise ValueError(f"unequal lengths: test {x.shape}, reference {y.shape}; pairs are needed")
    n = x.shape[-2]
    if n < MIN_SUBJECTS:
        raise ValueError(f"n = {n} subjects; at least {MIN_SUBJECTS} are needed")
    if not (np.isfinite(error_ratio) and error_ratio > 0.0):
        raise ValueError(f"the ratio of error variances must be positive, got {error_ratio}")
    finite = np.isfinite(x).all((-2, -1)) & np.isfinite(y).all((-2, -1))
    counts = np.zeros((0, n)) if counts is None else counts
    weights = np.concatenate([np.ones((1, n)), 1.0 - np.eye(n), counts])
    every = estimate(x, y, weights, error_ratio=error_ratio)
    stack = Stack(
        test=x,
        reference=y,
        names=np.broadcast_to(np.asarray(names, object), x.shape[:-2]),
        error_ratio=float(error_ratio),
        full=Estimates(*(v[..., 0] for v in every)),
        left=Estimates(*(v[..., 1 : n + 1] for v in every)),
        drawn=Estimates(*(v[..., n + 1 :] for v in every)),
    )
    stack.require(finite, "a value is NaN or infinite; leave that subject out by name, or mend it")
    return stack


def pair(
    test: ArrayLike, reference: ArrayLike, *, pooled: bool = False, error_ratio: float = 1.0
) -> Stack:
    """A single comparison: (n,) each, or (n, k) where ``pooled`` points are allowed.

    Raises:
        ValueError: as :func:`stack_of`, or more than one number per subject.
    """
    x, y = np.asarray(test, np.float64), np.asarray(reference, np.float64)
    if x.shape == y.shape and x.ndim != 1 and not (pooled and x.ndim == 2):
        raise ValueError(f"shape {x.shape}: expected one number per subject; average them first")
    if x.shape == y.shape and x.ndim == 1:
        x, y = x[:, None], y[:, None]
    return stack_of(x, y, error_ratio=error_ratio)


def require_spread(stack: Stack, *quantities: str) -> None:
    """Refuses comparisons without spread, rounding aside, in differences, test or reference.

    Raises:
        ValueError: says what has no variance and which value it has everywhere.
    """
    x, y = stack.test, stack.reference
    for quantity in quantities:
        values = {"differences": x - y, "test values": x, "reference values": y}[quantity]
        sd = values.std((-2, -1), ddof=1)
        spread = sd > 1e-12 * np.maximum(np.abs(x), np.abs(y)).max((-2, -1))
        first = values[~spread]
        reason = f"all {quantity} equal {first.flat[0]:g}" if first.size else ""
        stack.require(spread, f"zero variance: {reason}")


def require_single(stack: Stack, statistic: str) -> None:
    """Refuses several values per subject where they would count as subjects.

    Raises:
        ValueError: k > 1.
    """
    if not stack.single:
        k = stack.test.shape[-1]
        raise ValueError(
            f"{statistic}: {k} values of each subject, expected one number per subject"
        )


def require_positive(stack: Stack, statistic: str) -> None:
    """Refuses values at or below zero where percent has no meaning.

    Raises:
        ValueError: a value is not positive.
    """
    good = (np.minimum(stack.test, stack.reference) > 0.0).all((-2, -1))
    stack.require(good, f"{statistic}: a value is zero or negative, so percent has no meaning")


def t_interval(centre: np.ndarray, se: np.ndarray, df: int, *, level: float = LEVEL) -> Interval:
    """Student's interval around estimates with standard errors ``se``."""
    half = stats.t.ppf((1.0 + level) / 2.0, df) * np.asarray(se)
    return Interval(centre - half, centre + half, level)


def jackknife_se(stack: Stack, left: np.ndarray) -> np.ndarray:
    """Standard errors from leaving out one subject at a time: (comparisons..., n) to (...).

    Raises:
        ValueError: without some subject the estimate does not exist.
    """
    stack.require(
        np.isfinite(left).all(-1),
        "without one of the subjects no spread is left; more subjects are needed",
    )
    n = stack.n
    deviations = left - left.mean(-1, keepdims=True)
    return np.sqrt((n - 1) / n * np.square(deviations).sum(-1))


def jackknife(stack: Stack, names: Sequence[str], *, df: int) -> list[Interval]:
    """Student's intervals of the estimates ``names`` with the jackknife's standard errors."""
    return [
        t_interval(getattr(stack.full, name), jackknife_se(stack, getattr(stack.left, name)), df)
        for name in names
    ]
