"""Does one method of measurement agree with another? Statistics over persons, no arrays of voxels.

Every function takes ``test`` and ``reference``, float64 after entry, of shape (n,) with one number
per person or (n, k) with the same k tissues of every person. n is always the number of persons.
With k > 1 the estimates use all n * k points, as the paper does, and the intervals come from
leaving out one person at a time, because points of one person are not independent.

Degenerate input raises ValueError and says which: unequal shapes, n < 3, a value that is not
finite, no spread. The house never says "no difference" because p > .05; see :func:`equivalence`.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

MIN_PERSONS = 3
LIMIT_Z = float(stats.norm.ppf(0.975))


@dataclasses.dataclass(frozen=True)
class Interval:
    """A confidence interval of ``level`` (0.95 is 95 %)."""

    low: float
    high: float
    level: float = 0.95

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclasses.dataclass(frozen=True)
class Sample:
    """Mean and sample standard deviation over n persons."""

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
class Equivalence:
    """Two one-sided tests: equivalent if the (1 - 2 alpha) interval lies inside +-margin."""

    n: int
    margin: float
    alpha: float
    difference: float
    p: float
    interval: Interval
    equivalent: bool


@dataclasses.dataclass(frozen=True)
class BlandAltman:
    """Bias and 95 % limits of agreement of ``test - reference``, in ``unit``."""

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
class Variation:
    """Coefficients of variation in percent: among persons per method, and between the methods."""

    n: int
    test: float
    reference: float
    between: float


def _pairs(
    test: ArrayLike, reference: ArrayLike, *, pooled: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Both as checked float64: (n,), or (n, k) where ``pooled`` points are allowed."""
    x, y = np.asarray(test, np.float64), np.asarray(reference, np.float64)
    if x.shape != y.shape:
        raise ValueError(f"unequal lengths: test {x.shape}, reference {y.shape}; pairs are needed")
    if x.ndim != 1 and not (pooled and x.ndim == 2):
        raise ValueError(f"shape {x.shape}: expected one number per person; average them first")
    if len(x) < MIN_PERSONS:
        raise ValueError(f"n = {len(x)} persons; at least {MIN_PERSONS} are needed")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a value is NaN or infinite; leave that person out by name, or mend it")
    return x, y


def _spread(values: np.ndarray, what: str) -> float:
    """Sample standard deviation; equal values, rounding aside, are refused."""
    sd = float(values.std(ddof=1))
    if sd <= 1e-12 * np.abs(values).max():
        raise ValueError(f"zero variance: all {what} equal {values.flat[0]:g}")
    return sd


def _t_interval(centre: float, se: float, df: int, level: float = 0.95) -> Interval:
    half = stats.t.ppf((1.0 + level) / 2.0, df) * se
    return Interval(float(centre - half), float(centre + half), level)


