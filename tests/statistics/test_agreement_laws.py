"""Laws of the agreement statistics: many at once is one by one, units, order, swap, shift."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from scipy import stats

from qsr_jax import statistics
from qsr_jax.agreement_report.saving import leaves, unit_of
from qsr_jax.statistics import Endpoint, Plan

PLAN = Plan(
    alpha=0.05,
    margin_percent=5.0,
    margins={"t1": 40.0},
    error_ratio=1.5,
    resamples=100,
    bootstrap="bca",
    seed=1,
)
SUBJECTS = 21

SINGLE = {
    "paired_t": statistics.paired_t,
    "signed_rank": statistics.signed_rank,
    "equivalence_percent": lambda x, y: statistics.equivalence(
        x, y, alpha=0.05, margin_percent=5.0
    ),
    "equivalence_units": lambda x, y: statistics.equivalence(x, y, alpha=0.05, margin=40.0),
    "bland_altman": lambda x, y: statistics.bland_altman(x, y, unit="ms"),
    "bland_altman_percent": lambda x, y: statistics.bland_altman(x, y, unit="%"),
    "proportional_bias": statistics.proportional_bias,
    "regression": statistics.regress,
    "deming": lambda x, y: statistics.deming(x, y, error_ratio=1.5),
    "passing_bablok": statistics.passing_bablok,
    "concordance": statistics.concordance,
    "icc_agreement": statistics.icc_agreement,
    "icc_consistency": statistics.icc_consistency,
    "variation": statistics.variation,
}
RANKS = ("signed_rank", "passing_bablok")


@pytest.fixture(scope="module")
def cohort():
    """(test, reference) of five comparisons of 21 subjects."""
    rng = np.random.default_rng(5)
    reference = rng.normal(1000, 60, (5, SUBJECTS))
    return 0.9 * reference + 110 + rng.normal(0, 15, (5, SUBJECTS)), reference


def compared(x, y, **changes):
    endpoints = [Endpoint("t1", f"region {i}", "ms", "a", "b") for i in range(len(x))]
    results = statistics.compare(endpoints, x, y, plan=dataclasses.replace(PLAN, **changes))
    return [dict(leaves(dataclasses.asdict(result))) for result in results]


def assert_close(ours, expected):
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, dict):
            assert_close(ours[name], value)
        else:
            plain = value is None or isinstance(value, str)
            same = value if plain else pytest.approx(value, rel=1e-9, abs=1e-9)
            assert ours[name] == same, name


def test_many_at_once_is_one_by_one(cohort):
    together = compared(*cohort)
    for i, result in enumerate(together):
        assert_close(result, compared(*(v[i : i + 1] for v in cohort))[0])


def test_compiled_is_uncompiled(cohort):
    x, y = (v[:, :, None] for v in cohort)
    compiled = statistics.pair(x, y).left
    with jax.disable_jit():
        plain = statistics.pair(x, y).left
    for name, values in plain._asdict().items():
        np.testing.assert_allclose(getattr(compiled, name), values, rtol=1e-9, err_msg=name)
    assert compiled.slope.dtype == np.float64


@pytest.mark.parametrize("name", SINGLE)
def test_one_comparison_waits_for_no_compiler(cohort, name, monkeypatch):
    """One is computed by NumPy, whatever its size, and many by JAX, from the same formulas.

    Ranks are NumPy's either way: they are sorting, at which it is forty times as fast.
    """

    def forbidden(_):
        raise AssertionError("JAX was asked")

    monkeypatch.setattr(jax, "enable_x64", forbidden)
    SINGLE[name](*(v[0, :-1] for v in cohort))
    SINGLE[name](*(v[0, :, None] for v in cohort))
    if name not in RANKS:
        with pytest.raises(AssertionError, match="JAX was asked"):
            SINGLE[name](*(v[..., None] for v in cohort))


@pytest.mark.parametrize("name", SINGLE)
def test_each_of_many_is_that_one_alone(cohort, name):
    x, y = cohort
    many = SINGLE[name](x[..., None], y[..., None])
    for i in range(len(x)):
        one = dataclasses.asdict(SINGLE[name](x[i], y[i]))
        assert_close(dataclasses.asdict(statistics.take(many, (i,))), one)


def test_every_statistic_of_a_comparison_is_under_these_laws():
    """A new statistic is a function, a field of Comparison and a line in the table above."""
    given = {"endpoint", "n", "test", "reference", "bootstrap"}
    assert {f.name for f in dataclasses.fields(statistics.Comparison)} - given == set(SINGLE)


@pytest.mark.parametrize("name", SINGLE)
def test_the_single_functions_say_the_same(cohort, name):
    x, y = (v[2] for v in cohort)
    endpoint = Endpoint("t1", "", "ms", "a", "b")
    (result,) = statistics.compare([endpoint], [x], [y], plan=PLAN)
    assert_close(dataclasses.asdict(SINGLE[name](x, y)), dataclasses.asdict(getattr(result, name)))


def test_the_order_of_subjects_does_not_matter(cohort):
    order = np.random.default_rng(0).permutation(SUBJECTS)
    before, after = compared(*cohort), compared(*(v[:, order] for v in cohort))
    for one, other in zip(before, after, strict=True):
        assert_close(other, one)


def test_numbers_follow_the_unit_that_is_written_beside_them(cohort):
    """In seconds everything in "ms" is a thousandth, everything in "%" or without unit stays."""
    milli = compared(*cohort)
    plain = compared(*(v / 1000.0 for v in cohort), margins={"t1": 0.04})
    for one, other in zip(milli, plain, strict=True):
        scaled = {
            name: value / 1000.0 if unit_of(name, "ms") == "ms" else value
            for name, value in one.items()
        }
        assert_close(other, scaled)


def test_every_number_has_the_unit_expected_of_it(cohort):
    names = compared(*cohort)[0]
    units = {name: unit_of(name, "ms") for name in names}
    assert {units[f"bland_altman_percent.{name}"] for name in ("bias", "sd", "low")} == {"%"}
    assert units["bootstrap.cv_between.low"] == "%"
    assert units["equivalence_percent.interval_percent.low"] == "%"
    assert units["equivalence_units.margin"] == units["bootstrap.deming_intercept.high"] == "ms"
    assert units["deming.slope_interval.high"] == units["bootstrap.slope.low"] == units["n"] == ""


def test_swapping_the_methods(cohort):
    x, y = (v[0] for v in cohort)
    a = statistics
    assert a.paired_t(y, x).t == pytest.approx(-a.paired_t(x, y).t)
    assert a.signed_rank(y, x).p == pytest.approx(a.signed_rank(x, y).p)
    assert a.signed_rank(y, x).v == pytest.approx(231 - a.signed_rank(x, y).v)
    for same in (a.concordance, a.icc_agreement, a.icc_consistency):
        assert_close(dataclasses.asdict(same(y, x)), dataclasses.asdict(same(x, y)))
    there, back = a.deming(x, y, error_ratio=4.0), a.deming(y, x, error_ratio=0.25)
    assert back.slope == pytest.approx(1 / there.slope)
    # Nineteen subjects have 171 slopes, so that the median is one of them and not a mean of two.
    one, other = a.passing_bablok(x[:-2], y[:-2]), a.passing_bablok(y[:-2], x[:-2])
    assert other.slope == pytest.approx(1 / one.slope)
    assert other.slope_interval.low == pytest.approx(1 / one.slope_interval.high)
    assert a.variation(y, x).between == pytest.approx(a.variation(x, y).between)
    assert a.bland_altman(y, x, unit="ms").low == pytest.approx(-a.bland_altman(x, y, unit="").high)
    assert a.proportional_bias(y, x).slope == pytest.approx(-a.proportional_bias(x, y).slope)


def test_a_constant_moves_what_it_should_and_nothing_else(cohort):
    x, y = (v[0] for v in cohort)
    a, shift = statistics, 30.0
    assert a.paired_t(x + shift, y).difference == pytest.approx(a.paired_t(x, y).difference + shift)
    assert a.bland_altman(x + shift, y, unit="ms").sd == pytest.approx(
        a.bland_altman(x, y, unit="ms").sd
    )
    for line in (a.regress, a.passing_bablok, lambda x, y: a.deming(x, y, error_ratio=1.0)):
        before, after = line(x, y), line(x + shift, y)
        assert after.slope == pytest.approx(before.slope)
        assert after.intercept == pytest.approx(before.intercept + shift)
        assert after.slope_interval.high == pytest.approx(before.slope_interval.high)
    assert a.icc_consistency(x + shift, y).value == pytest.approx(a.icc_consistency(x, y).value)
    assert a.icc_agreement(x + shift, y).value < a.icc_agreement(x, y).value
    assert a.concordance(x + shift, y).value < a.concordance(x, y).value
    assert a.signed_rank(x + shift, y).pseudomedian == pytest.approx(
        a.signed_rank(x, y).pseudomedian + shift
    )


def test_one_outlier_bends_least_squares_and_not_passing_bablok(cohort):
    y = np.linspace(900, 1100, 9)
    x = y + np.array([1.0, -2, 2, -1, 0.5, 1.5, -1.5, 2.5, -0.5])
    spoilt = x.copy()
    spoilt[-1] += 400
    assert statistics.regress(spoilt, y).slope > 1.5
    assert statistics.passing_bablok(spoilt, y).slope == pytest.approx(1.0, abs=0.05)


def test_the_linearity_test_sees_a_curve():
    y = np.linspace(10, 100, 40)
    wobble = np.random.default_rng(0).normal(0, 1.0, 40)
    assert statistics.passing_bablok(y + wobble, y).linearity_p > 0.05
    assert statistics.passing_bablok(y**2 / 50 + wobble, y).linearity_p < 0.01


def test_ones_left_out_and_drawn_subjects_are_what_they_say(cohort):
    """Weights: a subject left out is that subject removed, a subject drawn twice is there twice."""
    x, y = (v[0][:, None] for v in cohort)
    counts = statistics.draw_subjects(np.random.default_rng(2), SUBJECTS, resamples=100)
    pairs = statistics.pair(x, y, error_ratio=1.5)
    cases = [
        (pairs.left, 3, np.delete(np.arange(SUBJECTS), 3)),
        (pairs.weighted(counts), 7, np.repeat(np.arange(SUBJECTS), counts[7].astype(int))),
    ]
    for ours, index, subjects in cases:
        again = statistics.pair(x[subjects], y[subjects], error_ratio=1.5).full
        for name, value in again._asdict().items():
            assert getattr(ours, name)[index] == pytest.approx(float(value), rel=1e-9), name


def test_draws_are_as_many_as_subjects_and_fair():
    counts = statistics.draw_subjects(np.random.default_rng(0), 20, resamples=5000)
    np.testing.assert_array_equal(counts.sum(1), 20)
    np.testing.assert_allclose(counts.mean(0), 1.0, atol=0.06)


def test_results_are_plain_numbers(cohort):
    (result,) = statistics.compare(
        [Endpoint("t1", "GM", "ms", "a", "b")], *(v[:1] for v in cohort), plan=PLAN
    )
    text = json.dumps(dataclasses.asdict(result), allow_nan=False)
    assert json.loads(text)["deming"]["error_ratio"] == 1.5


def test_precision_is_double_although_the_house_is_single(cohort):
    """A difference of a microsecond between values of a second."""
    reference = np.full(4, 1000.0) + np.arange(4)
    test = reference + 1e-6 * np.array([1.0, 2.0, 3.0, 2.0])
    assert statistics.paired_t(test, reference).difference == pytest.approx(2e-6, rel=1e-4)


def test_holm_and_benjamini_hochberg_by_hand():
    corrected = statistics.adjust([0.03, 0.01, 0.02])
    np.testing.assert_allclose(corrected.holm, [0.04, 0.03, 0.04])
    np.testing.assert_allclose(corrected.benjamini_hochberg, [0.03, 0.03, 0.03])
    assert statistics.adjust([0.9, 0.8]).holm.max() == 1.0


POOLED = {
    "concordance": (statistics.concordance, "value", "interval", np.arctanh, np.tanh),
    "icc_agreement": (statistics.icc_agreement, "value", "interval", np.arctanh, np.tanh),
    "icc_consistency": (statistics.icc_consistency, "value", "interval", np.arctanh, np.tanh),
    "proportional_bias": (
        statistics.proportional_bias, "slope", "slope_interval", np.asarray, np.asarray,
    ),
    "regression": (statistics.regress, "slope", "slope_interval", np.asarray, np.asarray),
}  # fmt: skip
"""Statistic, its number, its interval, the scale on which the jackknife is made, and back."""


@pytest.mark.parametrize("name", POOLED)
def test_intervals_of_pooled_tissues_leave_out_whole_subjects(cohort, name):
    """The jackknife written out: every subject removed with both tissues, Student's interval."""
    statistic, number, interval, there, back = POOLED[name]
    x, y = (np.stack(v[:2], -1) for v in cohort)
    result = statistic(x, y)
    assert (result.n, result.points) == (SUBJECTS, 2 * SUBJECTS)
    left = [getattr(statistic(*(np.delete(v, i, 0) for v in (x, y))), number)
            for i in range(SUBJECTS)]  # fmt: skip
    spread = there(np.array(left)) - there(np.array(left)).mean()
    se = np.sqrt((SUBJECTS - 1) / SUBJECTS * (spread**2).sum())
    half = stats.t.ppf(0.975, SUBJECTS - 1) * se
    value = there(getattr(result, number))
    found = getattr(result, interval)
    expected = float(back(value - half)), float(back(value + half))
    assert (found.low, found.high) == pytest.approx(expected)
    if name == "proportional_bias":
        assert result.p == pytest.approx(2 * stats.t.sf(abs(value) / se, SUBJECTS - 1))
