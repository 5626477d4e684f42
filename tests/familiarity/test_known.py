"""A scan like training's is in range; each misuse is out of range, for the reason it has."""

import dataclasses

import numpy as np
import pytest
from small_heads import ALL, head

from data_tools.misuses import MISUSES, misused
from qsr_jax.familiarity import (
    FamiliarityError,
    ScaleError,
    check_units,
    features_of,
    from_tensors,
    know,
    to_tensors,
)
from qsr_jax.familiarity.features import BACKGROUND, DETAIL
from qsr_jax.familiarity.known import HEAD, LYING, NO_HEAD, PLACES
from qsr_jax.familiarity.tiles import distances, tree_of

OTHER = 100
"""First seed of heads that nobody learned from."""


@pytest.fixture(scope="module")
def known():
    everybody = [features_of(head(seed)) for seed in range(10)]
    return know(ALL, everybody[:8], everybody[8:])


def told(known, name, seed=OTHER):
    return known.judge(misused(head(seed), MISUSES[name], np.random.default_rng(seed)))


def test_other_heads_of_the_same_kind_are_in_range(known):
    """Seeds are fixed; the limit lets one in twenty out, and of four none is."""
    found = [known.judge(head(OTHER + seed)) for seed in range(4)]
    assert not any(one.is_unfamiliar for one in found)
    assert all(one.reasons == () and one.subjects == 10 for one in found)
    assert found[0].words.startswith("like the scans")


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("T1 x 1.25", "values of t1", "values of T1: 2"),
        ("T2 x 0.8", "values of t2", "lower than in training"),
        ("PD x 0.8", "values of pd", "values of PD"),
        ("noise x 3", DETAIL, "noise, motion or sharper"),
        ("matrix x 0.7", DETAIL, "coarser or smoothed"),
        ("half a turn", LYING, "half a turn"),
        ("quarter turn", LYING, "turned by a quarter"),
        ("slices reversed", LYING, "reversed order of slices"),
    ],
)
def test_a_misuse_is_out_of_range_for_its_reason(known, name, kind, said):
    found = told(known, name)
    assert found.is_unfamiliar and found.scores[kind] > 1.0
    assert said in found.words and found.words.startswith("UNLIKE")
    assert len(found.words) <= 400


def test_motion_and_a_masked_background_are_seen(known):
    assert told(known, "motion 2 mm").is_unfamiliar
    scan = head(OTHER)
    masked = np.where(scan.maps[..., 2:] > 20.0, scan.maps, 0.0)
    found = known.judge(dataclasses.replace(scan, maps=masked))
    assert found.scores[BACKGROUND] > 1.0 and "outside the head" in found.words


def test_odd_tiles_count_where_several_lie_together():
    where = np.argwhere(np.ones((1, 4, 4)))
    tree = tree_of(np.zeros((1, 3), np.int8), 1.0)
    together, alone = np.zeros((2, 4, 4, 3))
    together[1:3, 1:3, 0] = 10.0
    alone[1, 1, 0] = 10.0
    image = distances(together.reshape(-1, 3), where, tree, (1, 32, 32))
    assert image.max() == 10.0 and np.argwhere(image > 1.0).tolist() == [[0, 2, 2]]
    assert distances(alone.reshape(-1, 3), where, tree, (1, 32, 32)).max() == 0.0


def test_a_strange_lesion_is_found_at_its_place(known):
    """In slice 1, where the small heads have tiles inside: rows 32 to 63, columns 40 to 55."""
    scan = head(OTHER)
    maps = scan.maps.copy()
    maps[1, 40:64, 40:64] = (3000.0, 150.0, 60.0)
    found = known.judge(dataclasses.replace(scan, maps=maps))
    assert found.scores[PLACES] > 1.0 > known.judge(scan).scores[PLACES]
    assert found.places == ((1, 52, 52), (1, 60, 52)) and "in slice 2" in found.words


def test_left_and_right_are_not_told_apart(known):
    """Said in the documentation as something that is not found."""
    plain, mirrored = known.judge(head(OTHER)), told(known, "left to right")
    assert mirrored.score == pytest.approx(plain.score, abs=0.3)


def test_a_judgement_depends_on_the_scan_alone(known):
    assert known.judge(head(OTHER)) == known.judge(head(OTHER))
    shuffled = head(OTHER).select(("pd", "t1", "t2"))
    assert known.judge(shuffled) == known.judge(head(OTHER))
    with pytest.raises(ValueError, match="no t2"):
        known.judge(head(OTHER).select(("t1", "pd")))


def test_without_a_head_nothing_is_like_training(known, rng):
    scan = head(OTHER)
    noise = np.exp(rng.uniform(0.0, 7.0, scan.maps.shape)).astype(np.float32)
    nothing = dataclasses.replace(scan, maps=noise)
    found = known.judge(nothing)
    assert found.scores == {HEAD: NO_HEAD} and found.reasons == ("no head was found",)
    check_units(nothing)  # there is nothing to judge a scale by


@pytest.mark.parametrize("name", ["T1 in seconds", "PD from 0 to 1", "T1 and T2 swapped"])
def test_a_wrong_scale_is_refused(name):
    with pytest.raises(ScaleError, match="expected .* is the unit"):
        check_units(misused(head(OTHER), MISUSES[name], np.random.default_rng(0)))


def test_models_of_one_map_judge_it_alone():
    scans = [head(seed).select(("t1",)) for seed in range(5)]
    known = know(("t1",), [features_of(scan) for scan in scans], [])
    assert not known.judge(head(OTHER).select(("t1",))).is_unfamiliar
    turned = MISUSES["quarter turn"]
    scan = misused(head(OTHER).select(("t1",)), turned, np.random.default_rng(0))
    assert known.judge(scan).is_unfamiliar and BACKGROUND not in known.limits


def test_with_too_few_subjects_nothing_is_known():
    """Two spreads make no limit, one training subject has no neighbour."""
    one, two, three = (features_of(head(seed)) for seed in range(3))
    assert know(ALL, [one, two], []) is None
    assert know(ALL, [one], [two, three]) is None
    assert know(ALL, [one, two], [three]).subjects == 3


def test_stored_and_read_again_it_says_the_same(known):
    arrays, values = to_tensors(known)
    assert sum(array.nbytes for array in arrays.values()) < 200_000
    again = from_tensors(arrays, values)
    assert again.judge(head(OTHER)) == known.judge(head(OTHER))
    with pytest.raises(FamiliarityError, match="KeyError: 'cells'"):
        from_tensors({k: v for k, v in arrays.items() if k != "cells"}, values)
    with pytest.raises(FamiliarityError, match="shapes .* run the same training again"):
        from_tensors(arrays | {"scales": arrays["scales"][:-1]}, values)
