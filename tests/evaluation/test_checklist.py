"""The checklists are filled from what is known, and say where nothing is."""

import dataclasses

import pytest
from evaluation_subjects import make_about

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.report.checklist import (
    CLAIM,
    STARD_AI,
    UNKNOWN,
    answers,
    checklist,
)
from qsr_jax.evaluation.values import TRUTH


@pytest.fixture(scope="module")
def cohort(cohort_and_examples):
    return cohort_and_examples[0]


def test_every_item_has_an_answer_and_every_answer_an_item(cohort):
    known = answers(make_about(), cohort)
    used = {key for _, key in (*CLAIM, *STARD_AI) if key}
    assert used == set(known)
    assert all(known.values())
    assert len(CLAIM) == 44


def test_what_is_known_stands_in_the_file(cohort):
    text = checklist(make_about(), cohort)
    for said in ("3 healthy, 1 patients measured", "qsr_jax 0.1.0", "aaaaaaaaaaaa", "ffffffffffff",
                 "2 refused", "the simulated truth", "VGG-19 weights: random"):  # fmt: skip
        assert said in text, said
    assert f"| Funding | {UNKNOWN} |" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == len(CLAIM) + len(STARD_AI) + 2
    assert all(line.count("|") == 3 for line in rows)


def test_scanned_subjects_have_no_truth_in_it(cohort):
    scanned = Cohort([v for v in cohort.values if v.method != TRUTH])
    text = checklist(make_about(data="scanned | subjects"), scanned)
    assert "simulated truth" not in text and "no truth is known" in text
    assert "scanned / subjects" in text


def test_a_training_without_a_seed_says_so(cohort):
    about = make_about()
    several = [dataclasses.replace(t, seed=None) for t in about.trainings]
    assert "seeds differ" in checklist(make_about(trainings=several), cohort)
