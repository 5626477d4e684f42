"""By how much two measurements of one subject differ although nothing changed."""

import dataclasses

import numpy as np
from scipy import stats

from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError
from qsr_jax.statistics.moments import LIMIT_Z
from qsr_jax.statistics.results import LEVEL, Interval


@dataclasses.dataclass(frozen=True)
class Repeatability:
    """Test and retest of n subjects.

    Attributes:
        n: subjects, each measured twice.
        within_sd: standard deviation of one measurement about the subject's own mean, Sw.
        coefficient: ``1.96 sqrt(2) Sw``; two measurements of one subject differ by less in 95 %.
        percent: the coefficient in percent of the mean of all measurements.
        interval: 95 % confidence, from the chi-squared distribution of n squared differences.
    """

    n: int
    within_sd: float
    coefficient: float
    percent: float
    interval: Interval


def repeatability(first: np.ndarray, second: np.ndarray) -> Repeatability:
    """The repeatability coefficient.

    Bland and Altman 1996, doi:10.1136/bmj.313.7049.106; as imaging biomarkers report it: Raunig et
    al. 2015, doi:10.1177/0962280214537344.

    Args:
        first: (n,) one measurement of every subject, any unit.
        second: (n,) the other, same unit.

    Raises:
        DegenerateError: unequal shapes, fewer than 3 subjects, or a value that is not finite.

    >>> found = repeatability(np.array([100.0, 90.0, 80.0]), np.array([102.0, 89.0, 82.0]))
    >>> round(found.within_sd, 4), round(found.coefficient, 4)
    (1.2247, 3.3948)
    """
    first, second = (np.asarray(x, np.float64) for x in (first, second))
    if first.shape != second.shape or first.ndim != 1 or len(first) < MIN_SUBJECTS:
        raise DegenerateError(
            f"test {first.shape} and retest {second.shape}: expected two equal (n,) of "
            f"{MIN_SUBJECTS} subjects or more; scan more subjects twice"
        )
    if not np.isfinite([first, second]).all():
        raise DegenerateError("a test or retest value is not finite; leave that subject out")
    n = len(first)
    within = float(np.sqrt(((second - first) ** 2).mean() / 2.0))
    coefficient = LIMIT_Z * 2.0**0.5 * within
    tails = stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], n)
    low, high = (coefficient * np.sqrt(n / tails)).tolist()
    mean = float(np.mean([first, second]))
    return Repeatability(n, within, coefficient, 100.0 * coefficient / mean, Interval(low, high))
