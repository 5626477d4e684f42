"""How far apart are two methods, and does that grow with the value? Bland-Altman, CVs."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsr_jax.statistics.comparisons import (
    LEVEL,
    Stack,
    jackknife,
    jackknife_se,
    pair,
    require_positive,
    require_single,
    require_spread,
    t_interval,
)
from qsr_jax.statistics.moments import LIMIT_Z
from qsr_jax.statistics.results import (
    BlandAltman,
    Interval,
    ProportionalBias,
    Variation,
    take,
)

EXACT, LEFT_OUT = "exact", "jackknife over subjects"
"""How intervals of a Bland-Altman analysis are made."""


def bland_altman(
    test: ArrayLike, reference: ArrayLike, *, unit: str, percent: bool | None = None
) -> BlandAltman:
    """Bias and limits of agreement (Bland and Altman 1999, doi:10.1177/096228029900800204).

    With one point per subject the intervals of the limits are exact (Carkeet 2015,
    doi:10.1097/OPX.0000000000000513): at n = 3 the usual approximation would flatter. With more
    points per subject all intervals come from leaving out one subject at a time.

    Args:
        test: (n,) or (n, k).
        reference: same shape and unit.
        unit: name of the differences' unit.
        percent: whether differences are taken in percent of the mean of both methods; None: where
            ``unit`` is "%". Values that are percent themselves, as PD is, need False.
    """
    relative = unit == "%" if percent is None else percent
    return take(bland_altman_of(pair(test, reference, pooled=True), percent=relative, unit=unit))


def bland_altman_of(stack: Stack, *, percent: bool, unit: str | np.ndarray) -> BlandAltman:
    """:func:`bland_altman` of every comparison; ``unit`` names its units, or one for each.

    PD has the unit "%" too: only ``percent`` decides whether differences are relative.
    """
    suffix = "_percent" if percent else ""
    if percent:
        require_positive(stack, "Bland-Altman in percent")
    require_spread(stack, "differences")
    names = [f"{name}{suffix}" for name in ("bias", "low", "high")]
    bias, low, high = (getattr(stack.full, name) for name in names)
    sd = getattr(stack.full, f"sd{suffix}")
    stack.require(
        ~np.asarray(percent) | (sd > 1e-10), "zero variance: all differences in percent are equal"
    )
    if stack.single:
        se, (near, far) = sd / np.sqrt(stack.n), _limit_quantiles(stack.n)
        intervals = [
            t_interval(bias, se, stack.n - 1),
            Interval(bias - far * se, bias - near * se),
            Interval(bias + near * se, bias + far * se),
        ]
    else:
        intervals = jackknife(stack, names, df=stack.n - 1)
    return BlandAltman(
        n=stack.n,
        points=stack.points,
        unit=unit,
        bias=bias,
        sd=sd,
        low=low,
        high=high,
        bias_interval=intervals[0],
        low_interval=intervals[1],
        high_interval=intervals[2],
        intervals=EXACT if stack.single else LEFT_OUT,
    )


def _limit_quantiles(n: int) -> tuple[float, float]:
    """Ends of a limit's exact interval in standard errors of the bias: noncentral t."""
    tails = [(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]
    near, far = stats.nct.ppf(tails, n - 1, LIMIT_Z * np.sqrt(n)).tolist()
    return near, far


def proportional_bias(test: ArrayLike, reference: ArrayLike) -> ProportionalBias:
    """Does the difference grow with the value? Least squares of difference on mean of both.

    The slope is zero on average only where both methods have the same error variance: a noisier
    test has a positive slope without any bias (Bland and Altman 1995,
    doi:10.1016/S0140-6736(95)91748-9). Read it beside Deming's line.

    Args:
        test: (n,) or (n, k), with the jackknife's interval for k > 1.
        reference: same shape and unit.
    """
    return take(proportional_bias_of(pair(test, reference, pooled=True)))


def proportional_bias_of(stack: Stack) -> ProportionalBias:
    """:func:`proportional_bias` of every comparison of a stack."""
    require_spread(stack, "differences")
    full = stack.full
    ss_mean = (full.ss_test + full.ss_reference + 2.0 * full.ss_both) / 4.0
    scale = np.maximum(np.abs(full.mean_test), np.abs(full.mean_reference))
    stack.require(ss_mean > (1e-12 * scale) ** 2, "zero variance: all means of both are equal")
    slope, df = full.proportional_slope, stack.n - 2
    if stack.single:
        ss_difference = full.ss_test + full.ss_reference - 2.0 * full.ss_both
        residual = np.maximum(ss_difference - slope**2 * ss_mean, 0.0)
        se = np.sqrt(residual / df / ss_mean)
    else:
        df = stack.n - 1
        se = jackknife_se(stack, stack.left.proportional_slope)
    with np.errstate(divide="ignore"):
        p = 2.0 * stats.t.sf(np.abs(slope) / se, df)
    return ProportionalBias(
        n=stack.n,
        points=stack.points,
        slope=slope,
        intercept=full.proportional_intercept,
        p=p,
        slope_interval=t_interval(slope, se, df),
    )


def variation(test: ArrayLike, reference: ArrayLike) -> Variation:
    """Coefficients of variation of one region, as in Table 2 of the paper.

    Intragroup: SD over subjects divided by their mean, per method. Intergroup: the SD of a subject's
    two values divided by their mean, averaged over subjects. The paper's wording leaves room; this
    reading is the one under which its P = .94 beside an intergroup CV of 0.61 % is possible.
    """
    return take(variation_of(pair(test, reference)))


def variation_of(stack: Stack) -> Variation:
    """:func:`variation` of every comparison of a stack."""
    require_single(stack, "coefficients of variation")
    require_spread(stack, "test values", "reference values")
    require_positive(stack, "coefficients of variation")
    full = stack.full
    return Variation(stack.n, full.cv_test, full.cv_reference, full.cv_between)
