"""Differences in many regions of every subject at once: a linear mixed model, by REML.

``difference = region + subject + error``: regions are fixed, subjects random, and each region has
an error variance of its own. Statsmodels' mixed models know one error variance for all, so the
likelihood is written here; it agrees with R's nlme (``varIdent``, tests/golden/mixed.R).
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from qsr_jax.statistics.comparisons import MIN_SUBJECTS, t_interval
from qsr_jax.statistics.multiplicity import adjust
from qsr_jax.statistics.results import Interval, take

SMALLEST = 1e-6
"""Least variance of subjects that is told from none, as a share of a region's."""


@dataclasses.dataclass(frozen=True)
class RegionEffect:
    """One region's mean difference; ``p_holm`` is corrected for the number of regions.

    ``error_sd`` is what is left in this region besides the subject's own difference.
    """

    n: int
    difference: float
    interval: Interval
    p: float
    p_holm: float
    error_sd: float


@dataclasses.dataclass(frozen=True)
class MixedModel:
    """Differences over regions and subjects.

    Attributes:
        n: subjects.
        points: values, at most n times regions.
        regions: name to its effect; empty where not computed.
        difference: mean of all regions' effects, each region counting alike.
        interval: its 95 % confidence.
        subject_sd: SD of what a subject's regions have in common.
        reason: why nothing was computed, "" where it was.
    """

    n: int
    points: int
    regions: dict[str, RegionEffect]
    difference: float | None
    interval: Interval | None
    subject_sd: float | None
    reason: str


def mixed_model(
    test: ArrayLike,
    reference: ArrayLike,
    *,
    subjects: Sequence[str],
    regions: Sequence[str],
) -> MixedModel:
    """Mean difference of every region, with subjects random and errors as large as they are.

    REML (Patterson and Thompson 1971, doi:10.1093/biomet/58.3.545; Pinheiro and Bates 2000,
    doi:10.1007/b98882). Tests and intervals use Student's t with n - 1 degrees of freedom, n the
    number of subjects, which is exact for one region and keeps to the subject as what counts.

    Args:
        test: (values,) one per subject and region.
        reference: same shape and unit.
        subjects: (values,) whose.
        regions: (values,) where. A subject may lack regions.

    Raises:
        ValueError: unequal lengths, two values of one subject and region, or one that is not
            finite.

    >>> d = [[1.0, 3.0], [2.0, 5.0], [4.0, 4.0], [3.0, 8.0]]
    >>> found = mixed_model(np.ravel(d) + 100, [100.0] * 8, subjects=list("aabbccdd"),
    ...                     regions=["GM", "WM"] * 4)
    >>> round(found.regions["GM"].difference, 4), round(found.difference, 4)
    (2.5, 3.75)
    """
    table, named = _table(test, reference, subjects, regions)
    there = ~np.isnan(table)
    n, counts = len(table), there.sum(0)
    blank = MixedModel(n, int(there.sum()), {}, None, None, None, "")
    reason = _too_little(table, named)
    if reason:
        return dataclasses.replace(blank, reason=reason)
    scale = float(np.nanstd(table, 0, ddof=1).max())
    effects, covariance, error, subject = _fit(np.where(there, table, 0.0) / scale, there)
    weights = np.full(len(named), 1.0 / len(named))
    effects, se = effects * scale, np.sqrt(np.diag(covariance)) * scale
    mean_se = float(np.sqrt(weights @ covariance @ weights)) * scale
    p = 2.0 * special.stdtr(n - 1, -np.abs(effects) / se)
    intervals, holm = t_interval(effects, se, n - 1), adjust(p).holm
    each = {
        name: RegionEffect(
            n=int(counts[i]),
            difference=float(effects[i]),
            interval=take(intervals, (i,)),
            p=float(p[i]),
            p_holm=float(holm[i]),
            error_sd=float(error[i]) * scale,
        )
        for i, name in enumerate(named)
    }
    mean = float(effects.mean())
    around = take(t_interval(np.array(mean), np.array(mean_se), n - 1))
    return dataclasses.replace(
        blank, regions=each, difference=mean, interval=around, subject_sd=subject * scale
    )


