"""Intervals from drawing subjects again."""

from collections.abc import Callable

import numpy as np
from scipy import special

from qsr_jax.statistics.comparisons import Pairs
from qsr_jax.statistics.moments import Estimates
from qsr_jax.statistics.results import LEVEL, Interval, interval_of, take

MIN_BOOTSTRAP = 8
"""Below eight subjects the samples are too few and too alike for an interval."""

DISTINCT = 3
"""A sample with fewer different subjects is drawn again: lines and spreads need three."""

SUMS = ("points", "ss_test", "ss_reference", "ss_both")
BOOTSTRAPPED = tuple(name for name in Estimates._fields if name not in SUMS)
"""Estimates that get a bootstrap interval."""


def draw_subjects(rng: np.random.Generator, n: int, *, resamples: int) -> np.ndarray:
    """How often each of n subjects is drawn in each sample: (resamples, n) float64.

    Whole subjects are drawn, with all their regions, maps and methods, so estimates of two methods
    in one sample are paired.

    Raises:
        ValueError: fewer than 8 subjects, or fewer than 100 samples.

    >>> draw_subjects(np.random.default_rng(0), 8, resamples=100).sum(1).min().tolist()
    8.0
    """
    if n < MIN_BOOTSTRAP:
        raise ValueError(f"bootstrap: n = {n} subjects; at least {MIN_BOOTSTRAP} are needed")
    if resamples < 100:
        raise ValueError(f"bootstrap: {resamples} samples; at least 100 are needed")
    counts = _draw(rng, n, resamples)
    while (few := (counts > 0).sum(1) < DISTINCT).any():
        counts[few] = _draw(rng, n, int(few.sum()))
    return counts


def _draw(rng: np.random.Generator, n: int, resamples: int) -> np.ndarray:
    subjects = rng.integers(0, n, (resamples, n))
    rows = np.arange(resamples)[:, None] * n
    return np.bincount((subjects + rows).ravel(), minlength=resamples * n).reshape(-1, n) * 1.0


def percentile(drawn: np.ndarray, **_: np.ndarray) -> Interval:
    """Percentile interval (Efron and Tibshirani 1993, doi:10.1201/9780429246593).

    Args:
        drawn: (comparisons..., resamples) estimates of bootstrap samples.
        **_: what :func:`bca` needs besides.

    Returns:
        The interval, NaN where the estimate does not exist in every sample.

    >>> drawn = np.arange(101.0)
    >>> interval = percentile(drawn)
    >>> round(float(interval.low), 6), float(interval.high)
    (2.5, 97.5)
    """
    tails = np.broadcast_to([(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], (*drawn.shape[:-1], 2))
    return _between(drawn, tails)


def bca(drawn: np.ndarray, *, full: np.ndarray, left: np.ndarray) -> Interval:
    """Bias-corrected and accelerated interval (Efron 1987, doi:10.2307/2289144).

    Args:
        drawn: (comparisons..., resamples) estimates of bootstrap samples.
        full: (comparisons...) of all subjects.
        left: (comparisons..., n) with one subject left out.

    Returns:
        The interval, NaN where the estimate does not exist in every sample.

    >>> drawn = np.arange(101.0)
    >>> interval = bca(drawn, full=np.array(50.0), left=np.array([49.0, 50.0, 51.0]))
    >>> round(float(interval.low), 6), round(float(interval.high), 6)
    (2.5, 97.5)
    """
    whole = full[..., None]
    below = ((drawn < whole).mean(-1) + (drawn <= whole).mean(-1)) / 2.0
    room = 0.5 / drawn.shape[-1]
    bias = special.ndtri(np.clip(below, room, 1.0 - room))[..., None]
    pull = left.mean(-1, keepdims=True) - left
    scale = (pull**2).sum(-1) ** 1.5
    flat = scale == 0.0
    acceleration = np.where(flat, 0.0, (pull**3).sum(-1) / 6.0 / np.where(flat, 1.0, scale))
    z = bias + special.ndtri(np.array([(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0]))
    tails = special.ndtr(bias + z / (1.0 - acceleration[..., None] * z))
    return _between(drawn, tails)


BOOTSTRAPS: dict[str, Callable[..., Interval]] = {"bca": bca, "percentile": percentile}
"""Kinds of bootstrap interval by name."""


def bootstrap(pairs: Pairs, counts: np.ndarray, *, method: str) -> dict[str, Interval]:
    """Bootstrap intervals of :data:`BOOTSTRAPPED` estimates.

    Args:
        pairs: one comparison or many, of :func:`qsr_jax.statistics.pair`.
        counts: (resamples, n) of :func:`draw_subjects`.
        method: key of :data:`BOOTSTRAPS`.

    Returns:
        Estimate to its interval; NaN where ties leave the estimate out of some sample.

    Raises:
        ValueError: unknown method, or counts of another number of subjects.

    >>> from qsr_jax.statistics.comparisons import pair
    >>> x, y = np.arange(8.0) + [0, 1, 0, 1, 0, 1, 0, 2], np.arange(8.0)
    >>> counts = draw_subjects(np.random.default_rng(0), 8, resamples=100)
    >>> 0.625 in bootstrap(pair(x, y), counts, method="percentile")["bias"]
    True
    """
    if method not in BOOTSTRAPS:
        raise ValueError(f"bootstrap {method!r} is not one of {', '.join(BOOTSTRAPS)}")
    if counts.ndim != 2 or counts.shape[-1] != pairs.n:
        raise ValueError(
            f"bootstrap: counts {counts.shape}, expected (resamples, {pairs.n}) of draw_subjects"
        )
    # One product for all: a sample with each subject once then ties with the whole exactly.
    weights = np.concatenate([np.ones((1, pairs.n)), 1.0 - np.eye(pairs.n), counts])
    every, found = pairs.weighted(weights)._asdict(), {}
    for name in BOOTSTRAPPED:
        full, left, drawn = np.split(every[name], [1, 1 + pairs.n], axis=-1)
        # Tied values can leave a sample without spread: then there is no interval, not a wrong one.
        samples = np.where(np.isfinite(drawn).all(-1, keepdims=True), drawn, np.nan)
        interval = BOOTSTRAPS[method](samples, full=full[..., 0], left=left)
        found[name] = take(interval) if pairs.test.ndim == 2 else interval
    return found


def _between(drawn: np.ndarray, tails: np.ndarray) -> Interval:
    """Quantiles (..., 2) of samples (..., resamples), linear between order statistics."""
    ordered = np.sort(drawn, -1)
    place = tails * (drawn.shape[-1] - 1)
    lower = np.floor(place).astype(int)
    upper = np.minimum(lower + 1, drawn.shape[-1] - 1)
    near, far = (np.take_along_axis(ordered, index, -1) for index in (lower, upper))
    ends = near + (place - lower) * (far - near)
    return interval_of(ends[..., 0], ends[..., 1])
