"""Does one method of measurement agree with another? Statistics over subjects, no arrays of voxels.

Every statistic takes ``test`` and ``reference``, float64 after entry: (n,) with one number per
subject, (n, k) with the same k tissues of every subject, or (comparisons..., n, k), many
comparisons (maps x regions x methods) over the same subjects. n is always the number of subjects.
With k > 1 the estimates use all n * k points, as the paper does, and the intervals come from
leaving out one subject at a time, because points of one subject are not independent.

One comparison gives plain numbers, many give arrays (comparisons...). Both are the same formulas;
many are compiled (:mod:`qsr_jax.statistics.backend`). :func:`compare` gives everything at once.

Degenerate input raises ValueError and says which: unequal shapes, n < 3, a value that is not
finite, no spread. Only the verdicts on whether a method agrees do not (:func:`mean_verdict`,
:func:`individual_verdict`, :func:`non_inferiority`, many at once :func:`decide_family`): they say
why there is no answer. The house never says "no difference" because p > .05.
"""

from qsr_jax.statistics.agreement import (
    Comparison,
    Endpoint,
    Plan,
    compare,
)
from qsr_jax.statistics.bland_altman import bland_altman, proportional_bias, variation
from qsr_jax.statistics.bootstrap import (
    BOOTSTRAPPED,
    BOOTSTRAPS,
    MIN_BOOTSTRAP,
    bootstrap,
    draw_subjects,
)
from qsr_jax.statistics.clustered import ClusteredMean, clustered_mean
from qsr_jax.statistics.coefficients import concordance, icc_agreement, icc_consistency
from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError, Pairs, pair
from qsr_jax.statistics.families import RULES, Family, decide_family
from qsr_jax.statistics.mixed_model import MixedModel, RegionEffect, mixed_model
from qsr_jax.statistics.moments import LIMIT_Z, Estimates, estimate
from qsr_jax.statistics.multiplicity import Adjusted, adjust
from qsr_jax.statistics.non_inferiority import non_inferiority, score_non_inferiority
from qsr_jax.statistics.outcomes import LEAST_SUBJECTS, Outcome, Verdict
from qsr_jax.statistics.paired_tests import (
    describe,
    equivalence,
    paired_t,
)
from qsr_jax.statistics.planning import (
    SampleSize,
    individual_power,
    individual_subjects,
    mean_power,
    mean_subjects,
)
from qsr_jax.statistics.regression import (
    MIN_PASSING_BABLOK,
    deming,
    passing_bablok,
    regress,
)
from qsr_jax.statistics.repeatability import Repeatability, repeatability
from qsr_jax.statistics.results import (
    LEVEL,
    BlandAltman,
    Coefficient,
    Deming,
    Equivalence,
    Interval,
    PairedT,
    PassingBablok,
    ProportionalBias,
    Regression,
    Sample,
    SignedRank,
    Variation,
    take,
)
from qsr_jax.statistics.signed_rank import signed_rank
from qsr_jax.statistics.verdicts import (
    LEAST_CONCORDANCE,
    attainable_concordance,
    individual_verdict,
    mean_verdict,
)

__all__ = [
    "BOOTSTRAPPED",
    "BOOTSTRAPS",
    "LEAST_CONCORDANCE",
    "LEAST_SUBJECTS",
    "LEVEL",
    "LIMIT_Z",
    "MIN_BOOTSTRAP",
    "MIN_PASSING_BABLOK",
    "MIN_SUBJECTS",
    "RULES",
    "Adjusted",
    "BlandAltman",
    "ClusteredMean",
    "Coefficient",
    "Comparison",
    "DegenerateError",
    "Deming",
    "Endpoint",
    "Equivalence",
    "Estimates",
    "Family",
    "Interval",
    "MixedModel",
    "Outcome",
    "PairedT",
    "Pairs",
    "PassingBablok",
    "Plan",
    "ProportionalBias",
    "RegionEffect",
    "Regression",
    "Repeatability",
    "Sample",
    "SampleSize",
    "SignedRank",
    "Variation",
    "Verdict",
    "adjust",
    "attainable_concordance",
    "bland_altman",
    "bootstrap",
    "clustered_mean",
    "compare",
    "concordance",
    "decide_family",
    "deming",
    "describe",
    "draw_subjects",
    "equivalence",
    "estimate",
    "icc_agreement",
    "icc_consistency",
    "individual_power",
    "individual_subjects",
    "individual_verdict",
    "mean_power",
    "mean_subjects",
    "mean_verdict",
    "mixed_model",
    "non_inferiority",
    "pair",
    "paired_t",
    "passing_bablok",
    "proportional_bias",
    "regress",
    "repeatability",
    "score_non_inferiority",
    "signed_rank",
    "take",
    "variation",
]
