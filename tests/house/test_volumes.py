"""What flows through the house contradicts neither its names nor its geometry."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.types import Geometry, Prediction, Volume, triple

GEOMETRY = Geometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 1.0, 1.0), (2, 3, 4))
NAMES = ("t1", "t2", "pd")


def arrays(channels, fill=1.0):
    return np.full((2, 3, 4, channels), fill, np.float32) * np.arange(1, channels + 1)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("part", ["mean", "std"])
def test_other_channels_than_names_are_refused(part, channels):
    """Three channels under the name of one map were written as one map in silence."""
    good = Prediction(arrays(3), arrays(3), NAMES, GEOMETRY)
    with pytest.raises(ValueError, match=rf"{part} has shape \(2, 3, 4, {channels}\), expected"):
        dataclasses.replace(good, **{part: arrays(channels)})


def test_three_channels_are_not_one_map():
    with pytest.raises(ValueError, match=r"expected \(2, 3, 4, 1\).*one channel for each of t1"):
        Prediction(arrays(3), None, ("t1",), GEOMETRY)
    with pytest.raises(ValueError, match=r"maps have shape .*expected \(2, 3, 4, 1\)"):
        Volume(arrays(3), ("t1",), GEOMETRY)


def test_another_grid_is_refused():
    with pytest.raises(ValueError, match="mean has shape"):
        Prediction(arrays(1)[:1], None, ("t1",), GEOMETRY)


def test_clamped_counts_every_map():
    with pytest.raises(ValueError, match="clamped counts 1 maps"):
        Prediction(arrays(3), None, NAMES, GEOMETRY, clamped=(0,))


def test_selected_maps_keep_their_values_spread_and_counts():
    whole = Prediction(arrays(3), arrays(3, 0.1), NAMES, GEOMETRY, clamped=(5, 6, 7))
    part = whole.select(["pd", "t1"])
    assert (part.names, part.clamped) == (("pd", "t1"), (7, 5))
    np.testing.assert_array_equal(part.mean, whole.mean[..., [2, 0]])
    np.testing.assert_array_equal(part.std, whole.std[..., [2, 0]])
    bare = Prediction(arrays(3), None, NAMES, GEOMETRY).select(["t2"])
    assert (bare.std, bare.clamped) == (None, None)
    scan = Volume(arrays(3), NAMES, GEOMETRY, mask=np.ones((2, 3, 4), bool)).select(["t2"])
    np.testing.assert_array_equal(scan.maps, arrays(3)[..., 1:2])
    assert scan.mask.all()


@pytest.mark.parametrize("make", [
    lambda: Volume(arrays(1), ("t1",), GEOMETRY),
    lambda: Prediction(arrays(1), None, ("t1",), GEOMETRY),
])  # fmt: skip
def test_a_map_that_is_not_there_cannot_be_selected(make):
    with pytest.raises(ValueError, match="no t2 and pd among t1"):
        make().select(["t2", "t1", "pd"])


def test_triple_takes_three_numbers():
    assert triple(np.arange(3)) == (0.0, 1.0, 2.0)
    with pytest.raises(ValueError, match="unpack"):
        triple([1.0, 2.0])
