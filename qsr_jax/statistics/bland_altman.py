"""How far apart are two methods, and does that grow with the value? Bland-Altman, CVs."""

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from qsr_jax.statistics.comparisons import (
    Pairs,
    jackknife,
    jackknife_se,
    pair,
    require_positive,
    require_spread,
    t_interval,
)
from qsr_jax.statistics.moments import LIMIT_Z
from qsr_jax.statistics.results import (
    LEVEL,
    BlandAltman,
    Interval,
    ProportionalBias,
    Variation,
    interval_of,
)

EXACT, LEFT_OUT = "exact", "jackknife over subjects"
"""How intervals of a Bland-Altman analysis are made."""


def bland_altman(
    test: ArrayLike, reference: ArrayLike, *, unit: str | np.ndarray, percent: bool | None = None
) -> BlandAltman:
    """Bias and limits of agreement (Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8).

    Differences in percent of the mean of both as in 1999 (doi:10.1177/096228029900800204). With
    one point per subject the intervals of the limits are exact (Carkeet 2015,
    doi:10.1097/OPX.0000000000000513): at n = 3 the usual approximation would flatter. With more
    points per subject all intervals come from leaving out one subject at a time.

    Args:
        test: (n,), (n, k) or (comparisons..., n, k).
        reference: same shape and unit.
        unit: name of the differences' unit, or one for each of many comparisons.
        percent: whether differences are taken in percent of the mean of both methods; None: where
            ``unit`` is "%". Values that are percent themselves, as PD is, need False.

    Raises:
        ValueError: degenerate input; a value that is not positive where ``percent``.

    >>> result = bland_altman([11.0, 12.0, 16.0], [10.0, 12.0, 14.0], unit="ms")
    >>> result.bias, round(result.low, 2), round(result.high, 2)
    (1.0, -0.96, 2.96)
    """
    pairs = pair(test, reference, pooled=True)
    relative = np.all(np.asarray(unit) == "%") if percent is None else percent
    if relative:
        require_positive(pairs, "Bland-Altman in percent")
    require_spread(pairs, "differences")
    suffix = "_percent" if relative else ""
    names = [f"{name}{suffix}" for name in ("bias", "low", "high")]
    every = pairs.full._asdict()
    bias, low, high, sd = (every[name] for name in [*names, f"sd{suffix}"])
    if relative:
        pairs.require(sd > 1e-10, "zero variance: all differences in percent are equal")
    intervals = _exact(pairs, bias, sd) if pairs.single else jackknife(pairs, names, df=pairs.n - 1)
    return pairs.result(
        BlandAltman,
        n=pairs.n,
        points=pairs.points,
        unit=unit,
        bias=bias,
        sd=sd,
        low=low,
        high=high,
        bias_interval=intervals[0],
        low_interval=intervals[1],
        high_interval=intervals[2],
        intervals=EXACT if pairs.single else LEFT_OUT,
    )


def _exact(pairs: Pairs, bias: np.ndarray, sd: np.ndarray) -> list[Interval]:
    """Exact intervals of the bias, the lower and the upper limit."""
    se, (near, far) = sd / np.sqrt(pairs.n), _limit_quantiles(pairs.n)
    return [
        t_interval(bias, se, pairs.n - 1),
        interval_of(bias - far * se, bias - near * se),
        interval_of(bias + near * se, bias + far * se),
    ]


@functools.cache
def _limit_quantiles(n: int) -> tuple[float, float]:
    """Ends of a limit's exact interval in standard errors of the bias: noncentral t."""
    tails = [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]
    near, far = stats.nct.ppf(tails, n - 1, LIMIT_Z * np.sqrt(n)).tolist()
    return near, far


@dataclasses.dataclass(frozen=True)
class OuterLimits:
    """Bias, the outer confidence bounds of the limits of agreement, and P of lying inside.

    ``p`` is the larger of two one-sided tests: below alpha exactly where ``outer``, of level
    1 - 2 alpha, lies inside the margin.
    """

    bias: float
    outer: Interval
    p: float


