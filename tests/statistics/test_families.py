"""One declared family, one rule: intersection-union without correction, or Holm."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from qsr_jax import statistics
from qsr_jax.statistics import Outcome, Verdict
from qsr_jax.statistics.families import RULES


def verdict(p, *, outcome=None, reach=0.5, question="mean", alpha=0.05):
    said = outcome or (Outcome.SHOWN if p < alpha else Outcome.NOT_SHOWN)
    return Verdict(question, said, "because", 12, "%", 5.0, alpha, reach=reach, p=p)


MEMBERS = {"GM": verdict(0.001), "WM": verdict(0.02, reach=0.9), "CSF": verdict(0.03)}


def test_all_needs_every_member_and_no_correction():
    found = statistics.decide_family(MEMBERS, rule="all")
    assert (found.outcome, found.shown, found.worst) == (Outcome.SHOWN, 3, "WM")
    assert found.said == "shown in 3 of 3; farthest out WM"
    one_out = statistics.decide_family(MEMBERS | {"CSF": verdict(0.06)}, rule="all")
    assert (one_out.outcome, one_out.shown) == (Outcome.NOT_SHOWN, 2)


def test_each_is_holm():
    found = statistics.decide_family(MEMBERS | {"skin": verdict(0.5)}, rule="each")
    expected = multipletests([0.001, 0.02, 0.03, 0.5], method="holm")
    assert [v.p_holm for v in found.members.values()] == pytest.approx(list(expected[1]))
    assert [v.shown for v in found.members.values()] == list(expected[0])
    assert (found.outcome, found.shown) == (Outcome.NOT_SHOWN, 1)
    assert found.members["WM"].reason == "because; P 0.02, 0.06 after Holm over 4"
    assert found.members["GM"].reason == "because"


@pytest.mark.parametrize("rule", RULES)
def test_members_without_an_answer_stay_and_count(rule):
    open_ = {
        "few": verdict(0.001, outcome=Outcome.TOO_FEW),
        "none": Verdict("mean", Outcome.NOT_COMPUTED, "zero variance", 12, "%", 5.0, 0.05),
    }
    found = statistics.decide_family({"GM": verdict(0.02)} | open_, rule=rule)
    assert found.outcome is (Outcome.TOO_FEW if rule == "all" else Outcome.NOT_SHOWN)
    assert found.members["few"] == open_["few"]
    assert found.members["none"] == open_["none"]
    assert found.members["GM"].shown == (rule == "all")
    assert found.members["GM"].p_holm == (None if rule == "all" else pytest.approx(0.06))
    assert "1 too few subjects to decide; 1 not computed" in found.said


def test_families_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="rule 'any' is not one of all, each"):
        statistics.decide_family(MEMBERS, rule="any")
    with pytest.raises(ValueError, match="one question at one level, got none"):
        statistics.decide_family({}, rule="all")
    mixed = {"a": verdict(0.01), "b": verdict(0.01, question="individual")}
    with pytest.raises(ValueError, match="one question at one level, got .*individual"):
        statistics.decide_family(mixed, rule="each")


def test_no_family_errs_more_often_than_alpha():
    """Six endpoints, all exactly at the margin, independent: any claim is a false one.

    Binomial tolerance of 99.9 % above 5 %; "all" errs far less here, as it must.
    """
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(1000, 6))
    any_claim = {rule: 0 for rule in RULES}
    for row in p:
        members = {str(i): verdict(float(v)) for i, v in enumerate(row)}
        any_claim["each"] += statistics.decide_family(members, rule="each").shown > 0
        any_claim["all"] += statistics.decide_family(members, rule="all").outcome is Outcome.SHOWN
    assert 29 <= any_claim["each"] <= 74
    assert any_claim["all"] == 0
