"""Differences of several lesions of each of a few subjects: the subject is what counts."""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError
from qsr_jax.statistics.paired_tests import paired_t
from qsr_jax.statistics.results import Interval


@dataclasses.dataclass(frozen=True)
class ClusteredMean:
    """Mean difference of lesions nested in subjects.

    Attributes:
        n: subjects.
        points: lesions of all of them.
        difference: mean over subjects of each subject's mean difference.
        between_sd: SD of the subjects' true mean differences, at least 0; None where not computed.
        within_sd: SD of one subject's lesions about that mean; None if nobody has two lesions.
        interval: 95 % confidence of the difference; None where not computed.
        p: of no difference; None where not computed.
        reason: why there is no P and no interval, "" where there is one.
    """

    n: int
    points: int
    difference: float
    between_sd: float | None
    within_sd: float | None
    interval: Interval | None
    p: float | None
    reason: str


def clustered_mean(test: ArrayLike, reference: ArrayLike, *, subjects: ArrayLike) -> ClusteredMean:
    """Mean difference where subjects have several lesions each, as a random effect of subject.

    Differences are ``mean + subject + lesion``, with random subjects and lesions. The test is
    Student's over the subjects' mean differences. Their variances differ with the number of
    lesions, under which that test keeps its level up to P = .08 for any number of subjects
    (Bakirov and Szekely 2006, doi:10.1007/s10958-006-0366-5; Ibragimov and Mueller 2010,
    doi:10.1198/jbes.2009.08046). Wald's P of a fitted mixed model does not: it counts on many
    subjects. Below 3 subjects there is no P: the spread between subjects is not known.

    Args:
        test: (lesions,) one value per lesion.
        reference: same shape and unit.
        subjects: (lesions,) whose lesion it is, any labels.

    Raises:
        ValueError: unequal shapes, no lesion, or a value that is not finite.

    >>> test, who = [110.0, 112.0, 95.0, 130.0], ["a", "a", "b", "c"]
    >>> found = clustered_mean(test, [100.0] * 4, subjects=who)
    >>> found.n, found.points, round(found.difference, 2), round(found.p, 2)
    (3, 4, 12.0, 0.36)
    >>> clustered_mean([110.0, 112.0], [100.0, 100.0], subjects=["a", "a"]).reason
    '1 subject; the spread between subjects needs 3'
    """
    x, y, who = (
        np.asarray(test, np.float64),
        np.asarray(reference, np.float64),
        np.asarray(subjects),
    )
    if x.ndim != 1 or not x.shape == y.shape == who.shape or not x.size:
        raise ValueError(
            f"shapes {x.shape}, {y.shape}, {who.shape}: expected equal lists (lesions,) of test, "
            "reference and subject"
        )
    if not np.isfinite([x, y]).all():
        raise ValueError("a value is NaN or infinite; leave that lesion out by name, or mend it")
    _, member = np.unique(who, return_inverse=True)
    size = np.bincount(member)
    first, second = (np.bincount(member, v) / size for v in (x, y))
    n, difference = len(size), float((first - second).mean())
    within = _within(x - y, member, size)
    blank = ClusteredMean(n, x.size, difference, None, within, None, None, "")
    if n < MIN_SUBJECTS:
        said = (
            f"{n} subject{'s' if n > 1 else ''}; the spread between subjects needs {MIN_SUBJECTS}"
        )
        return dataclasses.replace(blank, reason=said)
    try:
        found = paired_t(first, second)
    except DegenerateError as error:
        return dataclasses.replace(blank, reason=error.reason)
    noise = (within or 0.0) ** 2 * float((1.0 / size).mean())
    between = math.sqrt(max(found.sd**2 - noise, 0.0))
    return dataclasses.replace(blank, between_sd=between, interval=found.interval, p=found.p)


def _within(difference: np.ndarray, member: np.ndarray, size: np.ndarray) -> float | None:
    """Pooled SD of a subject's lesions about its mean; None if nobody has two."""
    if (df := len(difference) - len(size)) == 0:
        return None
    mean = np.bincount(member, difference) / size
    return math.sqrt(float(((difference - mean[member]) ** 2).sum()) / df)
