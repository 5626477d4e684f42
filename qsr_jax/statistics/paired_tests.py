"""Is the mean difference zero, and is it small enough? Paired t, equivalence."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qsr_jax.statistics.comparisons import Pairs, pair, require_spread, t_interval
from qsr_jax.statistics.results import (
    Equivalence,
    Interval,
    PairedT,
    Sample,
    interval_of,
)


def describe(values: ArrayLike) -> Sample:
    """Mean and SD (divisor n - 1) of one number per subject; one subject alone has no SD.

    Args:
        values: (n,) finite numbers of any unit.

    Raises:
        ValueError: no list, an empty one, or a number that is not finite.

    >>> describe([1.0, 2.0, 3.0])
    Sample(n=3, mean=2.0, sd=1.0)
    """
    v = np.asarray(values, np.float64)
    if v.ndim != 1 or not v.size or not np.isfinite(v).all():
        raise ValueError(f"expected a list of finite numbers, one per subject, got {v}")
    return Sample(v.size, float(v.mean()), float(v.std(ddof=1)) if v.size > 1 else None)


def paired_t(test: ArrayLike, reference: ArrayLike) -> PairedT:
    """Paired t-test (Student 1908, doi:10.1093/biomet/6.1.1) and the mean difference's interval.

    Args:
        test: (n,) or (comparisons..., n, 1).
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input.

    >>> result = paired_t([11.0, 12.0, 16.0], [10.0, 12.0, 14.0])
    >>> result.difference, round(result.t, 4), round(result.p, 4)
    (1.0, 1.7321, 0.2254)
    """
    pairs = _differing(test, reference)
    difference, se, n = pairs.full.bias, _standard_error(pairs), pairs.n
    t = difference / se
    return pairs.result(
        PairedT,
        n=n,
        difference=difference,
        sd=pairs.full.sd,
        t=t,
        p=2.0 * special.stdtr(n - 1, -np.abs(t)),
        interval=t_interval(difference, se, n - 1),
    )


def _differing(test: ArrayLike, reference: ArrayLike) -> Pairs:
    """One pair of values per subject, whose differences have spread."""
    pairs = pair(test, reference)
    require_spread(pairs, "differences")
    return pairs


def _standard_error(pairs: Pairs) -> np.ndarray:
    """Of the mean difference."""
    return pairs.full.sd / np.sqrt(pairs.n)


def equivalence(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    alpha: float,
    margin: ArrayLike | None = None,
    margin_percent: float | None = None,
) -> Equivalence:
    """Two one-sided paired t-tests (Schuirmann 1987, doi:10.1007/BF01068419).

    State the margin once, in units or in percent of the reference's mean; the result says both. A
    margin in percent is that of the true mean, not of the sample's: the tests are of
    ``mean(test - 1.05 reference) < 0`` and ``mean(test - 0.95 reference) > 0`` (at 5 percent), and
    decide as Fieller's interval of the ratio of means does (1954,
    doi:10.1111/j.2517-6161.1954.tb00159.x). Taking the sample's mean for the true one, as the paper
    does, errs in 16 % instead of 5 % of cohorts of 31 whose values vary by 40 %.

    Args:
        test: (n,) one number per subject, or (comparisons..., n, 1).
        reference: same shape and unit.
        alpha: level of each test; the interval given is that of level 1 - 2 alpha.
        margin: largest difference that does not matter, same unit, one for all comparisons or one
            for each; there is no default.
        margin_percent: the same in percent of the reference's mean.

    Raises:
        ValueError: not one margin, a margin that is not positive, degenerate input, or percent of
            a mean that may be zero.

    >>> result = equivalence([101.0, 99.0, 103.0], [100.0, 100.0, 102.0], alpha=0.05, margin=5.0)
    >>> round(result.p, 4), result.equivalent, round(result.margin_percent, 2)
    (0.0099, True, 4.97)
    >>> result = equivalence([101.0, 99.0, 103.0], [100.0, 100.0, 102.0], alpha=0.05,
    ...                      margin_percent=5.0)
    >>> round(result.p, 4), round(result.interval_percent.high, 2)
    (0.0093, 2.24)
    """
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha}")
    pairs = pair(test, reference)
    units, percent = _margins(pairs, margin, margin_percent)
    require_spread(pairs, "differences")
    difference, se, df = pairs.full.bias, _standard_error(pairs), pairs.n - 1
    if margin is None:
        p, ratio = _ratio_test(pairs, percent / 100.0), _ratio_interval(pairs, alpha)
    else:
        p, ratio = special.stdtr(df, -(units - np.abs(difference)) / se), None
    return pairs.result(
        Equivalence,
        n=pairs.n,
        margin=units,
        alpha=alpha,
        difference=difference,
        p=p,
        interval=t_interval(difference, se, df, level=1.0 - 2.0 * alpha),
        equivalent=p < alpha,
        margin_percent=percent,
        stated="percent" if margin is None else "units",
        interval_percent=ratio,
    )


def _ratio_test(pairs: Pairs, share: np.ndarray) -> np.ndarray:
    """Larger P of the tests that mean(test) lies below and above 1 +- share of mean(reference)."""
    sign = np.sign(pairs.full.mean_reference)
    t = [
        side * sign * ratio_t(pairs.test, pairs.reference, 1.0 + side * share[..., None, None])
        for side in (-1.0, 1.0)
    ]
    return special.stdtr(pairs.n - 1, np.maximum(*t))


def ratio_t(test: np.ndarray, reference: np.ndarray, factor: ArrayLike) -> np.ndarray:
    """Student's t of the mean of ``test - factor * reference``: (comparisons..., n, 1) to (...).

    >>> round(float(ratio_t(np.array([[2.0], [4.0], [6.0]]), np.ones((3, 1)), 1.0)), 3)
    2.598
    """
    rest = (test - factor * reference)[..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return rest.mean(-1) / rest.std(-1, ddof=1) * np.sqrt(rest.shape[-1])


def _ratio_interval(pairs: Pairs, alpha: float) -> Interval:
    """Fieller's interval of the ratio of means, of level 1 - 2 alpha, minus one, in percent.

    Raises:
        DegenerateError: it is no interval, because the reference's mean may be zero.
    """
    full, n = pairs.full, pairs.n
    g = special.stdtrit(n - 1, 1.0 - alpha) ** 2 / (n * (n - 1))
    square = full.mean_reference**2 - g * full.ss_reference
    pairs.require(square > 0.0, "the reference's mean may be zero, so percent has no meaning")
    # ratio - 1 = r: square r^2 - 2 middle r + rest = 0, which keeps the digits of small ones.
    ss_difference = full.ss_test + full.ss_reference - 2.0 * full.ss_both
    middle = full.bias * full.mean_reference - g * (full.ss_both - full.ss_reference)
    rest = full.bias**2 - g * ss_difference
    root = np.sqrt(np.maximum(middle**2 - square * rest, 0.0))
    low, high = (100.0 * (middle + side * root) / square for side in (-1.0, 1.0))
    return interval_of(low, high, 1.0 - 2.0 * alpha)


def _margins(
    pairs: Pairs, margin: ArrayLike | None, margin_percent: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """The margin (comparisons...) in units, and in percent of the reference's mean."""
    scale = np.abs(pairs.full.mean_reference) / 100.0
    if margin is None and margin_percent is not None:
        units, percent = margin_percent * scale, np.full_like(scale, margin_percent)
    elif margin is not None and margin_percent is None:
        units = np.broadcast_to(np.asarray(margin, np.float64), scale.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            percent = units / scale
    else:
        raise ValueError("state one margin: in units, or in percent of the reference's mean")
    worst = float(np.where(units > 0.0, 1.0, units).min())
    pairs.require(units > 0.0, f"the margin must be a positive number of units, got {worst}")
    return units, percent
