"""All statistics of many comparisons over the same subjects, computed together."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qsr_jax.statistics.bland_altman import bland_altman, proportional_bias, variation
from qsr_jax.statistics.bootstrap import BOOTSTRAPS, MIN_BOOTSTRAP, bootstrap, draw_subjects
from qsr_jax.statistics.coefficients import concordance, icc_agreement, icc_consistency
from qsr_jax.statistics.comparisons import MIN_SUBJECTS, DegenerateError, pair
from qsr_jax.statistics.paired_tests import describe, equivalence, paired_t
from qsr_jax.statistics.passing_bablok import MOST_SUBJECTS
from qsr_jax.statistics.regression import (
    MIN_PASSING_BABLOK,
    deming,
    passing_bablok,
    regress,
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
from qsr_jax.statistics.signed_rank import signed_rank


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

    Raises:
        ValueError: a margin that is not a positive number, or an unknown bootstrap.
    """

    alpha: float
    margin_percent: float
    margins: Mapping[str, float]
    error_ratio: float
    resamples: int
    bootstrap: str
    seed: int

    def __post_init__(self) -> None:
        stated = {f"margin of {self.margin_percent:g} %": self.margin_percent}
        stated |= {f"margin of {name} of {x:g}": x for name, x in self.margins.items()}
        for said, margin in stated.items():
            if not (np.isfinite(margin) and margin > 0.0):
                raise ValueError(f"{said}, expected a positive number")
        if self.bootstrap not in BOOTSTRAPS:
            raise ValueError(f"bootstrap {self.bootstrap!r} is not one of {', '.join(BOOTSTRAPS)}")


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

    ``equivalence_units`` is None without a margin in units; ``passing_bablok`` below five and
    above 2000 subjects or where the line does not exist; ``bootstrap`` below twenty subjects or
    when not asked for.
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
) -> list[Comparison | str]:
    """Every statistic of every comparison, or why one cannot be computed.

    Args:
        endpoints: what each comparison is.
        test: (comparisons, n) one positive value per subject.
        reference: same shape and units.
        plan: margins, levels and resampling.

    Returns:
        In the order of ``endpoints``; a text where values are too few or degenerate.

    Raises:
        ValueError: unequal shapes, or a level that makes no sense.

    >>> plan = Plan(alpha=0.05, margin_percent=5.0, margins={}, error_ratio=1.0, resamples=0,
    ...             bootstrap="bca", seed=0)
    >>> endpoint = Endpoint("t1", "GM", "ms", "network", "routine")
    >>> found, = compare([endpoint], [[1201.0, 1250.0, 1299.0]], [[1200.0, 1252.0, 1295.0]],
    ...                  plan=plan)
    >>> found.paired_t.difference, found.equivalence_percent.equivalent
    (1.0, True)
    """
    x, y = (np.array(v, np.float64)[..., None] for v in (test, reference))
    if x.shape != y.shape or x.shape[:-2] != (len(endpoints),):
        raise ValueError(
            f"test {x.shape[:-1]}, reference {y.shape[:-1]}: expected two of "
            f"({len(endpoints)}, n), one row for each endpoint"
        )
    if x.shape[-2] < MIN_SUBJECTS:
        return [f"n = {x.shape[-2]} subjects; at least {MIN_SUBJECTS} are needed"] * len(endpoints)
    reasons: dict[int, str] = {}
    while True:
        try:
            found = _statistics(x, y, endpoints, plan) | {"bootstrap": _bootstrap(x, y, plan)}
            break
        except DegenerateError as error:
            # What stands in keeps the shape, so that nothing is compiled again.
            bad = [index[0] for index in error.indices]
            reasons |= dict.fromkeys(bad, error.reason)
            x[bad], y[bad] = _stand_in(x.shape[-2])
    return [
        reasons[i]
        if i in reasons
        else _comparison(endpoint, x[i, :, 0], y[i, :, 0], _taken(found, i), plan)
        for i, endpoint in enumerate(endpoints)
    ]


def _stand_in(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (n, 1) of which every statistic exists."""
    reference = np.arange(n)[:, None] + 10.0
    return reference + 0.01 * (reference - 10.0) ** 2, reference


def _taken(found: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The results of one comparison, None for what there is none of."""
    mine: dict[str, Any] = {}
    for name, many in found.items():
        if isinstance(many, Mapping):
            mine[name] = _taken(many, index)
        else:
            mine[name] = None if many is None else take(many, (index,))
    return mine


def _comparison(
    endpoint: Endpoint, x: np.ndarray, y: np.ndarray, mine: dict[str, Any], plan: Plan
) -> Comparison:
    """One comparison, without the results that do not exist or were not asked for."""
    if endpoint.map not in plan.margins:
        mine["equivalence_units"] = None
    line = mine["passing_bablok"]
    if line is not None and np.isnan(line.slope):
        mine["passing_bablok"] = None
    there = {name: b for name, b in mine["bootstrap"].items() if not np.isnan(b.low)}
    mine["bootstrap"] = there or None
    return Comparison(endpoint=endpoint, n=len(x), test=describe(x), reference=describe(y), **mine)


def _statistics(
    x: np.ndarray, y: np.ndarray, endpoints: Sequence[Endpoint], plan: Plan
) -> dict[str, Any]:
    """Field of :class:`Comparison` to its result over all comparisons: a statistic is one line.

    A map without a margin in units gets an infinite one.
    """
    units = np.array([endpoint.unit for endpoint in endpoints])
    margins = [plan.margins.get(endpoint.map, np.inf) for endpoint in endpoints]
    alpha, listed = plan.alpha, MIN_PASSING_BABLOK <= x.shape[-2] <= MOST_SUBJECTS
    return {
        "paired_t": paired_t(x, y),
        "signed_rank": signed_rank(x, y),
        "equivalence_percent": equivalence(x, y, alpha=alpha, margin_percent=plan.margin_percent),
        "equivalence_units": equivalence(x, y, alpha=alpha, margin=margins),
        "bland_altman": bland_altman(x, y, percent=False, unit=units),
        "bland_altman_percent": bland_altman(x, y, percent=True, unit="%"),
        "proportional_bias": proportional_bias(x, y),
        "regression": regress(x, y),
        "deming": deming(x, y, error_ratio=plan.error_ratio),
        "passing_bablok": passing_bablok(x, y) if listed else None,
        "concordance": concordance(x, y),
        "icc_agreement": icc_agreement(x, y),
        "icc_consistency": icc_consistency(x, y),
        "variation": variation(x, y),
    }


def _bootstrap(x: np.ndarray, y: np.ndarray, plan: Plan) -> dict[str, Interval]:
    """Bootstrap intervals of all comparisons; none where not asked for or of too few subjects."""
    n = x.shape[-2]
    if plan.resamples == 0 or n < MIN_BOOTSTRAP:
        return {}
    counts = draw_subjects(np.random.default_rng(plan.seed), n, resamples=plan.resamples)
    pairs = pair(x, y, error_ratio=plan.error_ratio)
    return bootstrap(pairs, counts, method=plan.bootstrap)
