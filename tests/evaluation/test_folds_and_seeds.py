"""Folds and seeds: spread between the runs, computed by hand; one training has none."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.evaluation.cohort import Cohort, FoldSeed
from qsr_jax.evaluation.compute_tables import compute_tables
from qsr_jax.evaluation.sections.folds_and_seeds import run_rows, spread_rows

FOLDS = {"1": FoldSeed("1/2", 0), "2": FoldSeed("1/2", 1), "3": FoldSeed("2/2", 0)}


@pytest.fixture(scope="module")
def cohort(cohort_and_examples):
    """Runs 1 and 2 test everybody but the last subject, run 3 the last; run 2 is 1 dB better."""
    values = []
    subjects = list(cohort_and_examples[0].group)
    for v in cohort_and_examples[0].values:
        last = v.subject == subjects[-1]
        values.append(dataclasses.replace(v, run="3" if last else "1"))
        if v.method == "trained" and not last:
            better = v.value + 1.0 if v.quantity == "psnr" else v.value
            values.append(dataclasses.replace(v, run="2", value=better))
    return Cohort(values, folds=FOLDS)


def test_a_subject_counts_once_with_the_mean_of_their_runs(cohort, cohort_and_examples):
    before = cohort_and_examples[0].everybody("image", "brain", "t1", "psnr", "trained")
    now = cohort.everybody("image", "brain", "t1", "psnr", "trained")
    np.testing.assert_allclose(now - before, [0.5, 0.5, 0.5, 0.0], atol=1e-9)
    assert cohort.runs == ("1", "2", "3")


def test_runs_and_their_spread(cohort):
    runs = list(run_rows(cohort))
    assert [r.n for r in runs if r.map == "t1"] == [3, 3, 1]
    gains = [r.gain_db for r in runs if r.map == "t1"]
    assert gains[1] - gains[0] == pytest.approx(1.0)
    assert runs[0].row == "run 1 (fold 1/2, seed 0) T1"
    row = next(r for r in spread_rows(cohort) if r.row == "T1 gain over bicubic")
    means = [np.mean(gains[:2]), gains[2]]
    assert (row.runs, row.folds) == (3, 2)
    assert row.mean == pytest.approx(np.mean(means))
    assert (row.low, row.high) == (min(gains), max(gains))
    assert row.sd_folds == pytest.approx(np.std(means, ddof=1))
    assert row.sd_seeds == pytest.approx(np.sqrt(0.5))


def test_lesions_count_once_as_well(cohort_and_examples):
    """Two trainings that read a lesion 10 ms apart read it in between."""
    values = list(cohort_and_examples[0].values)
    again = [
        dataclasses.replace(v, run="2", value=v.value + 10.0) for v in values
        if v.method == "trained" and v.kind == "lesion"
    ]  # fmt: skip
    before, after = (compute_tables(Cohort(v))["lesions"] for v in (values, values + again))
    assert len(before) == len(after) == 9
    for one, two in zip(before, after, strict=True):
        assert two.means["trained"] - one.means["trained"] == pytest.approx(5.0)
        assert two.means["routine"] == one.means["routine"]


def test_bias_is_of_healthy_subjects_only(cohort):
    """Run 3 tested the patient alone: it has no bias of healthy tissue, and no made-up one."""
    sizes = {r.run: r.absolute_bias_percent for r in run_rows(cohort) if r.map == "t1"}
    assert sizes["3"] is None
    assert sizes["1"] == pytest.approx(1.0, abs=0.2)


def test_one_training_has_no_spread(cohort_and_examples):
    one = Cohort(cohort_and_examples[0].values, folds={"1": FoldSeed("1/2", 0)})
    assert not one.rows(run_rows) and not one.rows(spread_rows)
