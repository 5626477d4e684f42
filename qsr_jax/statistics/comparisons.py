"""Pairs of values, checked, with what the statistics need computed when it is first asked for."""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qsr_jax.statistics.moments import Estimates, estimate
from qsr_jax.statistics.results import LEVEL, Interval, ResultT, interval_of, take

MIN_SUBJECTS = 3


class DegenerateError(ValueError):
    """Values of which a statistic does not exist.

    Attributes:
        reason: what is wrong with them.
        index: the first of many comparisons, () for the only one.
        indices: every comparison of which it is true.
    """

    def __init__(
        self,
        reason: str,
        index: tuple[int, ...] = (),
        indices: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        where = f"comparison {', '.join(map(str, index))}: " if index else ""
        super().__init__(f"{where}{reason}")
        self.reason, self.index, self.indices = reason, index, tuple(indices or (index,))


@dataclasses.dataclass(frozen=True)
class Pairs:
    """One comparison of two methods, or many over the same n subjects.

    Attributes:
        test: (comparisons..., n, k) float64, k values (tissues) of each subject, k is often 1.
        reference: same shape and unit.
        error_ratio: var(error of test) / var(error of reference).
    """

    test: np.ndarray
    reference: np.ndarray
    error_ratio: float

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

    @functools.cached_property
    def full(self) -> Estimates:
        """Estimates of all subjects, arrays (comparisons...)."""
        return Estimates(*(v[..., 0] for v in self._every))

    @functools.cached_property
    def left(self) -> Estimates:
        """Estimates with one subject left out, arrays (comparisons..., n)."""
        return Estimates(*(v[..., 1:] for v in self._every))

    @functools.cached_property
    def _every(self) -> Estimates:
        return estimate(self.test, self.reference, None, error_ratio=self.error_ratio)

    def weighted(self, weights: np.ndarray) -> Estimates:
        """Estimates where subjects count ``weights`` (weightings, n) times: (..., weightings)."""
        return estimate(self.test, self.reference, weights, error_ratio=self.error_ratio)

    def require(self, good: ArrayLike, reason: str) -> None:
        """Refuses the first comparison where ``good`` (comparisons...) is false.

        Raises:
            DegenerateError: for that ``reason``.
        """
        bad = [tuple(index) for index in np.argwhere(~np.asarray(good)).tolist()]
        if bad:
            raise DegenerateError(reason, bad[0], bad)

    def result(self, kind: type[ResultT], **fields: object) -> ResultT:
        """A result of its kind: plain numbers for one comparison, arrays for many."""
        made = kind(**fields)
        return take(made) if self.test.ndim == 2 else made


def pair(
    test: ArrayLike, reference: ArrayLike, *, pooled: bool = False, error_ratio: float = 1.0
) -> Pairs:
    """Checks the values of two methods.

    Args:
        test: (n,) one number per subject; (n, k) the same k tissues of every subject; or
            (comparisons..., n, k) many comparisons over the same subjects.
        reference: same shape and unit.
        pooled: whether k may exceed 1.
        error_ratio: var(error of test) / var(error of reference), positive.

    Raises:
        ValueError: unequal lengths, several numbers per subject unless ``pooled``, fewer than 3
            subjects, values that are not finite, a ratio that is not positive.

    >>> pair([11.0, 12.0, 16.0], [10.0, 12.0, 14.0]).n
    3
    """
    x, y = np.asarray(test, np.float64), np.asarray(reference, np.float64)
    if x.shape != y.shape:
        raise ValueError(f"unequal lengths: test {x.shape}, reference {y.shape}; pairs are needed")
    if not x.ndim or (x.ndim > 1 and x.shape[-1] != 1 and not pooled):
        raise ValueError(f"shape {x.shape}: expected one number per subject; average them first")
    if x.ndim == 1:
        x, y = x[:, None], y[:, None]
    if x.shape[-2] < MIN_SUBJECTS:
        raise ValueError(f"n = {x.shape[-2]} subjects; at least {MIN_SUBJECTS} are needed")
    if not (np.isfinite(error_ratio) and error_ratio > 0.0):
        raise ValueError(f"the ratio of error variances must be positive, got {error_ratio}")
    pairs = Pairs(x, y, float(error_ratio))
    finite = np.isfinite(x).all((-2, -1)) & np.isfinite(y).all((-2, -1))
    pairs.require(finite, "a value is NaN or infinite; leave that subject out by name, or mend it")
    return pairs


def require_spread(pairs: Pairs, *quantities: str) -> None:
    """Refuses comparisons without spread, rounding aside, in differences, test or reference.

    Args:
        pairs: the comparisons.
        quantities: of "differences", "test values" and "reference values".

    Raises:
        DegenerateError: says what has no variance and which value it has everywhere.

    >>> require_spread(pair([5.0, 6.0, 8.0], [1.0, 2.0, 3.0]), "differences")
    """
    x, y = pairs.test, pairs.reference
    scale = np.maximum(np.abs(x), np.abs(y)).max((-2, -1))
    for quantity in quantities:
        values = {"differences": x - y, "test values": x, "reference values": y}[quantity]
        spread = values.std((-2, -1), ddof=1) > 1e-12 * scale
        first = values[~spread]
        reason = f"zero variance: all {quantity} are equal"
        if first.size and np.ptp(first) == 0.0:
            reason = f"zero variance: all {quantity} equal {first.flat[0]:g}"
        pairs.require(spread, reason)


def require_positive(pairs: Pairs, statistic: str) -> None:
    """Refuses values at or below zero where percent has no meaning.

    Raises:
        DegenerateError: a value is not positive.

    >>> require_positive(pair([5.0, 6.0, 8.0], [1.0, 2.0, 3.0]), "variation")
    """
    good = (np.minimum(pairs.test, pairs.reference) > 0.0).all((-2, -1))
    pairs.require(good, f"{statistic}: a value is zero or negative, so percent has no meaning")


def t_interval(centre: np.ndarray, se: np.ndarray, df: int, *, level: float = LEVEL) -> Interval:
    """Student's interval around estimates with standard errors ``se``.

    >>> round(float(t_interval(np.array(0.0), np.array(1.0), 10).high), 3)
    2.228
    """
    half = special.stdtrit(df, (1.0 + level) / 2.0) * se
    return interval_of(centre - half, centre + half, level)


def jackknife_se(pairs: Pairs, left: np.ndarray) -> np.ndarray:
    """Standard errors from leaving out one subject at a time: (comparisons..., n) to (...).

    Efron and Stein 1981, doi:10.1214/aos/1176345462.

    Raises:
        DegenerateError: without some subject the estimate does not exist.

    >>> pairs = pair([11.0, 12.0, 16.0], [10.0, 12.0, 14.0])
    >>> round(float(jackknife_se(pairs, pairs.left.bias)), 4)  # SD of the differences / sqrt(3)
    0.5774
    """
    pairs.require(
        np.isfinite(left).all(-1),
        "without one of the subjects no spread is left; more subjects are needed",
    )
    n = pairs.n
    deviations = left - left.mean(-1, keepdims=True)
    return np.sqrt((n - 1) / n * np.square(deviations).sum(-1))


def jackknife(pairs: Pairs, names: Sequence[str], *, df: int) -> list[Interval]:
    """Student's intervals of the estimates ``names`` with the jackknife's standard errors.

    >>> pairs = pair([11.0, 12.0, 16.0], [10.0, 12.0, 14.0])
    >>> round(float(jackknife(pairs, ["bias"], df=2)[0].high), 3)
    3.484
    """
    full, left = pairs.full._asdict(), pairs.left._asdict()
    return [t_interval(full[name], jackknife_se(pairs, left[name]), df) for name in names]
