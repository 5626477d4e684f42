"""All statistics of many comparisons over the same subjects, computed together."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.bland_altman import bland_altman_of, proportional_bias_of, variation_of
from qsr_jax.statistics.bootstrap import (
    BOOTSTRAPPED,
    MIN_BOOTSTRAP,
    bca_of,
    draw_subjects,
    percentile_of,
)
from qsr_jax.statistics.coefficients import (
    concordance_of,
    icc_agreement_of,
    icc_consistency_of,
)
from qsr_jax.statistics.comparisons import Stack, stack_of
from qsr_jax.statistics.paired_tests import (
    describe,
    equivalence_of,
    paired_t_of,
    signed_rank_of,
)
from qsr_jax.statistics.regression import (
    MIN_PASSING_BABLOK,
    deming_of,
    passing_bablok_of,
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

BOOTSTRAPS = {"bca": bca_of, "percentile": percentile_of}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is asked of every comparison; nothing here has a default.

    Attributes:
        alpha: level of each one-sided test of TOST.
        margin_percent: margin in percent of the reference's mean.
        margins: margins in units by map; maps that are not in it get the one in percent only.
        error_ratio: var(error of test) / var(error of reference) of Deming's line.
        resamples: bootstrap samples, 0 for none.
        bootstrap: key of :data:`BOOTSTRAPS`.
        seed: of the bootstrap.
    """

    alpha: float
    margin_percent: float
    margins: dict[str, float]
    error_ratio: float
    resamples: int
    bootstrap: str
    seed: int


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """What a comparison compares."""

    map: str
    region: str
    unit: str
    test: str
    reference: str

    def __str__(self) -> str:
        return f"{self.map} {self.region}, {self.test} vs {self.reference}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One test method against the reference in one region of one map; ``n`` counts subjects.

    ``equivalence_units`` is None without a margin in units; ``passing_bablok`` below five subjects
    or where the line does not exist; ``bootstrap`` below eight subjects or when not asked for.
    """

    endpoint: Endpoint
    n: int
    test: Sample
    reference: Sample
    paired_t: PairedT
    signed_rank: SignedRank
    equivalence_percent: Equivalence
    equivalence_units: Equivalence | None
    bland_altman: BlandAltman
    bland_altman_percent: BlandAltman
    proportional_bias: ProportionalBias
    regression: Regression
    deming: Deming
    passing_bablok: PassingBablok | None
    concordance: Coefficient
    icc_agreement: Coefficient
    icc_consistency: Coefficient
    variation: Variation
    bootstrap: dict[str, Interval] | None


def compare(
    endpoints: Sequence[Endpoint], test: ArrayLike, reference: ArrayLike, *, plan: Plan
) -> list[Comparison]:
    """Every statistic of every comparison.

    Args:
        endpoints: what each comparison is.
        test: (comparisons, n) one positive value per subject.
        reference: same shape and units.
        plan: margins, levels and resampling.

    Raises:
        ValueError: degenerate input, naming the comparison; a plan that makes no sense.
    """
    if plan.bootstrap not in BOOTSTRAPS:
        raise ValueError(f"bootstrap {plan.bootstrap!r} is not one of {', '.join(BOOTSTRAPS)}")
    x, y = np.asarray(test, np.float64), np.asarray(reference, np.float64)
    n = x.shape[-1]
    draws = plan.resamples > 0 and n >= MIN_BOOTSTRAP
    rng = np.random.default_rng(plan.seed)
    counts = draw_subjects(rng, n, resamples=plan.resamples) if draws else None
    stack = stack_of(
        x[..., None],
        y[..., None],
        names=np.array([str(s) for s in endpoints], object),
        error_ratio=plan.error_ratio,
        counts=counts,
    )
    results = _statistics(stack, endpoints, plan)
    boot = {name: BOOTSTRAPS[plan.bootstrap](stack, name) for name in BOOTSTRAPPED if draws}
    comparisons = []
    for i, endpoint in enumerate(endpoints):
        mine = {name: take(result, (i,)) for name, result in results.items()}
        line, units = mine.pop("passing_bablok", None), mine.pop("equivalence_units")
        comparisons.append(
            Comparison(
                endpoint=endpoint,
                n=n,
                test=describe(x[i]),
                reference=describe(y[i]),
                equivalence_units=units if endpoint.map in plan.margins else None,
                passing_bablok=None if line is None or np.isnan(line.slope) else line,
                bootstrap=_existing({name: take(b, (i,)) for name, b in boot.items()}),
                **mine,
            )
        )
    return comparisons


def _existing(intervals: dict[str, Interval]) -> dict[str, Interval] | None:
    """Without those that do not exist in every bootstrap sample; None where none is left."""
    return {name: b for name, b in intervals.items() if not np.isnan(b.low)} or None


def _statistics(stack: Stack, endpoints: Sequence[Endpoint], plan: Plan) -> dict[str, Any]:
    """Results that hold all comparisons. A map without a margin in units gets an infinite one."""
    units = np.array([s.unit for s in endpoints])
    margins = [plan.margins.get(s.map, np.inf) for s in endpoints]
    results = {
        "paired_t": paired_t_of(stack),
        "signed_rank": signed_rank_of(stack),
        "equivalence_percent": equivalence_of(
            stack, alpha=plan.alpha, margin_percent=plan.margin_percent
        ),
        "equivalence_units": equivalence_of(stack, alpha=plan.alpha, margin=margins),
        "bland_altman": bland_altman_of(stack, percent=False, unit=units),
        "bland_altman_percent": bland_altman_of(stack, percent=True, unit="%"),
        "proportional_bias": proportional_bias_of(stack),
        "regression": regress_of(stack),
        "deming": deming_of(stack),
        "concordance": concordance_of(stack),
        "icc_agreement": icc_agreement_of(stack),
        "icc_consistency": icc_consistency_of(stack),
        "variation": variation_of(stack),
    }
    if stack.n >= MIN_PASSING_BABLOK:
        results["passing_bablok"] = passing_bablok_of(stack)
    return results
