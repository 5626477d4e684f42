"""The split is a function of the seed and the subjects, and keeps subjects and patients apart."""

import pytest

from qsr_jax.data.studies.split import split_subjects

PAPER = {f"h{i:03d}": "healthy" for i in range(151)} | {f"p{i}": "patient" for i in range(7)}


def split(groups, seed=0, test=0.24, validation=0.0):
    return split_subjects(seed, groups, test_fraction=test, validation_fraction=validation)


def count(splits, name):
    return sum(value == name for value in splits.values())


def test_numbers_of_the_paper():
    """151 healthy and 7 patients: 120 train, 38 test, 31 of them healthy (paper, Data)."""
    splits = split(PAPER)
    assert count(splits, "train") == 120
    assert count(splits, "test") == 38
    assert count({k: v for k, v in splits.items() if k[0] == "h"}, "test") == 31


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("test", "validation"), [(0, 0), (0.24, 0.1), (0.5, 0.5), (1, 0)])
def test_everybody_is_somewhere_and_patients_only_test(seed, test, validation):
    splits = split(PAPER, seed, test, validation)
    assert splits.keys() == PAPER.keys()
    assert {splits[name] for name in PAPER if name[0] == "p"} == {"test"}
    assert (count(splits, "validation") > 0) == (validation > 0)


def test_order_of_listing_does_not_matter_and_the_seed_does():
    assert list(split(PAPER).items()) == list(split(dict(reversed(PAPER.items()))).items())
    assert split(PAPER) != split(PAPER, seed=1)
    assert list(split(PAPER)) != sorted(PAPER)


def test_small_cohorts_keep_somebody_on_both_sides():
    assert sorted(split({"a": "healthy", "b": "healthy"}).values()) == ["test", "train"]
    assert list(split({"a": "healthy"}).values()) == ["train"]
    assert count(split({"a": "healthy", "b": "healthy", "c": "patient"}), "test") == 2


@pytest.mark.parametrize(("test", "validation"), [(-0.1, 0), (0, -0.1), (0.6, 0.5), (2, 0)])
def test_fractions_must_be_shares(test, validation):
    with pytest.raises(ValueError, match="at most 1"):
        split(PAPER, 0, test, validation)
