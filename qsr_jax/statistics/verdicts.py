"""Does a method agree with the reference: on average, and for each subject?

*Mean*: does the mean over subjects lie within the margin? A method that prints the population mean
for everybody passes. *Individual*: does each subject's own value lie within it, and are subjects of
one tissue told apart? Only that makes a number usable for one patient.

Every claim is one-sided at ``alpha``, every interval shown is of level ``1 - 2 alpha``, and a claim
is made exactly where that interval lies inside the margin. What cannot be computed says why.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.bland_altman import outer_limits
from qsr_jax.statistics.coefficients import concordance_bound
from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError
from qsr_jax.statistics.moments import LIMIT_Z
from qsr_jax.statistics.outcomes import (
    Outcome,
    Verdict,
    asked,
    decided,
    require_positive_options,
    too_few,
    withheld,
)
from qsr_jax.statistics.paired_tests import equivalence

LEAST_CONCORDANCE = 0.5
"""Lin's concordance within a tissue that an individual verdict has to exceed.

``CCC = 1 - E(x - y)^2 / (var x + var y + bias^2)``: an unbiased method that spreads no wider than
the reference gets above one half only by erring less than a print of the population mean does,
whose ``E(x - y)^2`` is ``var y``. The grades of McBride (2005, NIWA report HAM2005-062), .90
and up, are meant for pooled ranges; within one tissue of healthy adults the paper's own maps reach
.60 (GM T1) to .89 (by its Table 1: SDs, and widths of the TOST intervals), and the repeatability of
the reference bounds what any method can reach (:func:`attainable_concordance`).
"""


def mean_verdict(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    margin_percent: float | None = None,
    margin: float | None = None,
    repeatability: float | None = None,
    alpha: float = 0.05,
) -> Verdict:
    """Does the mean over subjects lie within a margin of the reference's? TOST.

    See :func:`qsr_jax.statistics.equivalence`, whose margin in percent is exact.

    Args:
        test: (n,) one value per subject.
        reference: same shape and unit.
        margin_percent: margin in percent of the reference's mean; state this or ``margin``.
        margin: margin in the unit of the values.
        repeatability: the reference's repeatability coefficient in the unit of the margin. The
            mean of n repeats moves by ``repeatability / sqrt(n)``; a smaller margin is undecidable.
        alpha: level of each one-sided test.

    Raises:
        ValueError: unequal shapes, several values per subject, not one margin, or an option
            outside its range. Degenerate values are an outcome, not an error.

    >>> y = [100.0, 104.0, 98.0, 97.0, 105.0, 101.0, 99.0, 103.0, 96.0, 102.0]
    >>> x = [v + d for v, d in zip(y, [1, -1, 0, 2, 0, 1, -1, 0, 1, 0])]
    >>> found = mean_verdict(x, y, margin_percent=5.0)
    >>> found.outcome.value, found.reason
    ('shown', '90 % interval -0.246 to 0.854 % inside ±5 %')
    """
    require_positive_options(repeatability=repeatability)
    (x, y), blank = asked(
        "mean", (test, reference), margin=margin, margin_percent=margin_percent, alpha=alpha
    )
    if blank.n < MIN_SUBJECTS:
        return too_few(blank)
    try:
        tost = equivalence(x, y, alpha=alpha, margin=margin, margin_percent=margin_percent)
    except DegenerateError as error:
        return withheld(blank, Outcome.NOT_COMPUTED, error.reason)
    interval, estimate = tost.interval, tost.difference
    if tost.interval_percent is not None:
        interval, estimate = tost.interval_percent, 100.0 * tost.difference / float(y.mean())
    reach = max(-interval.low, interval.high) / blank.margin
    found = dataclasses.replace(blank, estimate=estimate, interval=interval, reach=reach, p=tost.p)
    if repeatability is not None and found.margin < (moves := repeatability / math.sqrt(found.n)):
        needed = math.ceil((repeatability / found.margin) ** 2)
        reason = (
            f"the mean of {found.n} repeats of the reference itself moves by ±{moves:.3g}, the "
            f"margin is ±{found.margin:.3g}; {needed} subjects are needed"
        )
        return withheld(found, Outcome.UNDECIDABLE, reason)
    return decided(found)


def individual_verdict(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    margin_percent: float | None = None,
    margin: float | None = None,
    repeatability: float | None = None,
    least_concordance: float = LEAST_CONCORDANCE,
    alpha: float = 0.05,
) -> Verdict:
    """Is every subject's own value the reference's within a margin, and not just a common one?

    Shown only if both hold: the outer confidence bounds of the 95 % limits of agreement lie inside
    the margin (exact, Carkeet 2015, doi:10.1097/OPX.0000000000000513), and Lin's concordance
    within the tissue exceeds ``least_concordance`` with its lower bound. Differences in percent
    are of the mean of both methods (Bland and Altman 1999, doi:10.1177/096228029900800204).

    Args:
        test: (n,) one value per subject, all of one tissue.
        reference: same shape and unit.
        margin_percent: margin in percent; state this or ``margin``.
        margin: margin in the unit of the values.
        repeatability: the reference's repeatability coefficient in the unit of the margin. A
            smaller margin is undecidable: a repeat of the reference itself would not keep it.
        least_concordance: see :data:`LEAST_CONCORDANCE`.
        alpha: level of each one-sided test.

    Raises:
        ValueError: as :func:`mean_verdict`.

    >>> y = [100.0, 104.0, 98.0, 97.0, 105.0, 101.0, 99.0, 103.0, 96.0, 102.0]
    >>> found = individual_verdict([100.5] * 10, y, margin_percent=12.0)
    >>> found.outcome.value, found.reason.split("; ")[1]
    ('not shown', 'concordance 0.00 not above 0.5 (lower bound 0.00)')
    """
    require_positive_options(repeatability=repeatability)
    if not 0.0 <= least_concordance < 1.0:
        raise ValueError(f"least_concordance must lie in 0 up to below 1, got {least_concordance}")
    (x, y), blank = asked(
        "individual", (test, reference), margin=margin, margin_percent=margin_percent, alpha=alpha
    )
    if blank.n < MIN_SUBJECTS:
        return too_few(blank)
    try:
        limits = outer_limits(x, y, margin=blank.margin, percent=margin is None, alpha=alpha)
        value, low, p = concordance_bound(x, y, least=least_concordance, alpha=alpha)
    except DegenerateError as error:
        return withheld(blank, Outcome.NOT_COMPUTED, error.reason)
    found = dataclasses.replace(
        blank,
        estimate=limits.bias,
        interval=limits.outer,
        reach=max(-limits.outer.low, limits.outer.high) / blank.margin,
        p=max(limits.p, p),
        concordance=value,
        concordance_low=low,
    )
    why = _undecidable(found, y, repeatability, least_concordance)
    if why:
        return withheld(found, Outcome.UNDECIDABLE, why)
    flat = f"concordance {value:.2f} not above {least_concordance:g} (lower bound {low:.2f})"
    return decided(found, against="" if p < alpha else flat)


def _undecidable(
    found: Verdict, reference: np.ndarray, repeatability: float | None, least: float
) -> str:
    """Why the reference itself would not pass when repeated, "" if it would."""
    if repeatability is None:
        return ""
    if found.margin < repeatability:
        return (
            f"repeats of the reference itself differ by up to ±{repeatability:.3g}, the margin is "
            f"±{found.margin:.3g}"
        )
    units = repeatability * (float(reference.mean()) / 100.0 if found.unit else 1.0)
    attainable = attainable_concordance(reference, repeatability=units)
    if attainable > least:
        return ""
    return (
        f"the reference's repeats have a concordance of {max(attainable, 0.0):.2f} in these "
        f"subjects, {least:g} is asked for"
    )


def attainable_concordance(reference: ArrayLike, *, repeatability: float) -> float:
    """Concordance of the reference with its own repeat: 1 - within-subject / whole variance.

    The within-subject SD is ``repeatability / (1.96 sqrt(2))`` (Bland and Altman 1996,
    doi:10.1136/bmj.313.7049.106). At 0 and below the reference does not tell the subjects apart.

    Args:
        reference: (n,) one value per subject, which must differ.
        repeatability: its repeatability coefficient, same unit.

    Raises:
        ValueError: values that do not differ.

    >>> round(attainable_concordance([1190.0, 1230.0, 1270.0], repeatability=60.0), 2)
    0.71
    """
    whole = float(np.var(np.asarray(reference, np.float64), ddof=1))
    if not whole > 0.0:
        raise ValueError("zero variance: all reference values are equal, so no concordance exists")
    return 1.0 - (repeatability / LIMIT_Z) ** 2 / 2.0 / whole
