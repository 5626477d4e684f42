"""How many subjects does a verdict need? The power of the tests behind it, and its inverse."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from scipy import special, stats

from qsr_jax.statistics.bland_altman import outer_quantile
from qsr_jax.statistics.coefficients import concordance_se
from qsr_jax.statistics.outcomes import LEAST_SUBJECTS, require_positive_options
from qsr_jax.statistics.verdicts import LEAST_CONCORDANCE

MOST_SUBJECTS = 100_000
"""Subjects beyond which no study is planned."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
"""Of the integral over the sample's SD."""


@dataclasses.dataclass(frozen=True)
class SampleSize:
    """What a study takes.

    Attributes:
        question: "mean" or "individual".
        n: subjects, None if no number of them is enough.
        power: chance that n subjects show it; at n = None, the chance with 100 000.
        wanted: chance asked for.
        reason: what decided, in words.
    """

    question: str
    n: int | None
    power: float
    wanted: float
    reason: str


def mean_power(
    n: int, *, margin: float, sd: float, difference: float = 0.0, alpha: float = 0.05
) -> float:
    """Chance that :func:`mean_verdict` shows agreement: exact for a margin in units.

    One minus beta of two one-sided t-tests (Phillips 1990, doi:10.1007/BF01063556), from the
    distribution of the sample's SD. All numbers are in one unit, such as percent.

    Args:
        n: subjects.
        margin: half width of what does not matter.
        sd: of the difference between the methods, over subjects.
        difference: true mean difference.
        alpha: level of each one-sided test.

    Raises:
        ValueError: an option outside its range, or n below 2.

    >>> round(mean_power(12, margin=5.0, sd=5.0), 3)
    0.889
    """
    _check(n, margin=margin, sd=sd, alpha=alpha)
    quantile = float(special.stdtrit(n - 1, 1.0 - alpha))
    se = sd / math.sqrt(n)
    return inside_power(quantile, df=n - 1, margin=margin, se=se, difference=difference)


def individual_power(
    n: int,
    *,
    margin: float,
    sd: float,
    spread: float,
    difference: float = 0.0,
    least_concordance: float = LEAST_CONCORDANCE,
    alpha: float = 0.05,
) -> float:
    """Chance, at least, that :func:`individual_verdict` shows agreement.

    Of the limits of agreement exact, of the concordance asymptotic (Lin 1989,
    doi:10.2307/2532051) for methods of equal spread; both together have at least the sum of both
    chances less one. Lu et al. (2016, doi:10.1515/ijb-2015-0039) plan with approximate bounds of
    the limits and need fewer: 83 subjects in their example, where exact bounds take 97.

    Args:
        n: subjects.
        margin: half width of what does not matter.
        sd: of the difference between the methods, over subjects.
        spread: SD of the reference over subjects of one tissue.
        difference: true mean difference.
        least_concordance: what Lin's concordance has to exceed.
        alpha: level of each one-sided test.

    Raises:
        ValueError: an option outside its range, or n below 3.

    >>> round(individual_power(31, margin=5.0, sd=1.5, spread=2.8), 3)
    0.946
    """
    _check(n - 1, margin=margin, sd=sd, alpha=alpha, spread=spread)
    se = sd / math.sqrt(n)
    quantile = outer_quantile(n, alpha)
    limits = inside_power(quantile, df=n - 1, margin=margin, se=se, difference=difference)
    correlation = 1.0 - sd**2 / (2.0 * spread**2)
    value = correlation / (1.0 + (difference / spread) ** 2 / 2.0)
    if value <= least_concordance:
        return 0.0
    se_z = concordance_se(n, correlation=correlation, value=value, shift=difference / spread)
    away = math.atanh(value) - math.atanh(least_concordance)
    concordant = float(special.ndtr(away / float(se_z) - special.ndtri(1.0 - alpha)))
    return max(limits + concordant - 1.0, 0.0)


