"""Does one method of measurement agree with another? Statistics over subjects, no arrays of voxels.

Every function takes ``test`` and ``reference``, float64 after entry, of shape (n,) with one number
per subject or (n, k) with the same k tissues of every subject. n is always the number of subjects.
With k > 1 the estimates use all n * k points, as the paper does, and the intervals come from
leaving out one subject at a time, because points of one subject are not independent.

Many comparisons at once (maps x regions x methods) go through :func:`stack_of` and the functions
``*_of``, or all of them through :func:`compare`: estimates, jackknife and bootstrap are then one
compiled call. The single functions are the same code on a stack of one.

Degenerate input raises ValueError and says which: unequal shapes, n < 3, a value that is not
finite, no spread. The house never says "no difference" because p > .05; see :func:`equivalence`.
"""

from qsr_jax.statistics.agreement import BOOTSTRAPS, Comparison, Endpoint, Plan, compare
from qsr_jax.statistics.bland_altman import (
    bland_altman,
    bland_altman_of,
    proportional_bias,
    proportional_bias_of,
    variation,
    variation_of,
)
from qsr_jax.statistics.bootstrap import (
    BOOTSTRAPPED,
    MIN_BOOTSTRAP,
    Adjusted,
    adjust,
    bca_of,
    draw_subjects,
    percentile_of,
)
from qsr_jax.statistics.coefficients import (
    concordance,
    concordance_of,
    icc_agreement,
    icc_agreement_of,
    icc_consistency,
    icc_consistency_of,
)
from qsr_jax.statistics.comparisons import LEVEL, MIN_SUBJECTS, Stack, pair, stack_of
from qsr_jax.statistics.moments import LIMIT_Z, Estimates, estimate
from qsr_jax.statistics.paired_tests import (
    describe,
    equivalence,
    equivalence_of,
    margin_of,
    paired_t,
    paired_t_of,
    signed_rank,
    signed_rank_of,
)
from qsr_jax.statistics.regression import (
    MIN_PASSING_BABLOK,
    deming,
    deming_of,
    passing_bablok,
    passing_bablok_of,
    regress,
    regress_of,
)
from qsr_jax.statistics.results import (
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

__all__ = [
    "BOOTSTRAPPED",
    "BOOTSTRAPS",
    "LEVEL",
    "LIMIT_Z",
    "MIN_BOOTSTRAP",
    "MIN_PASSING_BABLOK",
    "MIN_SUBJECTS",
    "Adjusted",
    "BlandAltman",
    "Coefficient",
    "Comparison",
    "Deming",
    "Equivalence",
    "Estimates",
    "Interval",
    "PairedT",
    "PassingBablok",
    "Plan",
    "ProportionalBias",
    "Regression",
    "Sample",
    "SignedRank",
    "Stack",
    "Endpoint",
    "Variation",
    "adjust",
    "bca_of",
    "bland_altman",
    "bland_altman_of",
    "compare",
    "concordance",
    "concordance_of",
    "deming",
    "deming_of",
    "describe",
    "draw_subjects",
    "equivalence",
    "equivalence_of",
    "estimate",
    "icc_agreement",
    "icc_agreement_of",
    "icc_consistency",
    "icc_consistency_of",
    "margin_of",
    "pair",
    "paired_t",
    "paired_t_of",
    "passing_bablok",
    "passing_bablok_of",
    "percentile_of",
    "proportional_bias",
    "proportional_bias_of",
    "regress",
    "regress_of",
    "signed_rank",
    "signed_rank_of",
    "stack_of",
    "take",
    "variation",
    "variation_of",
]
