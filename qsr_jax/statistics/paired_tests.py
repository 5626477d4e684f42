"""Is the mean difference zero, and is it small enough? Paired t, signed rank, equivalence."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsr_jax.statistics.comparisons import (
    LEVEL,
    Stack,
    pair,
    require_single,
    require_spread,
    t_interval,
)
from qsr_jax.statistics.results import (
    Equivalence,
    Interval,
    PairedT,
    Sample,
    SignedRank,
    take,
)
from qsr_jax.statistics.signed_rank import signed_rank_probabilities, walsh_averages

EXACT_BELOW = 50
"""Subjects from which the signed rank test uses the normal approximation, as R does."""


def describe(values: ArrayLike) -> Sample:
    """Mean and SD of one number per subject; one subject alone has no SD."""
    v = np.asarray(values, np.float64)
    if v.ndim != 1 or not v.size or not np.isfinite(v).all():
        raise ValueError(f"expected a list of finite numbers, one per subject, got {v}")
    return Sample(v.size, float(v.mean()), float(v.std(ddof=1)) if v.size > 1 else None)


def paired_t(test: ArrayLike, reference: ArrayLike) -> PairedT:
    """Paired t-test with the 95 % interval of the mean difference. One number per subject."""
    return take(paired_t_of(pair(test, reference)))


def paired_t_of(stack: Stack) -> PairedT:
    """:func:`paired_t` of every comparison of a stack."""
    require_single(stack, "paired t")
    require_spread(stack, "differences")
    difference, sd, n = stack.full.bias, stack.full.sd, stack.n
    se = sd / np.sqrt(n)
    t = difference / se
    p = 2.0 * stats.t.sf(np.abs(t), n - 1)
    return PairedT(n, difference, sd, t, p, t_interval(difference, se, n - 1))


def margin_of(reference: ArrayLike, *, percent: float) -> float:
    """A margin in units: ``percent`` of the mean of the reference (the paper takes 5)."""
    return abs(float(np.mean(reference))) * percent / 100.0


def equivalence(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    alpha: float,
    margin: float | None = None,
    margin_percent: float | None = None,
) -> Equivalence:
    """Two one-sided paired t-tests (Schuirmann 1987, doi:10.1007/BF01068419).

    State the margin once, in units or in percent of the reference's mean; the result says both. A
    margin in percent is taken as fixed, as the paper does, although the mean is estimated.

    Args:
        test: (n,) one number per subject.
        reference: (n,) same unit.
        alpha: level of each test; the interval given is that of level 1 - 2 alpha.
        margin: largest difference that does not matter, same unit; there is no default.
        margin_percent: the same in percent of the reference's mean.

    Raises:
        ValueError: not one margin, a margin that is not positive, or degenerate input.
    """
    stack = pair(test, reference)
    return take(equivalence_of(stack, alpha=alpha, margin=margin, margin_percent=margin_percent))


def equivalence_of(
    stack: Stack,
    *,
    alpha: float,
    margin: ArrayLike | None = None,
    margin_percent: float | None = None,
) -> Equivalence:
    """:func:`equivalence` of every comparison; ``margin`` broadcasts over the comparisons."""
    if (margin is None) == (margin_percent is None):
        raise ValueError("state one margin: in units, or in percent of the reference's mean")
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha}")
    stated = "percent" if margin is None else "units"
    scale = np.abs(stack.full.mean_reference) / 100.0
    margin = margin_percent * scale if margin is None else np.asarray(margin, np.float64)
    margin = np.broadcast_to(margin, scale.shape)
    worst = float(np.where(margin > 0.0, 1.0, margin).min())
    stack.require(margin > 0.0, f"the margin must be a positive number of units, got {worst}")
    test = paired_t_of(stack)
    se = test.sd / np.sqrt(test.n)
    p = stats.t.sf((margin - np.abs(test.difference)) / se, test.n - 1)
    interval = t_interval(test.difference, se, test.n - 1, level=1.0 - 2.0 * alpha)
    with np.errstate(divide="ignore"):
        percent = margin / scale if margin_percent is None else np.full_like(margin, margin_percent)
    return Equivalence(
        n=test.n,
        margin=margin,
        alpha=alpha,
        difference=test.difference,
        p=p,
        interval=interval,
        equivalent=p < alpha,
        margin_percent=percent,
        stated=stated,
    )


def signed_rank(test: ArrayLike, reference: ArrayLike) -> SignedRank:
    """Wilcoxon's signed rank test, with Hodges and Lehmann's pseudomedian and its interval.

    Exact below 50 subjects without ties or zeros, else the normal approximation with continuity
    correction, as R's wilcox.test. The interval is exact for continuous differences and its level
    is the one reached: below six subjects 95 % cannot be.
    """
    return take(signed_rank_of(pair(test, reference)))


def signed_rank_of(stack: Stack) -> SignedRank:
    """:func:`signed_rank` of every comparison of a stack."""
    require_single(stack, "signed rank")
    require_spread(stack, "differences")
    d = (stack.test - stack.reference)[..., 0]
    shape, n = d.shape[:-1], stack.n
    rows = [_one_signed_rank(row) for row in d.reshape(-1, n)]
    v, p, exact = (np.array(column).reshape(shape) for column in zip(*rows, strict=True))
    walsh = walsh_averages(d)
    skip, level = _rank_interval(n)
    interval = Interval(walsh[..., skip], walsh[..., -1 - skip], level)
    method = np.where(exact, "exact", "normal")
    return SignedRank(n, v, p, method, np.median(walsh, -1), interval)


def _one_signed_rank(d: np.ndarray) -> tuple[float, float, bool]:
    """(V, P, whether exact) of one comparison; zero differences are left out, as Wilcoxon did."""
    moved = d[d != 0.0]
    exact = len(d) < EXACT_BELOW and len(np.unique(np.abs(moved))) == len(d)
    method = "exact" if exact else "asymptotic"
    p = stats.wilcoxon(d, zero_method="wilcox", correction=not exact, method=method).pvalue
    return float(stats.rankdata(np.abs(moved))[moved > 0.0].sum()), float(p), exact


def _rank_interval(n: int) -> tuple[int, float]:
    """Walsh averages to skip at either end, and the level of the interval that is left."""
    below = np.cumsum(signed_rank_probabilities(n))
    skip = max(int(np.searchsorted(below, (1.0 - LEVEL) / 2.0)), 1) - 1
    reached = 1.0 - 2.0 * float(below[skip])
    return skip, min(reached, LEVEL)