def inside_power(quantile: float, *, df: int, margin: float, se: float, difference: float) -> float:
    """Chance that ``mean +- quantile * its standard error`` lies within the margin.

    Integrates the normal mean's chance over the chi-squared distribution of the sample's variance.

    Args:
        quantile: standard errors on either side, of Student's or of the noncentral t.
        df: degrees of freedom of the standard error.
        margin: half width.
        se: true standard error of the mean, same unit.
        difference: true mean, same unit.

    >>> round(inside_power(1.796, df=11, margin=5.0, se=1.4434, difference=0.0), 2)
    0.89
    """
    # Beyond this ratio of the sample's SD to the true one the interval is wider than the margins.
    top = float(special.chdtr(df, df * (margin / quantile / se) ** 2))
    below = (NODES + 1.0) / 2.0 * top
    ratio = np.sqrt(stats.chi2.ppf(below, df) / df)
    room = margin / se - quantile * ratio
    shift = difference / se
    chance = special.ndtr(room - shift) - special.ndtr(-room - shift)
    return float(top / 2.0 * (WEIGHTS @ np.maximum(chance, 0.0)))


def mean_subjects(
    *,
    margin: float,
    sd: float,
    difference: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> SampleSize:
    """Subjects that a :func:`mean_verdict` needs, :data:`LEAST_SUBJECTS` at least.

    Args:
        margin: half width of what does not matter.
        sd: of the difference between the methods, over subjects, same unit.
        difference: true mean difference that is expected, same unit.
        power: wanted chance that agreement is shown.
        alpha: level of each one-sided test.

    Raises:
        ValueError: an option outside its range.

    >>> mean_subjects(margin=5.0, sd=8.0).n
    24
    """

    def reached(n: int) -> float:
        return mean_power(n, margin=margin, sd=sd, difference=difference, alpha=alpha)

    return _search("mean", reached, power)


def individual_subjects(
    *,
    margin: float,
    sd: float,
    spread: float,
    difference: float = 0.0,
    least_concordance: float = LEAST_CONCORDANCE,
    power: float = 0.8,
    alpha: float = 0.05,
) -> SampleSize:
    """Subjects that an :func:`individual_verdict` needs, :data:`LEAST_SUBJECTS` at least.

    Args:
        margin: half width of what does not matter.
        sd: of the difference between the methods, over subjects, same unit.
        spread: SD of the reference over subjects of one tissue, same unit.
        difference: true mean difference that is expected, same unit.
        least_concordance: what Lin's concordance has to exceed.
        power: wanted chance that agreement is shown.
        alpha: level of each one-sided test.

    Raises:
        ValueError: an option outside its range.

    >>> individual_subjects(margin=5.0, sd=1.8, spread=2.8).n
    50
    """

    def reached(n: int) -> float:
        return individual_power(
            n,
            margin=margin,
            sd=sd,
            spread=spread,
            difference=difference,
            least_concordance=least_concordance,
            alpha=alpha,
        )

    return _search("individual", reached, power)


def _check(n: int, *, alpha: float, **positive: float) -> None:
    """Refuses a study that makes no sense."""
    require_positive_options(**positive)
    if n < 2:
        raise ValueError(f"{n} degrees of freedom too few: a study needs more subjects")
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha}")


def _search(question: str, reached: Callable[[int], float], wanted: float) -> SampleSize:
    """Least n whose power is the one wanted; power grows with n."""
    if not 0.0 < wanted < 1.0:
        raise ValueError(f"power must lie between 0 and 1, got {wanted}")
    if (most := reached(MOST_SUBJECTS)) < wanted:
        reason = f"{MOST_SUBJECTS} subjects would show it with a chance of {most:.2g} only"
        return SampleSize(question, None, most, wanted, reason)
    low, high = LEAST_SUBJECTS, MOST_SUBJECTS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= wanted else (middle + 1, high)
    reason = f"least n with a chance of {wanted:g}"
    if low == LEAST_SUBJECTS:
        reason = f"no verdict is given below {LEAST_SUBJECTS}"
    return SampleSize(question, low, reached(low), wanted, reason)
