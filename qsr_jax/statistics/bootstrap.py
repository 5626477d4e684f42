"""Intervals from drawing subjects again, and P values that know how many tests were made."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from qsr_jax.statistics.comparisons import LEVEL, Stack
from qsr_jax.statistics.moments import Estimates
from qsr_jax.statistics.results import Interval

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


def percentile_of(stack: Stack, name: str) -> Interval:
    """Percentile interval of an estimate of every comparison of a stack that holds samples.

    NaN where the estimate does not exist in every sample.

    Raises:
        ValueError: the stack holds no samples.
    """
    drawn = _drawn(stack, name)
    tails = np.broadcast_to([(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0], (*drawn.shape[:-1], 2))
    return _between(drawn, tails)


def bca_of(stack: Stack, name: str) -> Interval:
    """Bias-corrected and accelerated interval (Efron 1987, doi:10.2307/2289144).

    NaN where the estimate does not exist in every sample.

    Raises:
        ValueError: the stack holds no samples.
    """
    drawn, left = _drawn(stack, name), getattr(stack.left, name)
    full = getattr(stack.full, name)[..., None]
    below = ((drawn < full).mean(-1) + (drawn <= full).mean(-1)) / 2.0
    room = 0.5 / drawn.shape[-1]
    bias = stats.norm.ppf(np.clip(below, room, 1.0 - room))[..., None]
    pull = left.mean(-1, keepdims=True) - left
    scale = np.square(pull).sum(-1) ** 1.5
    flat = scale == 0.0
    acceleration = np.where(flat, 0.0, (pull**3).sum(-1) / 6.0 / np.where(flat, 1.0, scale))
    z = bias + stats.norm.ppf([(1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0])
    tails = stats.norm.cdf(bias + z / (1.0 - acceleration[..., None] * z))
    return _between(drawn, tails)


def _drawn(stack: Stack, name: str) -> np.ndarray:
    drawn = getattr(stack.drawn, name)
    if not drawn.shape[-1]:
        raise ValueError("bootstrap: this stack holds no samples; give it counts of draw_subjects")
    # Tied values can leave a sample without spread: then there is no interval, not a wrong one.
    return np.where(np.isfinite(drawn).all(-1, keepdims=True), drawn, np.nan)


def _between(drawn: np.ndarray, tails: np.ndarray) -> Interval:
    """Quantiles (..., 2) of samples (..., resamples), linear between order statistics."""
    ordered = np.sort(drawn, -1)
    place = tails * (drawn.shape[-1] - 1)
    lower = np.floor(place).astype(int)
    upper = np.minimum(lower + 1, drawn.shape[-1] - 1)
    near, far = (np.take_along_axis(ordered, index, -1) for index in (lower, upper))
    ends = near + (place - lower) * (far - near)
    return Interval(ends[..., 0], ends[..., 1], LEVEL)


@dataclasses.dataclass(frozen=True)
class Adjusted:
    """P values of a family of tests, corrected: Holm (any false claim) and Benjamini-Hochberg.

    Holm's keeps the chance of a single false claim below alpha; Benjamini and Hochberg's keeps
    the expected share of false claims below alpha. Arrays in the order given.
    """

    tests: int
    holm: np.ndarray
    benjamini_hochberg: np.ndarray


def adjust(p: ArrayLike) -> Adjusted:
    """Corrects the P values of one family of tests for their number.

    Raises:
        ValueError: no P value, or one outside 0..1.
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not p.size or not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(f"expected a list of P values between 0 and 1, got {p}")
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    holm = np.empty_like(p)
    holm[order] = np.minimum(stepped, 1.0)
    return Adjusted(p.size, holm, stats.false_discovery_control(p, method="bh"))