def _jackknife(
    statistic: Callable[[np.ndarray, np.ndarray], np.ndarray], x: np.ndarray, y: np.ndarray
) -> list[Interval]:
    """95 % intervals of every entry of ``statistic``, leaving out one person at a time."""
    n = len(x)
    left = [statistic(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(n)]
    se = np.sqrt((n - 1) / n * np.square(left - np.mean(left, 0)).sum(0))
    return [_t_interval(c, s, n - 1) for c, s in zip(statistic(x, y).tolist(), se, strict=True)]


def describe(values: ArrayLike) -> Sample:
    """Mean and SD of one number per person; one person alone has no SD."""
    v = np.asarray(values, np.float64)
    if v.ndim != 1 or not v.size or not np.isfinite(v).all():
        raise ValueError(f"expected a list of finite numbers, one per person, got {v}")
    return Sample(v.size, float(v.mean()), float(v.std(ddof=1)) if v.size > 1 else None)


def paired_t(test: ArrayLike, reference: ArrayLike) -> PairedT:
    """Paired t-test with the 95 % interval of the mean difference. One number per person."""
    x, y = _pairs(test, reference)
    d = x - y
    n, sd = d.size, _spread(d, "differences")
    se = sd / np.sqrt(n)
    t = float(d.mean() / se)
    p = float(2.0 * stats.t.sf(abs(t), n - 1))
    return PairedT(n, float(d.mean()), sd, t, p, _t_interval(float(d.mean()), se, n - 1))


def margin_of(reference: ArrayLike, *, percent: float) -> float:
    """A margin in units: ``percent`` of the mean of the reference (the paper takes 5)."""
    return abs(float(np.mean(reference))) * percent / 100.0


def equivalence(
    test: ArrayLike, reference: ArrayLike, *, margin: float, alpha: float
) -> Equivalence:
    """Two one-sided paired t-tests (Schuirmann 1987, doi:10.1007/BF01068419).

    Args:
        test: (n,) one number per person.
        reference: (n,) same unit.
        margin: largest difference that does not matter, same unit; there is no default.
        alpha: level of each test; the interval printed is that of level 1 - 2 alpha.

    Raises:
        ValueError: the margin is not positive, or degenerate input.
    """
    if not margin > 0.0:
        raise ValueError(f"the margin must be a positive number of units, got {margin}")
    pair = paired_t(test, reference)
    se = pair.sd / np.sqrt(pair.n)
    nearest = (margin - abs(pair.difference)) / se
    p = float(stats.t.sf(nearest, pair.n - 1))
    interval = _t_interval(pair.difference, se, pair.n - 1, 1.0 - 2.0 * alpha)
    return Equivalence(pair.n, margin, alpha, pair.difference, p, interval, p < alpha)


def bland_altman(test: ArrayLike, reference: ArrayLike, *, unit: str) -> BlandAltman:
    """Bias and limits of agreement (Bland and Altman 1999, doi:10.1177/096228029900800204).

    With one point per person the intervals of the limits are exact (Carkeet 2015,
    doi:10.1097/OPX.0000000000000513): at n = 3 the usual approximation would flatter.

    Args:
        test: (n,) or (n, k).
        reference: same shape and unit.
        unit: "%" for differences in percent of the mean of both methods; else the differences
            stay in units and this is their name.
    """
    x, y = _pairs(test, reference, pooled=True)
    d = 100.0 * (x - y) / ((x + y) / 2.0) if unit == "%" else x - y
    sd = _spread(d, "differences")
    n, points, bias = len(d), d.size, float(d.mean())
    if points == n:
        se = sd / np.sqrt(n)
        ncp, quantiles = LIMIT_Z * np.sqrt(n), np.array([0.025, 0.975])
        lower, upper = (stats.nct.ppf(quantiles, n - 1, ncp) * se).tolist()
        intervals = (
            _t_interval(bias, se, n - 1),
            Interval(bias - upper, bias - lower),
            Interval(bias + lower, bias + upper),
        )
    else:
        intervals = _jackknife(_bias_and_limits, d, d)
    _, low, high = _bias_and_limits(d, d).tolist()
    return BlandAltman(n, points, unit, bias, sd, low, high, *intervals)


def _bias_and_limits(d: np.ndarray, _: np.ndarray) -> np.ndarray:
    sd = d.std(ddof=1)
    return np.array([d.mean(), d.mean() - LIMIT_Z * sd, d.mean() + LIMIT_Z * sd])


def regress(test: ArrayLike, reference: ArrayLike) -> Regression:
    """Least squares of ``test`` on ``reference`` with 95 % intervals."""
    x, y = _pairs(test, reference, pooled=True)
    _spread(y, "reference values")
    n, points = len(x), x.size
    fit = stats.linregress(y.ravel(), x.ravel())
    if points == n:
        intervals = (
            _t_interval(fit.slope, fit.stderr, n - 2),
            _t_interval(fit.intercept, fit.intercept_stderr, n - 2),
        )
    else:
        intervals = _jackknife(_line, x, y)
    return Regression(
        n, points, float(fit.slope), float(fit.intercept), float(fit.rvalue**2), *intervals
    )


def _line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    dy = y - y.mean()
    slope = (dy * x).sum() / (dy * dy).sum()
    return np.array([slope, x.mean() - slope * y.mean()])


def variation(test: ArrayLike, reference: ArrayLike) -> Variation:
    """Coefficients of variation of one region, as in Table 2 of the paper.

    Intragroup: SD over persons divided by their mean, per method. Intergroup: the SD of a person's
    two values divided by their mean, averaged over persons. The paper's wording leaves room; this
    reading is the one under which its P = .94 beside an intergroup CV of 0.61 % is possible.
    """
    x, y = _pairs(test, reference)
    between = np.abs(x - y) / np.sqrt(2.0) / ((x + y) / 2.0)
    cv = [100.0 * _spread(v, "values") / float(v.mean()) for v in (x, y)]
    return Variation(len(x), *cv, 100.0 * float(between.mean()))
