"""The door that scores misuse: a cohort in, a table and its numbers out."""

import json

import numpy as np
import pytest
from small_heads import ALL, head
from small_predictors import save, small_predictor

from data_tools import misuse_check
from data_tools.misuse_check import Judged, judge_all, summary
from qsr_jax.familiarity import features_of, know
from qsr_jax.familiarity.saving import write_known


@pytest.fixture(scope="module")
def known():
    return know(ALL, [features_of(head(seed)) for seed in range(5)], [])


def test_every_misuse_is_judged_once_for_each_subject(known, monkeypatch):
    some = {name: misuse_check.MISUSES[name] for name in ("T1 in seconds", "half a turn")}
    monkeypatch.setattr(misuse_check, "MISUSES", some)
    scans = [(f"sub-{i}", head(100 + i)) for i in range(2)]
    plain, found = judge_all(known, iter(scans), seed=0)
    assert [one.subject for one in plain] == ["sub-0", "sub-1"] and list(found) == list(some)
    assert all(one.why == misuse_check.REFUSED for one in found["T1 in seconds"])
    row = summary(plain, found["half a turn"])
    assert row["n"] == row["beyond_limit"] == 2 and row["auc"] == 1.0


def test_the_area_is_that_of_pairs_in_the_right_order():
    def judged(scores):
        return [Judged(str(i), score, "detail") for i, score in enumerate(scores)]

    row = summary(judged([0.1, 0.4, 0.3]), judged([0.2, 1.5, 2.0]))
    assert row["auc"] == pytest.approx(7 / 9, abs=1e-4)
    assert (row["beyond_limit"], row["why"]) == (2, "detail")
    low, high = row["interval"]
    assert 0.0 < low < 7 / 9 < high < 1.0


def test_the_door_refuses_a_model_that_knows_no_scans(known, tmp_path):
    workdir = save(tmp_path, small_predictor("residual", ALL), "residual")
    out = tmp_path / "misuse.json"
    arguments = ["--model", str(workdir), "--cohort", str(tmp_path), "--out", str(out)]
    with pytest.raises(SystemExit, match="knows no scans to compare with"):
        misuse_check.main(arguments)
    write_known(workdir, known, fingerprint="data")
    with pytest.raises(SystemExit, match="expected a cohort of qsr simulate"):
        misuse_check.main(arguments)


def test_the_door_reads_a_cohort_and_writes_its_scores(
    known, tiny_cohort, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        misuse_check, "MISUSES", {"half a turn": misuse_check.MISUSES["half a turn"]}
    )
    workdir = save(tmp_path, small_predictor("residual", ALL), "residual")
    write_known(workdir, known, fingerprint="data")
    cohort, out = tiny_cohort / "cohort", tmp_path / "misuse.json"
    misuse_check.main(
        ["--model", str(workdir), "--cohort", str(cohort), "--misused", "again", str(cohort)]
        + ["--out", str(out)]
    )
    told = json.loads(out.read_text())
    assert set(told["table"]) == {"half a turn", "again"}
    assert len(told["scores"]["as they are"]) == 7 and told["table"]["again"]["auc"] == 0.5
    assert "half a turn" in capsys.readouterr().out
    assert np.isfinite([one["score"] for one in told["scores"]["half a turn"]]).all()
