"""Models of some maps each as one predictor: every number and every spread is kept."""

import dataclasses

import numpy as np
import pytest
from small_predictors import Doubler, geometry, scan, small_predictor

from qsr_jax.predictors import MismatchError, merge_maps
from qsr_jax.predictors.trained import join

ALL = ("t1", "t2", "pd")


def doublers(**changes):
    return [Doubler(names=(name,), **changes) for name in ALL]


def test_each_map_goes_to_its_own_model(rng):
    volume = scan(rng, ALL)
    made = merge_maps([Doubler(names=("pd",), offset=5), Doubler(names=("t1", "t2"))])(volume)
    assert made.names == ("pd", "t1", "t2")
    np.testing.assert_array_equal(made.mean[:, ::2, ::2, 0], volume.maps[..., 2] + 5)
    np.testing.assert_array_equal(made.mean[:, ::2, ::2, 1:], volume.maps[..., :2])


def test_a_joint_network_and_single_ones_merge(rng):
    joint = small_predictor("residual", ("t2", "t1"))
    made = merge_maps([joint, small_predictor(names=("pd",))])(scan(rng, ALL))
    assert made.names == ("t2", "t1", "pd") and made.mean.shape[-1] == 3
    expected = joint(scan(np.random.default_rng(20260101), ALL).select(("t2", "t1"))).mean
    np.testing.assert_array_equal(made.mean[..., :2], expected)


def test_spreads_are_joined(rng):
    models = [Doubler(names=(name,), spread=s) for name, s in zip(ALL, (1, 2, 3), strict=True)]
    made = merge_maps(models)(scan(rng, ALL))
    assert made.std.shape == made.mean.shape
    np.testing.assert_array_equal(made.std.max(axis=(0, 1, 2)), [1, 2, 3])
    assert merge_maps(doublers())(scan(rng, ALL)).std is None


def test_a_spread_of_some_maps_alone_is_refused(rng):
    models = [*doublers(spread=1.0)[:2], Doubler(names=("pd",))]
    with pytest.raises(MismatchError, match="no standard deviation of pd, while the other maps"):
        merge_maps(models)(scan(rng, ALL))


def test_counts_of_clamped_voxels_are_joined(rng):
    models = [Doubler(names=("t1",), clamped=(7,)), Doubler(names=("t2",))]
    assert merge_maps(models)(scan(rng, ALL)).clamped == (7, 0)
    assert merge_maps(doublers())(scan(rng, ALL)).clamped is None


@pytest.mark.parametrize("models", [[], doublers() + doublers()[:1]])
def test_each_map_once(models):
    with pytest.raises(MismatchError, match="expected each map once"):
        merge_maps(models)


def test_different_grids_are_refused(rng):
    first = Doubler()(scan(rng))
    moved = dataclasses.replace(geometry().refined(2, "corner"), origin_mm=(9.0, 0.0, 0.0))
    second = dataclasses.replace(first, names=("t2",), geometry=moved)
    with pytest.raises(MismatchError, match="predictions on different grids"):
        join([first, second])


def test_a_map_that_the_scan_lacks_is_told(rng):
    with pytest.raises(ValueError, match="no pd among t1, t2"):
        merge_maps(doublers())(scan(rng, ("t1", "t2")))
