"""Heads from measured maps: what lies between voxels, and what a place is called."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.ops.mask import GREY_BELOW_MS, WATER_T2_MS, WHITE_BELOW_MS
from qsr_jax.phantom.anatomy import BODY_CLASSES
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.measured_density import DensityScale
from qsr_jax.phantom.measured_maps import MeasuredMaps
from qsr_jax.phantom.mixing import maps_of, sums_of
from qsr_jax.physics.mdme_protocol import PROTOCOLS, geometries
from qsr_jax.types import CORNER

GREY, WATER = (1350.0, 85.0, 82.0), (4200.0, 1800.0, 100.0)
SIDE, HIGH = 96, 48


@pytest.fixture(scope="module")
def planes():
    return Planes(geometries(*PROTOCOLS["tiny"], CORNER)[0])


def head(values):
    """A block of (i, j, k, 3) values of 1 mm, all of it brain, its middle at the isocentre."""
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    centre = (np.array(values.shape[:3]) - 1) / 2
    everywhere = np.ones(values.shape[:3], bool)
    scale = DensityScale(1.0, 70.0, 0.0)
    return MeasuredMaps(values.astype(np.float32), affine, everywhere, centre, scale)


def block(of):
    return np.broadcast_to(np.array(of, np.float32), (SIDE, SIDE, HIGH, 3)).copy()


def test_a_slice_holds_the_mean_rates_of_its_planes(planes):
    values = block(GREY)
    values[:, :, ::5] = WATER
    body = head(values).body(np.random.default_rng(0), planes)
    middle = body.maps.shape[-1] // 2
    found = body.maps[body.maps.shape[0] // 2, :, middle, middle]
    sums = np.asarray(sums_of(np.array([GREY] * 4 + [WATER], np.float32))).mean(axis=0)
    np.testing.assert_allclose(found, np.asarray(maps_of(sums)), rtol=0.01)


@pytest.mark.parametrize(
    ("t1_ms", "t2_ms", "name"),
    [
        (WHITE_BELOW_MS - 1, 60.0, "white"),
        (WHITE_BELOW_MS + 1, 60.0, "cortex"),
        (GREY_BELOW_MS + 1, 60.0, "csf"),
        (WHITE_BELOW_MS - 1, WATER_T2_MS + 1, "csf"),
        (GREY_BELOW_MS - 1, WATER_T2_MS + 1, "csf"),
        (GREY_BELOW_MS - 1, WATER_T2_MS - 1, "cortex"),
    ],
)
def test_water_is_told_by_either_time(planes, t1_ms, t2_ms, name):
    body = head(block((t1_ms, t2_ms, 80.0))).body(np.random.default_rng(0), planes)
    middle = tuple(size // 2 for size in body.log_odds.shape[1:])
    assert BODY_CLASSES[int(np.argmax(body.log_odds[(slice(None), *middle)]))] == name


def test_the_border_of_water_is_the_heads_own(planes):
    mine = dataclasses.replace(head(block((1200.0, 250.0, 80.0))), water_t2_ms=300.0)
    body = mine.body(np.random.default_rng(0), planes)
    middle = tuple(size // 2 for size in body.log_odds.shape[1:])
    assert BODY_CLASSES[int(np.argmax(body.log_odds[(slice(None), *middle)]))] == "cortex"