def outer_limits(
    test: ArrayLike, reference: ArrayLike, *, margin: float, percent: bool, alpha: float
) -> OuterLimits:
    """Do the 95 % limits of agreement lie inside a margin, confidence bounds included?

    Exact for normal differences, from noncentral t (Carkeet 2015,
    doi:10.1097/OPX.0000000000000513).

    Args:
        test: (n,) one value per subject.
        reference: same shape and unit.
        margin: half width, in units or percent.
        percent: whether differences are taken in percent of the mean of both methods.
        alpha: level of each one-sided test.

    Raises:
        ValueError: degenerate input.

    >>> found = outer_limits([11.0, 12.0, 16.0, 10.0], [10.0, 12.0, 14.0, 10.5], margin=8.0,
    ...                      percent=False, alpha=0.05)
    >>> round(found.outer.low, 3), round(found.outer.high, 3), round(found.p, 4)
    (-6.044, 7.294, 0.0379)
    """
    limits = bland_altman(test, reference, unit="", percent=percent)
    n, se = limits.n, limits.sd / np.sqrt(limits.n)
    centre = LIMIT_Z * np.sqrt(n)
    half = outer_quantile(n, alpha) * se
    room = (margin - abs(limits.bias)) / se
    p = float(stats.nct.sf(room, n - 1, centre))
    outer = Interval(float(limits.bias - half), float(limits.bias + half), 1.0 - 2.0 * alpha)
    return OuterLimits(limits.bias, outer, p)


@functools.cache
def outer_quantile(n: int, alpha: float) -> float:
    """A limit's one-sided bound in standard errors of the bias: noncentral t.

    >>> round(outer_quantile(10, 0.05) / 10**0.5, 3)  # in SD, where the limit itself is 1.96
    3.402
    """
    return float(stats.nct.ppf(1.0 - alpha, n - 1, LIMIT_Z * np.sqrt(n)))


def proportional_bias(test: ArrayLike, reference: ArrayLike) -> ProportionalBias:
    """Does the difference grow with the value? Least squares of difference on mean of both.

    The slope is zero on average only where both methods have the same error variance: a noisier
    test has a positive slope without any bias (Bland and Altman 1995,
    doi:10.1016/S0140-6736(95)91748-9). Read it beside Deming's line.

    Args:
        test: (n,), (n, k) or (comparisons..., n, k), with the jackknife's interval for k > 1.
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input, or all means of both methods are equal.

    >>> result = proportional_bias([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0])
    >>> round(result.slope, 3), round(result.p, 2)
    (0.246, 0.52)
    """
    pairs = pair(test, reference, pooled=True)
    require_spread(pairs, "differences")
    full = pairs.full
    ss_mean = (full.ss_test + full.ss_reference + 2.0 * full.ss_both) / 4.0
    scale = np.maximum(np.abs(full.mean_test), np.abs(full.mean_reference))
    pairs.require(ss_mean > (1e-12 * scale) ** 2, "zero variance: all means of both are equal")
    slope, df = full.proportional_slope, pairs.n - 2
    if pairs.single:
        ss_difference = full.ss_test + full.ss_reference - 2.0 * full.ss_both
        residual = np.maximum(ss_difference - slope**2 * ss_mean, 0.0)
        se = np.sqrt(residual / df / ss_mean)
    else:
        df = pairs.n - 1
        se = jackknife_se(pairs, pairs.left.proportional_slope)
    with np.errstate(divide="ignore"):
        p = 2.0 * special.stdtr(df, -np.abs(slope) / se)
    return pairs.result(
        ProportionalBias,
        n=pairs.n,
        points=pairs.points,
        slope=slope,
        intercept=full.proportional_intercept,
        p=p,
        slope_interval=t_interval(slope, se, df),
    )


def variation(test: ArrayLike, reference: ArrayLike) -> Variation:
    """Coefficients of variation of one region, as in Table 2 of the paper.

    Intragroup: SD over subjects divided by their mean, per method. Intergroup: the SD of a
    subject's two values divided by their mean, averaged over subjects. The paper's wording leaves
    room; this reading is the one under which its P = .94 beside an intergroup CV of 0.61 % is
    possible.

    Args:
        test: (n,) or (comparisons..., n, 1), positive.
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input, or a value that is not positive.

    >>> round(variation([90.0, 110.0, 100.0], [100.0, 100.0, 103.0]).test, 6)
    10.0
    """
    pairs = pair(test, reference)
    require_spread(pairs, "test values", "reference values")
    require_positive(pairs, "coefficients of variation")
    full = pairs.full
    return pairs.result(
        Variation,
        n=pairs.n,
        test=full.cv_test,
        reference=full.cv_reference,
        between=full.cv_between,
    )