def _table(
    test: ArrayLike, reference: ArrayLike, subjects: Sequence[str], regions: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Differences (subjects, regions), NaN where there is none, and the regions' names.

    Raises:
        ValueError: as :func:`mixed_model`.
    """
    x, y = np.asarray(test, np.float64), np.asarray(reference, np.float64)
    lengths = {x.shape, y.shape, (len(subjects),), (len(regions),)}
    if len(lengths) > 1:
        raise ValueError(f"shapes {sorted(lengths)}: expected equal lists (values,)")
    if not np.isfinite([x, y]).all():
        raise ValueError("a value is NaN or infinite; leave that subject's region out, or mend it")
    who, named = ({name: i for i, name in enumerate(dict.fromkeys(v))} for v in (subjects, regions))
    table = np.full((len(who), len(named)), np.nan)
    for subject, region, value in zip(subjects, regions, (x - y).tolist(), strict=True):
        place = who[subject], named[region]
        if not np.isnan(table[place]):
            raise ValueError(f"two values of subject {subject} in {region}; average them first")
        table[place] = value
    return table, list(named)


def _too_little(table: np.ndarray, named: Sequence[str]) -> str:
    """Why the model cannot be fitted, "" if it can."""
    if table.shape[1] < 2:
        return f"{table.shape[1]} region; a mixed model needs 2, read the paired t-test"
    for name, column in zip(named, table.T, strict=True):
        values = column[~np.isnan(column)]
        if len(values) < MIN_SUBJECTS:
            return f"{name}: n = {len(values)} subjects; at least {MIN_SUBJECTS} are needed"
        if not values.std() > 1e-12 * np.abs(values).max():
            return f"{name}: zero variance: all differences equal {values[0]:g}"
    return ""


def _fit(table: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Effects (regions,), their covariance, SDs of error (regions,) and the SD of subjects.

    ``table`` is (subjects, regions), zero where not ``there``.
    """
    count = there.sum(0)
    variance = ((table - table.sum(0) / count) ** 2 * there).sum(0) / (count - 1)
    start = np.log(np.concatenate([variance / 2.0, [variance.mean() / 2.0]]))
    floor = np.log(SMALLEST * np.append(variance, variance.min()))
    with jax.enable_x64(True):
        ones = there.astype(np.float64)
        found = optimize.minimize(
            lambda logs: tuple(np.asarray(v) for v in _cost(logs, table, ones)),
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(low, None) for low in floor],
            options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000},
        )
        _, effects, information = _reml_once(found.x, table, ones)
    sd = np.exp(found.x / 2.0)
    subject = float(sd[-1]) if found.x[-1] > floor[-1] else 0.0
    return np.asarray(effects), np.linalg.inv(np.asarray(information)), sd[:-1], subject


def _reml(
    logs: jax.Array, table: jax.Array, there: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Minus the restricted log likelihood but for a constant, the effects, and X' V^-1 X.

    ``logs`` are log variances of every region's error and of subjects. A subject's covariance is
    ``diag(error) + subject 1 1'``, whose inverse is that of a diagonal less a product
    (Sherman and Morrison), and of which missing regions are no part.
    """
    weight = jnp.exp(-logs[:-1]) * there
    shared = jnp.exp(logs[-1])
    inside = 1.0 + shared * weight.sum(1)
    pull = shared / inside
    information = jnp.diag(weight.sum(0)) - jnp.einsum("s,sr,sq->rq", pull, weight, weight)

    def weighted(values: jax.Array) -> jax.Array:
        return weight * (values - (pull * (weight * values).sum(1))[:, None])

    effects = jnp.linalg.solve(information, weighted(table).sum(0))
    rest = (table - effects) * there
    determinant = (logs[:-1] * there).sum() + jnp.log(inside).sum()
    square = (rest * weighted(rest)).sum()
    return (determinant + jnp.linalg.slogdet(information)[1] + square) / 2.0, effects, information


_reml_once = jax.jit(_reml)
_cost = jax.jit(jax.value_and_grad(lambda logs, table, there: _reml(logs, table, there)[0]))
