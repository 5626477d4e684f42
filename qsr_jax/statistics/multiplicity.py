"""P values that know how many tests were made."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclasses.dataclass(frozen=True)
class Adjusted:
    """P values of a family of tests, corrected: Holm (any false claim) and Benjamini-Hochberg.

    Holm's keeps the chance of a single false claim below alpha; Benjamini and Hochberg's keeps
    the expected proportion of false claims below alpha. Arrays in the order given.
    """

    tests: int
    holm: np.ndarray
    benjamini_hochberg: np.ndarray


def adjust(p: ArrayLike) -> Adjusted:
    """Corrects the P values of one family of tests for their number.

    Holm 1979 (doi:10.2307/4615733); Benjamini and Hochberg 1995
    (doi:10.1111/j.2517-6161.1995.tb02031.x).

    Args:
        p: (tests,) P values, 0 to 1.

    Raises:
        ValueError: no P value, or one outside 0..1.

    >>> adjust([0.03, 0.01, 0.02]).holm.round(6).tolist()
    [0.04, 0.03, 0.04]
    """
    p = np.asarray(p, np.float64)
    if p.ndim != 1 or not p.size or not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(f"expected a list of P values between 0 and 1, got {p}")
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    holm = np.empty_like(p)
    holm[order] = np.minimum(stepped, 1.0)
    return Adjusted(p.size, holm, stats.false_discovery_control(p, method="bh"))
