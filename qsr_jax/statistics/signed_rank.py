"""Wilcoxon's signed rank test and the pseudomedian, for any number of comparisons and subjects."""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from qsr_jax.statistics.backend import in_blocks
from qsr_jax.statistics.comparisons import pair, require_spread
from qsr_jax.statistics.results import LEVEL, SignedRank, interval_of

EXACT_BELOW = 50
"""Subjects from which the normal approximation is used, as R does."""

LISTED_BELOW = 200
"""Subjects from which Walsh averages are no longer listed but counted."""

ROUNDING = 1e-12
"""Differences are taken to this share of the largest value, so that rounding tears no ties."""


def signed_rank(test: ArrayLike, reference: ArrayLike) -> SignedRank:
    """Wilcoxon's signed rank test (1945, doi:10.2307/3001968) and Hodges-Lehmann's pseudomedian.

    Exact below 50 subjects without ties or zeros, else the normal approximation with continuity
    and tie correction, as R's wilcox.test. Zero differences are left out. The interval consists of
    Walsh averages; below 50 subjects its level is the one reached: below six 95 % cannot be.

    Args:
        test: (n,) or (comparisons..., n, 1).
        reference: same shape and unit.

    Raises:
        ValueError: degenerate input.

    >>> result = signed_rank([11.0, 12.5, 16.0, 10.0], [10.0, 12.0, 14.0, 11.5])
    >>> result.v, result.p, result.pseudomedian
    (7.0, 0.625, 0.625)
    """
    pairs = pair(test, reference)
    require_spread(pairs, "differences")
    x, y, n = pairs.test[..., 0], pairs.reference[..., 0], pairs.n
    quantum = ROUNDING * np.maximum(np.abs(x), np.abs(y)).max(-1, keepdims=True)
    d = np.round((x - y) / quantum) * quantum
    v, p, exact = _tests(d)
    skip, level = rank_interval(n)
    pairs_of_two = n * (n + 1) // 2
    middle = [(pairs_of_two - 1) // 2, pairs_of_two // 2]
    found = walsh_quantiles(x - y, (*middle, skip, pairs_of_two - 1 - skip))
    return pairs.result(
        SignedRank,
        n=n,
        v=v,
        p=p,
        method=np.where(exact, "exact", "normal"),
        pseudomedian=(found[..., 0] + found[..., 1]) / 2.0,
        interval=interval_of(found[..., 2], found[..., 3], level),
    )


def _tests(d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(V, P, whether exact) of differences (comparisons..., n)."""
    size, n = np.abs(d), d.shape[-1]
    zeros = (d == 0.0).sum(-1, keepdims=True)
    low, middle = (stats.rankdata(size, method, axis=-1) for method in ("min", "average"))
    tied = np.where(d == 0.0, 1.0, 2.0 * (middle - low) + 1.0)
    v = np.where(d > 0.0, middle - zeros, 0.0).sum(-1)
    m = n - zeros[..., 0]
    exact = (m == n) & (tied == 1.0).all(-1) & (n < EXACT_BELOW)
    variance = m * (m + 1) * (2 * m + 1) / 24.0 - (tied**2 - 1.0).sum(-1) / 48.0
    away = v - m * (m + 1) / 4.0
    p = 2.0 * special.ndtr(-np.abs(away - 0.5 * np.sign(away)) / np.sqrt(variance))
    if exact.any():
        below = np.cumsum(signed_rank_probabilities(n))
        smaller = np.minimum(v, n * (n + 1) / 2 - v).astype(int)
        p = np.where(exact, np.minimum(2.0 * below[np.where(exact, smaller, 0)], 1.0), p)
    return v, p, exact


def rank_interval(n: int) -> tuple[int, float]:
    """Walsh averages to skip at either end, and the level of the interval that is left.

    >>> rank_interval(5), rank_interval(10_000)
    ((0, 0.9375), (24436664, 0.95))
    """
    alpha = (1.0 - LEVEL) / 2.0
    if n < EXACT_BELOW:
        below = np.cumsum(signed_rank_probabilities(n))
        skip = max(int(np.searchsorted(below, alpha)), 1) - 1
        return skip, min(1.0 - 2.0 * float(below[skip]), LEVEL)
    mean, sd = n * (n + 1) / 4.0, math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)
    return math.ceil(mean + float(special.ndtri(alpha)) * sd - 0.5) - 1, LEVEL


@functools.cache
def signed_rank_probabilities(n: int) -> np.ndarray:
    """Probability of each value 0 .. n (n + 1) / 2 of the signed rank statistic under symmetry.

    >>> signed_rank_probabilities(2).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    chances = np.ones(1)
    for rank in range(1, n + 1):
        present = np.zeros(len(chances) + rank)
        present[: len(chances)] += 0.5 * chances
        present[rank:] += 0.5 * chances
        chances = present
    return chances


def walsh_quantiles(differences: np.ndarray, ranks: tuple[int, ...]) -> np.ndarray:
    """Walsh averages (means of pairs i <= j) of some ranks: (..., n) to (..., ranks).

    The middle one is Hodges and Lehmann's pseudomedian (1963, doi:10.1214/aoms/1177704172). From
    200 differences on, the pairs below a value are counted instead of listed, and the value is
    halved in on: n log n steps instead of n^2 numbers.

    Args:
        differences: (..., n), any unit.
        ranks: from 0 for the smallest.

    >>> walsh_quantiles(np.array([1.0, 3.0, 8.0]), (0, 1, 5)).tolist()
    [1.0, 2.0, 8.0]
    """
    if differences.shape[-1] >= LISTED_BELOW:
        rows = np.sort(differences, -1).reshape(-1, differences.shape[-1])
        found = np.array([[_counted(row, rank) for rank in ranks] for row in rows])
        return found.reshape(*differences.shape[:-1], len(ranks))
    *lead, n = differences.shape
    compute = functools.partial(_listed, ranks=ranks)
    return in_blocks(compute, differences, lead=tuple(lead), cost=n * n // 2)["averages"]


def _listed(d: np.ndarray, *, ranks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Averages (comparisons, ranks) of differences (comparisons, n), by NumPy's quick sort."""
    first, second = np.triu_indices(d.shape[-1])
    averages = np.sort((d[..., first] + d[..., second]) / 2.0, -1)
    return {"averages": averages[..., list(ranks)]}


def _counted(ordered: np.ndarray, rank: int) -> float:
    """The Walsh average of a rank of sorted differences (n,), to the last digits of a double."""
    low, high, index = ordered[0], ordered[-1], np.arange(len(ordered))
    for _ in range(100):
        middle = (low + high) / 2.0
        partners = np.searchsorted(ordered, 2.0 * middle - ordered, "right") - index
        if np.maximum(partners, 0).sum() > rank:
            high = middle
        else:
            low = middle
        if not low < (low + high) / 2.0 < high:
            break
    return float(high)
