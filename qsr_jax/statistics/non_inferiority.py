"""Is one method not worse than another? Paired differences of their errors, or of their scores."""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError
from qsr_jax.statistics.outcomes import Outcome, Verdict, asked, decided, too_few, withheld
from qsr_jax.statistics.paired_tests import paired_t
from qsr_jax.statistics.results import Interval

QUESTION = "non-inferiority"


def non_inferiority(
    test: ArrayLike,
    comparator: ArrayLike,
    reference: ArrayLike,
    *,
    margin_percent: float | None = None,
    margin: float | None = None,
    alpha: float = 0.05,
) -> Verdict:
    """Does a method lie no farther from the reference than another does, but for a margin?

    Of each subject, ``|test - reference| - |comparator - reference|``, in percent of the
    subject's reference where the margin is; one-sided paired t-test that its mean lies below the
    margin (CONSORT for non-inferiority, Piaggio et al. 2012, doi:10.1001/jama.2012.87802).
    Negative favours the test.

    Args:
        test: (n,) one value per subject.
        comparator: same shape and unit, such as the fast scan's.
        reference: same shape and unit.
        margin_percent: how much larger the error may be, percent; state this or ``margin``.
        margin: the same in the unit of the values.
        alpha: level of the test; the interval is of level 1 - 2 alpha.

    Raises:
        ValueError: unequal shapes, several values per subject, not one margin, or an option
            outside its range. Degenerate values are an outcome, not an error.

    >>> y = [100.0 + i for i in range(12)]
    >>> near, far = [v + 1 + v % 2 for v in y], [v - 2 for v in y]
    >>> non_inferiority(near, far, y, margin=1.0).reason
    '90 % interval -0.771 to -0.229 inside ±1'
    """
    (x, c, y), blank = asked(
        QUESTION,
        (test, comparator, reference),
        margin=margin,
        margin_percent=margin_percent,
        alpha=alpha,
    )
    if margin is None:
        if not (y > 0.0).all():
            reason = "a reference value is missing, zero or negative, so percent has no meaning"
            return withheld(blank, Outcome.NOT_COMPUTED, reason)
        x, c, y = (100.0 * v / y for v in (x, c, y))
    return _not_worse(blank, np.abs(x - y), np.abs(c - y), worse=1.0)


def score_non_inferiority(
    test: ArrayLike, comparator: ArrayLike, *, margin: float, alpha: float = 0.05
) -> Verdict:
    """The same of a score that is better when higher, such as PSNR. Positive favours the test.

    Args:
        test: (n,) one score per subject.
        comparator: same shape and unit.
        margin: how much lower the score may be.
        alpha: level of the test; the interval is of level 1 - 2 alpha.

    Raises:
        ValueError: as :func:`non_inferiority`.

    >>> scores = [26.0 + i % 3 for i in range(12)]
    >>> better = [s + 0.5 + 0.1 * (i % 2) for i, s in enumerate(scores)]
    >>> score_non_inferiority(better, scores, margin=0.25).reason
    '90 % interval 0.523 to 0.577 inside ±0.25'
    """
    (x, c), blank = asked(
        QUESTION, (test, comparator), margin=margin, margin_percent=None, alpha=alpha
    )
    return _not_worse(blank, x, c, worse=-1.0)


def _not_worse(blank: Verdict, first: np.ndarray, second: np.ndarray, *, worse: float) -> Verdict:
    """Whether the mean of first - second lies less than the margin on the ``worse`` side of 0."""
    if blank.n < MIN_SUBJECTS:
        return too_few(blank)
    try:
        difference = paired_t(first, second)
    except DegenerateError as error:
        return withheld(blank, Outcome.NOT_COMPUTED, error.reason)
    se = difference.sd / math.sqrt(blank.n)
    half = float(special.stdtrit(blank.n - 1, 1.0 - blank.alpha)) * se
    centre = difference.difference
    found = dataclasses.replace(
        blank,
        estimate=centre,
        interval=Interval(centre - half, centre + half, 1.0 - 2.0 * blank.alpha),
        reach=(worse * centre + half) / blank.margin,
        p=float(special.stdtr(blank.n - 1, (worse * centre - blank.margin) / se)),
    )
    return decided(found)
