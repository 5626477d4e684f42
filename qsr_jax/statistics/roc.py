"""Area under the receiver operating characteristic, when a subject has several places.

Places of one subject are not independent. The variance is that of sums over subjects (Obuchowski
1997, doi:10.2307/2533958), the estimate that of Mann and Whitney; intervals are taken on the logit,
which keeps them between 0 and 1, with Student's t of one less than the subjects.
"""

import dataclasses

import numpy as np
from scipy import special, stats

from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError
from qsr_jax.statistics.results import LEVEL, Interval


@dataclasses.dataclass(frozen=True)
class Auc:
    """How well a score tells positives from negatives.

    Attributes:
        n_subjects: with a positive or a negative.
        positives: places.
        negatives: places.
        area: probability that a positive scores above a negative, ties counted half.
        interval: None where the area is 0 or 1, or below 3 subjects: no spread, no interval.
    """

    n_subjects: int
    positives: int
    negatives: int
    area: float
    interval: Interval | None


def clustered_auc(
    scores: np.ndarray, positive: np.ndarray, subject: np.ndarray, *, level: float = LEVEL
) -> Auc:
    """The area under the curve with a subject-level interval.

    Args:
        scores: (places,) higher where a positive is more likely; any unit.
        positive: (places,) bool.
        subject: (places,) whole numbers or texts, equal for places of one subject.
        level: of the interval.

    Raises:
        DegenerateError: no positive, no negative, or a score that is not finite.

    >>> scores, positive = np.array([3.0, 1.0, 2.0, 0.0]), np.array([True, True, False, False])
    >>> clustered_auc(scores, positive, np.array([1, 2, 1, 2])).area
    0.75
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if not positive.any() or positive.all() or not np.isfinite(scores).all():
        raise DegenerateError(
            f"{int(positive.sum())} positives and {int((~positive).sum())} negatives, "
            f"{int(np.isfinite(scores).sum())} finite scores; expected both kinds, all finite"
        )
    area, parts = _components(scores, positive)
    codes = np.unique(subject, return_inverse=True)[1]
    n = int(codes.max()) + 1
    found = Auc(n, int(positive.sum()), int((~positive).sum()), area, None)
    # Each subject's sum of departures, of positives and negatives together.
    departures = np.bincount(codes, (parts - area) / np.where(positive, positive.sum(),
                                                              (~positive).sum()), n)  # fmt: skip
    variance = n / (n - 1) * float((departures**2).sum()) if n > 1 else 0.0
    if n < MIN_SUBJECTS or not 0.0 < area < 1.0 or variance == 0.0:
        return found
    half = stats.t.ppf((1 + level) / 2, n - 1) * np.sqrt(variance) / (area * (1 - area))
    low, high = special.expit(special.logit(area) + half * np.array([-1.0, 1.0])).tolist()
    return dataclasses.replace(found, interval=Interval(low, high, level))


def _components(scores: np.ndarray, positive: np.ndarray) -> tuple[float, np.ndarray]:
    """The area, and of every place the fraction of the other kind it is on the right side of."""
    others = {True: np.sort(scores[~positive]), False: np.sort(scores[positive])}
    parts = np.empty(len(scores))
    for kind, other in others.items():
        mine = scores[positive == kind]
        below, upto = (np.searchsorted(other, mine, side) for side in ("left", "right"))
        fraction = (below + upto) / (2.0 * len(other))
        parts[positive == kind] = fraction if kind else 1.0 - fraction
    return float(parts[positive].mean()), parts
