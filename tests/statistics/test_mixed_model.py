"""Differences in many regions at once: R's nlme, simulation, and what cannot be fitted."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from qsr_jax import statistics

GOLDEN = Path(__file__).parents[1] / "golden"
FITS = ("balanced", "missing")


def rows_of(name):
    with (GOLDEN / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fitted(rows):
    return statistics.mixed_model(
        *([float(row[side]) for row in rows] for side in ("test", "reference")),
        subjects=[row["subject"] for row in rows],
        regions=[row["region"] for row in rows],
    )


def long(difference, regions):
    """(test, reference, subjects, regions) of differences (subjects, regions)."""
    n, k = difference.shape
    subjects = np.repeat(np.arange(n), k).astype(str)
    return {
        "test": 1000.0 + difference.ravel(),
        "reference": np.full(n * k, 1000.0),
        "subjects": subjects.tolist(),
        "regions": list(regions) * n,
    }


@pytest.mark.parametrize("fit", FITS)
def test_agrees_with_nlme(fit):
    """Both climb to the same REML; what is left is how closely either stops."""
    rows = [r for r in rows_of("mixed_data.csv") if fit == "balanced" or r["missing"] == "0"]
    theirs = {
        (r["region"], r["quantity"]): float(r["value"])
        for r in rows_of("mixed_r.csv")
        if r["fit"] == fit
    }
    ours, t = fitted(rows), stats.t.ppf(0.975, 11)
    found = {("all", "difference"): ours.difference, ("all", "subject_sd"): ours.subject_sd}
    found["all", "se"] = (ours.interval.high - ours.difference) / t
    for name, effect in ours.regions.items():
        found[name, "difference"] = effect.difference
        found[name, "se"] = (effect.interval.high - effect.difference) / t
        found[name, "error_sd"] = effect.error_sd
    assert found == pytest.approx(theirs, rel=1e-4)


def test_two_regions_alike_are_statsmodels_random_intercept():
    """Mirrored errors give both regions one variance, and statsmodels knows that case."""
    rng = np.random.default_rng(2)
    subject, error = rng.normal(0, 9, 15), rng.normal(0, 4, 15)
    error -= error.mean()
    subject -= subject.mean()
    error -= subject * (error @ subject) / (subject @ subject)  # both variances are then equal
    difference = np.stack([3.0 + subject + error, -2.0 + subject - error], -1)
    ours = statistics.mixed_model(**long(difference, ["GM", "WM"]))
    exog = np.tile(np.eye(2), (15, 1))
    theirs = MixedLM(difference.ravel(), exog, np.repeat(np.arange(15), 2)).fit(reml=True)
    assert ours.subject_sd == pytest.approx(float(np.sqrt(theirs.cov_re[0, 0])), rel=1e-3)
    for name, effect, error_of in zip(("GM", "WM"), theirs.fe_params, theirs.bse_fe, strict=True):
        mine = ours.regions[name]
        assert mine.difference == pytest.approx(effect, abs=1e-6)
        half = stats.t.ppf(0.975, 14) * error_of
        assert mine.interval.high - mine.difference == pytest.approx(half, rel=1e-3)
        assert mine.error_sd == pytest.approx(float(np.sqrt(theirs.scale)), rel=1e-3)


def test_its_intervals_cover():
    """Of 60 intervals of 95 %, 50 to 60 hold the truth with a chance of 99.9 % (binomial)."""
    rng = np.random.default_rng(0)
    truth, error = np.array([2.0, -8.0, 5.0]), np.array([3.0, 20.0, 8.0])
    hits = {"a": 0, "b": 0, "c": 0, "all": 0}
    for _ in range(60):
        difference = truth + rng.normal(0, 8, (12, 1)) + rng.normal(0, 1, (12, 3)) * error
        found = statistics.mixed_model(**long(difference, "abc"))
        for name, value in zip("abc", truth, strict=True):
            hits[name] += value in found.regions[name].interval
        hits["all"] += truth.mean() in found.interval
    low, high = stats.binom.ppf([0.0005, 0.9995], 60, 0.95)
    assert all(low <= count <= high for count in hits.values()), hits


def test_units_scale_and_the_order_of_rows_does_not_matter():
    rows = [r for r in rows_of("mixed_data.csv") if r["missing"] == "0"]
    once, again = fitted(rows), fitted(rows[::-1])
    for name, effect in once.regions.items():
        assert again.regions[name].p == pytest.approx(effect.p, rel=1e-4)
    for row in rows:
        row |= {side: float(row[side]) / 1000.0 for side in ("test", "reference")}
    assert fitted(rows).subject_sd == pytest.approx(once.subject_sd / 1000.0, rel=1e-4)


def test_subjects_without_a_difference_of_their_own():
    """Errors that cancel over the regions of a subject leave no variance of subjects."""
    error = np.random.default_rng(1).normal(0, 5, 20)
    found = statistics.mixed_model(**long(np.stack([error, -error], -1), ["GM", "WM"]))
    assert found.subject_sd == 0.0


def test_holm_over_the_regions():
    found = fitted(rows_of("mixed_data.csv"))
    expected = statistics.adjust([e.p for e in found.regions.values()]).holm
    assert [e.p_holm for e in found.regions.values()] == pytest.approx(list(expected))


def test_what_cannot_be_fitted_says_why():
    d = np.random.default_rng(0).normal(size=(5, 2))
    one = statistics.mixed_model(**long(d[:, :1], ["GM"]))
    assert one.reason == "1 region; a mixed model needs 2, read the paired t-test"
    few = statistics.mixed_model(**long(d[:2], ["GM", "WM"]))
    assert few.reason == "GM: n = 2 subjects; at least 3 are needed"
    d[:, 1] = 4.0
    flat = statistics.mixed_model(**long(d, ["GM", "WM"]))
    assert flat.reason == "WM: zero variance: all differences equal 4"
    assert (flat.regions, flat.difference, flat.interval) == ({}, None, None)


def test_tables_that_make_no_sense_are_refused():
    given = long(np.random.default_rng(0).normal(size=(4, 2)), ["GM", "WM"])
    with pytest.raises(ValueError, match=r"expected equal lists \(values,\)"):
        statistics.mixed_model(**(given | {"regions": ["GM"]}))
    with pytest.raises(ValueError, match="two values of subject 0 in GM; average them first"):
        statistics.mixed_model(**(given | {"regions": ["GM"] * 8}))
    given["test"][3] = np.nan
    with pytest.raises(ValueError, match="leave that subject's region out"):
        statistics.mixed_model(**given)
