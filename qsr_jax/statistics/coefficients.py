"""Agreement in one number: Lin's concordance and the intraclass correlation of two methods.

Both mix agreement with the spread of the subjects measured: in a wider population the same
differences give a higher coefficient. They never replace a margin in units.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qsr_jax.statistics.comparisons import (
    Pairs,
    jackknife_se,
    pair,
    require_spread,
    t_interval,
)
from qsr_jax.statistics.results import LEVEL, Coefficient, Interval, interval_of

CONCORDANCE = "Lin's concordance"
AGREEMENT = "ICC(A,1), two-way, absolute agreement, single measurement"
CONSISTENCY = "ICC(C,1), two-way, consistency, single measurement"

TAIL = (1.0 + LEVEL) / 2.0


def concordance(test: ArrayLike, reference: ArrayLike) -> Coefficient:
    """Lin's concordance (1989, doi:10.2307/2532051), moments with divisor n.

    The interval is Lin's on Fisher's z, with the variance as corrected in 2000
    (doi:10.1111/j.0006-341X.2000.00324.x); for k > 1 points per subject from the jackknife of z.

    Args:
        test: (n,), (n, k) or (comparisons..., n, k).
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input.

    >>> round(concordance([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0]).value, 4)
    0.6897
    """
    pairs = _varied(test, reference)
    value = pairs.full.concordance
    if pairs.single:
        z, half = np.arctanh(value), special.ndtri(TAIL) * _lin_se(pairs)
        interval = interval_of(np.tanh(z - half), np.tanh(z + half))
    else:
        interval = _jackknife_of_z(pairs, value, pairs.left.concordance)
    return _coefficient(pairs, CONCORDANCE, value, interval)


def concordance_bound(
    test: ArrayLike, reference: ArrayLike, *, least: float, alpha: float
) -> tuple[float, float, float]:
    """Does Lin's concordance exceed ``least``? One-sided, on Fisher's z as :func:`concordance`.

    A test that reads the same everywhere has a concordance of 0, and nothing is shown by it.

    Args:
        test: (n,) one value per subject.
        reference: same shape and unit.
        least: what it has to exceed.
        alpha: level of the test.

    Returns:
        The coefficient, its lower bound of level 1 - alpha, and P of "not above ``least``".

    Raises:
        ValueError: degenerate input, or a reference without spread.

    >>> bound = concordance_bound([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0], least=0.0,
    ...                           alpha=0.05)
    >>> tuple(round(v, 3) for v in bound)
    (0.69, 0.02, 0.046)
    """
    pairs = pair(test, reference)
    require_spread(pairs, "differences", "reference values")
    if np.ptp(pairs.test) <= 1e-12 * np.abs(pairs.test).max():
        return 0.0, 0.0, 1.0
    value, se = float(pairs.full.concordance), float(_lin_se(pairs))
    z = np.arctanh(value)
    low = float(np.tanh(z - special.ndtri(1.0 - alpha) * se))
    return value, low, float(special.ndtr((np.arctanh(least) - z) / se))


def _varied(test: ArrayLike, reference: ArrayLike) -> Pairs:
    """Pairs of which every coefficient exists."""
    pairs = pair(test, reference, pooled=True)
    require_spread(pairs, "differences", "test values", "reference values")
    return pairs


def _coefficient(pairs: Pairs, form: str, value: np.ndarray, interval: Interval) -> Coefficient:
    return pairs.result(
        Coefficient, n=pairs.n, points=pairs.points, form=form, value=value, interval=interval
    )


def _lin_se(pairs: Pairs) -> np.ndarray:
    """Standard error of atanh(concordance) from a sample."""
    full, n = pairs.full, pairs.n
    product = np.sqrt(full.ss_test * full.ss_reference) / n
    return concordance_se(
        n,
        correlation=full.ss_both / n / product,
        value=full.concordance,
        shift=full.bias / np.sqrt(product),
        accuracy=2.0 * product / ((full.ss_test + full.ss_reference) / n + full.bias**2),
    )


def concordance_se(
    n: int,
    *,
    correlation: ArrayLike,
    value: ArrayLike,
    shift: ArrayLike,
    accuracy: ArrayLike | None = None,
) -> np.ndarray:
    """Asymptotic standard error of atanh(concordance), as corrected (Lin 2000).

    Args:
        n: subjects.
        correlation: of both methods.
        value: the concordance.
        shift: bias over the geometric mean of both SDs.
        accuracy: concordance / correlation, which exists without correlation too; None: that of
            equal SDs.

    >>> round(float(concordance_se(31, correlation=0.9, value=0.9, shift=0.0)), 4)
    0.1857
    """
    r, c, u2 = np.asarray(correlation), np.asarray(value), np.square(shift)
    a = 1.0 / (1.0 + u2 / 2.0) if accuracy is None else np.asarray(accuracy)
    variance = (
        (1.0 - r**2) * a**2 * (1.0 - c**2)
        + 2.0 * c**2 * a * (1.0 - c) * u2
        - 0.5 * c**2 * a**2 * u2**2
    ) / (n - 2)
    return np.sqrt(np.maximum(variance, 0.0)) / (1.0 - c**2)


def _jackknife_of_z(pairs: Pairs, value: np.ndarray, left: np.ndarray) -> Interval:
    """Student's interval of Fisher's z = atanh(coefficient), taken back."""
    se = jackknife_se(pairs, np.arctanh(left))
    z = t_interval(np.arctanh(value), se, pairs.n - 1)
    return interval_of(np.tanh(z.low), np.tanh(z.high), z.level)


def icc_agreement(test: ArrayLike, reference: ArrayLike) -> Coefficient:
    """ICC(A,1), Shrout and Fleiss' ICC(2,1): a bias between the methods lowers it.

    Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420; interval of McGraw and Wong (1996,
    doi:10.1037/1082-989X.1.1.30, Table 7), for k > 1 points per subject from the jackknife of
    Fisher's z.

    Args:
        test: (n,), (n, k) or (comparisons..., n, k).
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input.

    >>> round(icc_agreement([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0]).value, 4)
    0.7477
    """
    pairs = _varied(test, reference)
    value = pairs.full.icc_agreement
    if not pairs.single:
        interval = _jackknife_of_z(pairs, value, pairs.left.icc_agreement)
        return _coefficient(pairs, AGREEMENT, value, interval)
    n, (msr, mse, msc) = pairs.n, _mean_squares(pairs)
    a = 2.0 * value / (n * (1.0 - value))
    b = 1.0 + 2.0 * value * (n - 1) / (n * (1.0 - value))
    df = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 + (b * mse) ** 2 / (n - 1))
    below, above = special.fdtri(n - 1, df, TAIL), special.fdtri(df, n - 1, TAIL)
    methods = 2.0 * msc + (n - 2) * mse
    interval = interval_of(
        n * (msr - below * mse) / (below * methods + n * msr),
        n * (above * msr - mse) / (methods + n * above * msr),
    )
    return _coefficient(pairs, AGREEMENT, value, interval)


def icc_consistency(test: ArrayLike, reference: ArrayLike) -> Coefficient:
    """ICC(C,1), Shrout and Fleiss' ICC(3,1): a constant bias between the methods is forgiven.

    Exact interval from F (McGraw and Wong 1996, doi:10.1037/1082-989X.1.1.30); for k > 1 from the
    jackknife of Fisher's z.

    Args:
        test: (n,), (n, k) or (comparisons..., n, k).
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input.

    >>> round(icc_consistency([11.0, 12.0, 16.0, 13.0], [10.0, 12.0, 14.0, 11.0]).value, 4)
    0.8791
    """
    pairs = _varied(test, reference)
    value = pairs.full.icc_consistency
    if pairs.single:
        msr, mse, _ = _mean_squares(pairs)
        ratio, edge = msr / mse, special.fdtri(pairs.n - 1, pairs.n - 1, TAIL)
        low, high = ratio / edge, ratio * edge
        interval = interval_of((low - 1.0) / (low + 1.0), (high - 1.0) / (high + 1.0))
    else:
        interval = _jackknife_of_z(pairs, value, pairs.left.icc_consistency)
    return _coefficient(pairs, CONSISTENCY, value, interval)


def _mean_squares(pairs: Pairs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares of subjects, of error and of methods (two-way table, one value per cell)."""
    full, n = pairs.full, pairs.n
    both = (full.ss_test + full.ss_reference) / 2.0
    subjects, error = both + full.ss_both, both - full.ss_both
    return subjects / (n - 1), error / (n - 1), n * full.bias**2 / 2.0
