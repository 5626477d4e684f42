"""Agreement in one number: Lin's concordance and the intraclass correlation of two methods.

Both mix agreement with the spread of the subjects measured: in a wider population the same
differences give a higher coefficient. They never replace a margin in units.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsr_jax.statistics.comparisons import (
    LEVEL,
    Stack,
    jackknife_se,
    pair,
    require_spread,
    t_interval,
)
from qsr_jax.statistics.results import Coefficient, Interval, take

CONCORDANCE = "Lin's concordance"
AGREEMENT = "ICC(A,1), two-way, absolute agreement, single measurement"
CONSISTENCY = "ICC(C,1), two-way, consistency, single measurement"


def concordance(test: ArrayLike, reference: ArrayLike) -> Coefficient:
    """Lin's concordance (1989, doi:10.2307/2532051), moments with divisor n.

    The interval is Lin's on Fisher's z, with the variance as corrected in 2000
    (doi:10.1111/j.0006-341X.2000.00324.x); for k > 1 points per subject from the jackknife of z.

    Args:
        test: (n,) or (n, k).
        reference: same shape and unit.
    """
    return take(concordance_of(pair(test, reference, pooled=True)))


def concordance_of(stack: Stack) -> Coefficient:
    """:func:`concordance` of every comparison of a stack."""
    require_spread(stack, "differences", "test values", "reference values")
    value = stack.full.concordance
    if stack.single:
        z = np.arctanh(value)
        half = stats.norm.ppf((1.0 + LEVEL) / 2.0) * _lin_se(stack)
        interval = Interval(np.tanh(z - half), np.tanh(z + half), LEVEL)
    else:
        interval = _jackknife_of_z(stack, value, stack.left.concordance)
    return Coefficient(stack.n, stack.points, CONCORDANCE, value, interval)


def _lin_se(stack: Stack) -> np.ndarray:
    """Asymptotic standard error of atanh(concordance), corrected (Lin 2000)."""
    full, c = stack.full, stack.full.concordance
    product = np.sqrt(full.ss_test * full.ss_reference) / stack.n
    r = full.ss_both / stack.n / product
    # c / r does not depend on the correlation, so r = 0 is no special case.
    accuracy = 2.0 * product / ((full.ss_test + full.ss_reference) / stack.n + full.bias**2)
    u2 = full.bias**2 / product
    variance = (
        (1.0 - r**2) * accuracy**2 * (1.0 - c**2)
        + 2.0 * c**2 * accuracy * (1.0 - c) * u2
        - 0.5 * c**2 * accuracy**2 * u2**2
    ) / (stack.n - 2)
    return np.sqrt(np.maximum(variance, 0.0)) / (1.0 - c**2)


def _jackknife_of_z(stack: Stack, value: np.ndarray, left: np.ndarray) -> Interval:
    z = t_interval(np.arctanh(value), jackknife_se(stack, np.arctanh(left)), stack.n - 1)
    return Interval(np.tanh(z.low), np.tanh(z.high), z.level)


def icc_agreement(test: ArrayLike, reference: ArrayLike) -> Coefficient:
    """ICC(A,1), Shrout and Fleiss' ICC(2,1): a bias between the methods lowers it.

    Interval of McGraw and Wong (1996, doi:10.1037/1082-989X.1.1.30, Table 7); for k > 1 points
    per subject from the jackknife of Fisher's z.
    """
    return take(icc_agreement_of(pair(test, reference, pooled=True)))


def icc_agreement_of(stack: Stack) -> Coefficient:
    """:func:`icc_agreement` of every comparison of a stack."""
    require_spread(stack, "differences", "test values", "reference values")
    value = stack.full.icc_agreement
    if not stack.single:
        interval = _jackknife_of_z(stack, value, stack.left.icc_agreement)
        return Coefficient(stack.n, stack.points, AGREEMENT, value, interval)
    n, (msr, mse, msc) = stack.n, _mean_squares(stack)
    a = 2.0 * value / (n * (1.0 - value))
    b = 1.0 + 2.0 * value * (n - 1) / (n * (1.0 - value))
    df = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 + (b * mse) ** 2 / (n - 1))
    tail = (1.0 + LEVEL) / 2.0
    below, above = stats.f.ppf(tail, n - 1, df), stats.f.ppf(tail, df, n - 1)
    methods = 2.0 * msc + (n - 2) * mse
    interval = Interval(
        n * (msr - below * mse) / (below * methods + n * msr),
        n * (above * msr - mse) / (methods + n * above * msr),
        LEVEL,
    )
    return Coefficient(n, stack.points, AGREEMENT, value, interval)


def icc_consistency(test: ArrayLike, reference: ArrayLike) -> Coefficient:
    """ICC(C,1), Shrout and Fleiss' ICC(3,1): a constant bias between the methods is forgiven.

    Exact interval from F (McGraw and Wong 1996); for k > 1 from the jackknife of Fisher's z.
    """
    return take(icc_consistency_of(pair(test, reference, pooled=True)))


def icc_consistency_of(stack: Stack) -> Coefficient:
    """:func:`icc_consistency` of every comparison of a stack."""
    require_spread(stack, "differences", "test values", "reference values")
    value = stack.full.icc_consistency
    if stack.single:
        msr, mse, _ = _mean_squares(stack)
        ratio, edge = msr / mse, stats.f.ppf((1.0 + LEVEL) / 2.0, stack.n - 1, stack.n - 1)
        low, high = ratio / edge, ratio * edge
        interval = Interval((low - 1.0) / (low + 1.0), (high - 1.0) / (high + 1.0), LEVEL)
    else:
        interval = _jackknife_of_z(stack, value, stack.left.icc_consistency)
    return Coefficient(stack.n, stack.points, CONSISTENCY, value, interval)


def _mean_squares(stack: Stack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares of subjects, of error and of methods (two-way table, one value per cell)."""
    full, n = stack.full, stack.n
    both = (full.ss_test + full.ss_reference) / 2.0
    subjects, error = both + full.ss_both, both - full.ss_both
    return subjects / (n - 1), error / (n - 1), n * full.bias**2 / 2.0
