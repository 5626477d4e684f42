"""A subject's split follows from the seed and its own identifier; nobody else can move it."""

import numpy as np
import pytest

from qsr_jax.data.studies.split import Shares, split_subjects

PAPER = {f"h{i:03d}": "healthy" for i in range(151)} | {f"p{i}": "patient" for i in range(7)}


def healthy(count, start=0):
    return {f"s{i:05d}": "healthy" for i in range(start, start + count)}


def deal(groups, seed=0, test=0.2, validation=0.1, folds=0, named=None):
    return split_subjects(seed, groups, Shares(test, validation, folds), named=named)


def count(dealt, split):
    return sum(one.split == split for one in dealt.values())


@pytest.mark.parametrize(("cohort", "seed"), [(20, 2), (100, 0), (1000, 0)])
@pytest.mark.parametrize("more", [1, 50])
def test_adding_subjects_moves_nobody(cohort, seed, more):
    """One further subject of 20, 100, 1,000 moved 35, 13, 5 percent of them, test into train."""
    before = deal(healthy(cohort), seed, folds=5)
    added = healthy(more, start=cohort) | {"a patient": "patient"}
    after = deal(healthy(cohort) | added, seed, folds=5)
    assert {name: after[name] for name in before} == before
    assert [name for name in after if name in before] == list(before)
    fewer = dict(list(healthy(cohort).items())[1:])
    assert all(one == before[name] for name, one in deal(fewer, seed, folds=5).items())


def test_order_of_listing_does_not_matter_and_the_seed_does():
    again = deal(dict(reversed(PAPER.items())), folds=5)
    assert list(deal(PAPER, folds=5).items()) == list(again.items())
    assert deal(PAPER) != deal(PAPER, seed=1)
    assert list(deal(PAPER)) != sorted(PAPER)


@pytest.mark.parametrize(("test", "validation"), [(0.2, 0.1), (0.5, 0.0), (0.05, 0.3)])
def test_fractions_hold_on_average(test, validation):
    """Within 5 standard deviations of a binomial of 10,000."""
    dealt = deal(healthy(10_000), test=test, validation=validation)
    for split, share in (("test", test), ("validation", validation)):
        tolerance = 5 * np.sqrt(10_000 * share * (1 - share))
        assert abs(count(dealt, split) - 10_000 * share) <= tolerance


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("test", "validation"), [(0, 0), (0.2, 0.1), (0.5, 0.5), (1, 0)])
def test_everybody_is_somewhere_and_patients_only_test(seed, test, validation):
    dealt = deal(PAPER, seed, test, validation)
    assert dealt.keys() == PAPER.keys()
    assert {dealt[name].split for name in PAPER if name[0] == "p"} == {"test"}
    assert (count(dealt, "validation") > 0) == (validation > 0)
    assert (count(dealt, "train") > 0) == (test + validation < 1)


def test_a_split_that_stays_empty_is_refused_with_a_seed_that_fills_it():
    few = healthy(6)
    with pytest.raises(ValueError, match=r"seed 0 leaves test empty: .* --seed (\d+)") as told:
        deal(few, validation=0.1)
    better = int(str(told.value).partition("--seed ")[2].split(";")[0])
    dealt = deal(few, seed=better)
    assert {one.split for one in dealt.values()} == {"train", "validation", "test"}
    assert all(deal(few | healthy(9, 6), seed=better)[name] == dealt[name] for name in few)


def test_fewer_subjects_than_splits_are_dealt_as_they_fall():
    assert len(deal(healthy(1))) == 1


def test_named_subjects_are_where_they_were_put_and_nobody_else_moves():
    free = deal(PAPER)
    named = {"h000": "test", "h001": "validation", "p3": "test"}
    dealt = deal(PAPER, named=named)
    assert {name: dealt[name].split for name in named} == named
    assert all(dealt[name] == free[name] for name in PAPER if name not in named)
    few = deal(healthy(3), test=0, validation=0, named={"s00000": "test", "s00001": "validation"})
    assert {name: one.split for name, one in few.items()} == {
        "s00000": "test", "s00001": "validation", "s00002": "train",
    }  # fmt: skip
    with pytest.raises(ValueError, match="a patient is named for validation; patients only test"):
        deal(PAPER, named={"p3": "validation"})


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("validation", [0.0, 0.1])
def test_every_healthy_subject_tests_in_one_fold_and_patients_in_all(folds, validation):
    """Sizes within 5 standard deviations of a binomial of 151."""
    dealt = deal(PAPER, folds=folds, validation=validation, test=0)
    for name, one in dealt.items():
        assert len(one.folds) == folds
        assert one.folds.count("test") == (folds if name[0] == "p" else 1)
    for fold in range(folds):
        parts = [one.folds[fold] for name, one in dealt.items() if name[0] == "h"]
        for split, share in (("test", 1 / folds), ("validation", validation)):
            tolerance = 5 * np.sqrt(151 * share * (1 - share))
            assert abs(parts.count(split) - 151 * share) <= tolerance
        assert "train" in parts
    assert {one.folds for one in deal(PAPER).values()} == {()}


@pytest.mark.parametrize(("test", "validation", "folds", "reason"), [
    (-0.1, 0, 0, "at most 1"), (0, -0.1, 0, "at most 1"), (0.6, 0.5, 0, "at most 1"),
    (2, 0, 0, "at most 1"), (0, 0, 1, "1 folds; expected 0, or 2 and up"), (0, 0, -1, "-1 folds"),
    (0, 0.5, 2, "leave nobody to train on"), (0, 0, 152, "152 folds of 151 healthy subjects"),
])  # fmt: skip
def test_impossible_shares_are_refused(test, validation, folds, reason):
    with pytest.raises(ValueError, match=reason):
        deal(PAPER, test=test, validation=validation, folds=folds)


def test_folds_that_no_seed_fills_are_refused():
    with pytest.raises(ValueError, match="no seed up to 1000 fills all of them: use fewer folds"):
        deal(healthy(30), test=0, validation=0, folds=30)
