"""Golden numbers: R's base functions, statsmodels and scipy on stored data sets.

``tests/golden/agreement.R`` made ``agreement_r.csv`` with R 4.2.2 from ``agreement_data.csv``: the
paper's Table 3, and rounded simulated cohorts of 5, 14 (with ties), 31 and 60 subjects.
"""

import csv
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from qsr_jax import statistics

GOLDEN = Path(__file__).parents[1] / "golden"
RTOL = 1e-6


def rows_of(name):
    with (GOLDEN / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_data():
    data = defaultdict(list)
    for row in rows_of("agreement_data.csv"):
        data[row["dataset"]].append((float(row["test"]), float(row["reference"])))
    return {name: np.array(pairs).T for name, pairs in data.items()}


def read_golden():
    golden = defaultdict(dict)
    for row in rows_of("agreement_r.csv"):
        golden[row["dataset"]][row["quantity"]] = float(row["value"])
    return golden


DATA, R = read_data(), read_golden()


def ends(name, interval):
    return {f"{name}low": interval.low, f"{name}high": interval.high}


def our_paired_t(x, y):
    r = statistics.paired_t(x, y)
    return {"difference": r.difference, "t": r.t, "p": r.p, **ends("", r.interval)}


def our_equivalence(x, y):
    r = statistics.equivalence(x, y, alpha=0.05, margin_percent=5.0)
    return {"margin": r.margin, "p": r.p, **ends("", r.interval)}


def our_equivalence_percent(x, y):
    return ends("", statistics.equivalence(x, y, alpha=0.05, margin_percent=5.0).interval_percent)


def our_bland_altman(percent):
    def numbers(x, y):
        r = statistics.bland_altman(x, y, unit="ms", percent=percent)
        found = {name: getattr(r, name) for name in ("bias", "sd", "low", "high")}
        for name in ("bias", "low", "high"):
            found |= ends(f"{name}_", getattr(r, f"{name}_interval"))
        return found

    return numbers


def line(r, **more):
    return {
        "slope": r.slope,
        "intercept": r.intercept,
        **ends("slope_", r.slope_interval),
        **ends("intercept_", r.intercept_interval),
        **more,
    }


def our_regression(x, y):
    r = statistics.regress(x, y)
    return line(r, r_squared=r.r_squared)


def our_proportional_bias(x, y):
    r = statistics.proportional_bias(x, y)
    return {
        "slope": r.slope,
        "intercept": r.intercept,
        "p": r.p,
        **ends("slope_", r.slope_interval),
    }


def our_deming(ratio):
    return lambda x, y: line(statistics.deming(x, y, error_ratio=ratio))


def our_passing_bablok(x, y):
    r = statistics.passing_bablok(x, y)
    return line(r, linearity_p=r.linearity_p)


def our_concordance(x, y):
    r = statistics.concordance(x, y)
    return {"value": r.value, **ends("", r.interval)}


def our_icc(x, y):
    consistency, absolute = statistics.icc_consistency(x, y), statistics.icc_agreement(x, y)
    return {
        "consistency": consistency.value,
        "agreement": absolute.value,
        **ends("consistency_", consistency.interval),
        **ends("agreement_", absolute.interval),
    }


def our_variation(x, y):
    r = statistics.variation(x, y)
    return {"test": r.test, "reference": r.reference, "between": r.between}


def our_signed_rank(x, y):
    r = statistics.signed_rank(x, y)
    rest = {"pseudomedian": r.pseudomedian, **ends("", r.interval)}
    return {"v": r.v, "p": r.p} | (rest if r.method == "exact" else {})


OURS = {
    "paired_t": our_paired_t,
    "equivalence": our_equivalence,
    "equivalence_percent": our_equivalence_percent,
    "bland_altman": our_bland_altman(percent=False),
    "bland_altman_percent": our_bland_altman(percent=True),
    "regression": our_regression,
    "proportional_bias": our_proportional_bias,
    "signed_rank": our_signed_rank,
    "deming_1": our_deming(1.0),
    "deming_2.5": our_deming(2.5),
    "passing_bablok": our_passing_bablok,
    "concordance": our_concordance,
    "icc": our_icc,
    "variation": our_variation,
}


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("dataset", DATA)
def test_agrees_with_r(dataset, name):
    theirs = {
        quantity.removeprefix(f"{name}."): value
        for quantity, value in R[dataset].items()
        if quantity.startswith(f"{name}.")
    }
    ours = OURS[name](*DATA[dataset])
    assert ours.keys() == theirs.keys()
    for quantity, value in ours.items():
        assert value == pytest.approx(theirs[quantity], rel=RTOL, abs=1e-12), quantity


def test_the_stored_numbers_are_what_the_script_says(tmp_path):
    if shutil.which("Rscript") is None:
        pytest.skip("R absent: install r-base-core to make the golden numbers again")
    for name in ("agreement.R", "agreement_data.csv"):
        shutil.copy(GOLDEN / name, tmp_path)
    subprocess.run(["Rscript", "agreement.R"], cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "agreement_r.csv").open(newline="", encoding="utf-8") as file:
        again = {(r["dataset"], r["quantity"]): float(r["value"]) for r in csv.DictReader(file)}
    stored = {(name, q): value for name, found in R.items() for q, value in found.items()}
    assert again == pytest.approx(stored, rel=1e-9)


@pytest.mark.parametrize("method", ["holm", "benjamini_hochberg"])
def test_corrected_p_agrees_with_r_and_statsmodels(method):
    p = [value for quantity, value in R["all"].items() if quantity.startswith("p.")]
    theirs = [value for quantity, value in R["all"].items() if quantity.startswith(method)]
    ours = getattr(statistics.adjust(p), method)
    np.testing.assert_allclose(ours, theirs, rtol=RTOL)
    also = multipletests(p, method={"holm": "holm", "benjamini_hochberg": "fdr_bh"}[method])[1]
    np.testing.assert_allclose(ours, also, rtol=1e-12)


@pytest.mark.parametrize("dataset", DATA)
def test_lines_and_tost_agree_with_statsmodels(dataset):
    x, y = DATA[dataset]
    tost = statistics.equivalence(x, y, alpha=0.05, margin=5.0)
    assert tost.p == pytest.approx(ttost_paired(x, y, -5.0, 5.0)[0], rel=1e-9)
    trend, mean = statistics.proportional_bias(x, y), (x + y) / 2
    theirs = sm.OLS(x - y, sm.add_constant(mean)).fit()
    assert (trend.intercept, trend.slope) == pytest.approx(tuple(theirs.params), rel=1e-8)
    assert trend.p == pytest.approx(theirs.pvalues[1], rel=1e-7)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_agrees_with_scipy(method):
    """The same draws of subjects, the same statistic: the intervals are equal, not just close."""
    x, y = DATA["cohort_31"]
    x, y = (v[np.lexsort((x, y))] for v in (x, y))
    counts = statistics.draw_subjects(np.random.default_rng(3), 31, resamples=400)
    intervals = statistics.bootstrap(statistics.pair(x, y), counts, method=method)
    theirs = {
        "slope": lambda a, b: np.cov(a, b)[0, 1] / b.var(ddof=1),
        "concordance": lambda a, b: (
            2 * np.cov(a, b, ddof=0)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
        ),
    }
    for name, statistic in theirs.items():
        ours = intervals[name]
        known = stats.bootstrap(
            (x, y),
            statistic,
            n_resamples=400,
            paired=True,
            vectorized=False,
            method=method,
            rng=np.random.default_rng(3),
        ).confidence_interval
        assert (ours.low, ours.high) == pytest.approx((known.low, known.high), rel=1e-9), name
