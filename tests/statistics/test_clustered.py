"""Lesions nested in subjects: the subject counts, whatever the number of lesions."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.mixed_linear_model import MixedLM

from qsr_jax import statistics

SIZES = (1, 2, 8, 5, 3, 12)


def lesions(rng, sizes, *, between, within, shift=0.0):
    """(test, reference, subjects) of lesions that err together within a subject."""
    who = np.repeat(np.arange(len(sizes)), sizes)
    reference = rng.normal(1200.0, 200.0, len(who))
    wrong = shift + rng.normal(0, between, len(sizes))[who] + rng.normal(0, within, len(who))
    return reference + wrong, reference, who


def test_five_lesions_of_one_patient_give_no_p():
    """What gave P = .011 once: one patient's lesions counted as five subjects."""
    test = [100.0, 96.0, 94.0, 126.0, 109.0]
    found = statistics.clustered_mean(test, [112.0, 98.0, 104.0, 149.0, 121.0], subjects=["a"] * 5)
    assert (found.n, found.points, found.p, found.interval) == (1, 5, None, None)
    assert found.reason == "1 subject; the spread between subjects needs 3"
    assert found.difference == pytest.approx(-11.8)
    two = statistics.clustered_mean(test, test, subjects=list("aaabb"))
    assert two.reason == "2 subjects; the spread between subjects needs 3"


def test_equal_numbers_of_lesions_agree_with_a_mixed_model():
    """Balanced, the random-effect estimates of statsmodels' REML are those of the means."""
    rng = np.random.default_rng(5)
    test, reference, who = lesions(rng, (4,) * 12, between=30.0, within=20.0, shift=15.0)
    ours = statistics.clustered_mean(test, reference, subjects=who)
    theirs = MixedLM(test - reference, np.ones((len(who), 1)), who).fit(reml=True)
    assert ours.difference == pytest.approx(float(theirs.fe_params[0]), rel=1e-6)
    assert ours.between_sd == pytest.approx(float(np.sqrt(theirs.cov_re[0, 0])), rel=1e-3)
    assert ours.within_sd == pytest.approx(float(np.sqrt(theirs.scale)), rel=1e-3)
    se = (ours.interval.high - ours.difference) / stats.t.ppf(0.975, 11)
    assert se == pytest.approx(float(theirs.bse_fe[0]), rel=1e-3)


@pytest.mark.parametrize("sizes", [SIZES[:3], SIZES])
@pytest.mark.parametrize("between", [0.0, 5.0, 40.0])
def test_its_level_holds_with_few_subjects_and_unequal_numbers(sizes, between):
    """At most 132 of 2000 (5 %, binomial 99.9 %); lesions taken for subjects err more often."""
    rng = np.random.default_rng(0)
    made = [lesions(rng, sizes, between=between, within=20.0) for _ in range(2000)]
    hits = sum(statistics.clustered_mean(x, y, subjects=s).p < 0.05 for x, y, s in made)
    assert hits <= stats.binom.ppf(0.9995, 2000, 0.05)
    if between == 40.0:
        naive = sum(stats.ttest_rel(x, y).pvalue < 0.05 for x, y, _ in made[:400])
        assert naive > 2 * 0.05 * 400


def test_lesions_one_each_are_the_paired_t_test():
    rng = np.random.default_rng(1)
    x, y, who = lesions(rng, (1,) * 7, between=10.0, within=5.0)
    found = statistics.clustered_mean(x, y, subjects=who)
    assert found.p == pytest.approx(statistics.paired_t(x, y).p)
    assert found.within_sd is None


def test_the_order_of_lesions_does_not_matter():
    rng = np.random.default_rng(1)
    x, y, who = lesions(rng, SIZES, between=10.0, within=5.0)
    order = rng.permutation(len(x))
    once = statistics.clustered_mean(x, y, subjects=who)
    again = statistics.clustered_mean(x[order], y[order], subjects=who[order])
    assert again.p == pytest.approx(once.p, rel=1e-9)


def test_what_is_degenerate():
    same = statistics.clustered_mean([3.0, 4.0, 5.0], [1.0, 2.0, 3.0], subjects=list("abc"))
    assert same.p is None
    assert same.reason == "zero variance: all differences equal 2"
    with pytest.raises(ValueError, match=r"shapes \(2,\), \(2,\), \(1,\): expected equal lists"):
        statistics.clustered_mean([1.0, 2.0], [1.0, 2.0], subjects=["a"])
    with pytest.raises(ValueError, match="NaN or infinite; leave that lesion out"):
        statistics.clustered_mean([np.nan], [1.0], subjects=["a"])
