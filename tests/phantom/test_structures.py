"""Vessels, perivascular spaces and choroid plexus: volumes, places, and what they leave alone."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from qsr_jax.phantom import tubes
from qsr_jax.phantom.anatomy import BODY_CLASSES
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.structures import add_structures
from qsr_jax.phantom.volume_fractions import on_truth_grid, tissue_codes
from qsr_jax.physics.mdme_protocol import PROTOCOLS

CSF, CORTEX, WHITE = (BODY_CLASSES.index(name) for name in ("csf", "cortex", "white"))


@pytest.fixture(scope="module")
def planes(tiny_grids):
    return Planes(tiny_grids[PROTOCOLS["tiny"][0]])


@pytest.fixture(scope="module")
def body(toy_template, planes):
    return toy_template.body(np.random.default_rng(3), planes)


@pytest.fixture(scope="module")
def before_and_after(body, planes):
    """Volume fractions (z, 7, y, x) of a healthy head without and with structures, and traits."""
    with_them = add_structures(np.random.default_rng(4), body)
    fractions = [
        on_truth_grid(planes, np.ascontiguousarray(np.moveaxis(one.log_odds, 0, 1)), None)
        for one in (body, with_them)
    ]
    return *fractions, with_them.traits


def test_the_crest_of_a_tube_is_the_closed_form():
    """b r^2 = 1 at r = 0.5 mm: log(e - 1); of a thick tube b r^2 itself."""
    np.testing.assert_allclose(tubes.crest(np.array([0.5, 2.0])), [0.541325, 16.0], atol=1e-5)


@pytest.mark.parametrize("radius_mm", [0.25, 0.5, 1.0])
def test_a_slanted_tube_holds_its_volume_however_thin(radius_mm, planes):
    """A line of 20 mm through no point of the grid, on pixels of a third of a millimetre.

    Points every 0.5 mm instead of a line take at most b (0.25 mm)^2 / 2 = 12 % from a thin one.
    """
    start, along = np.array([[10.3, 40.2, 50.4]]), np.array([[0.0, 0.6, 0.8]])
    points, _ = tubes.lines(start, along, 0 * start, np.array([20.0]))
    field = tubes.draw_tubes((21, planes.size, planes.size), points, np.full(40, radius_mm))
    grid = planes.grid(3 * planes.size)
    fine = np.asarray(planes.enlarge_on(field, grid, method="cubic"))
    pixel = planes.fov_mm / fine.shape[-1]
    found = expit(fine).sum() * pixel**2
    ends = 4 / 3 * np.pi * radius_mm**3  # half a ball at either end
    assert found == pytest.approx(np.pi * radius_mm**2 * 19.5 + ends, rel=0.12)
    assert tubes.volume_ml(np.full(40, radius_mm)) == pytest.approx(np.pi * radius_mm**2 * 0.02)


def test_walks_stay_where_there_is_room(rng):
    room_mm = np.zeros((30, 30, 30), np.float32)
    room_mm[10:20, 5:25, 14:17] = 1.0
    points, owner = tubes.walks(rng, np.full((8, 3), 15.0), room_mm, steps=60)
    inside = room_mm[tuple(np.round(points).astype(int).T)] > 0
    assert inside.mean() > 0.95  # they look 1 mm ahead and step half of it
    assert set(owner) == set(range(8))
    assert np.bincount(owner).max() > 20


def test_fractions_are_still_shares(before_and_after):
    _, after, _ = before_and_after
    assert after.min() >= 0
    assert after.sum(axis=1).max() <= 1 + 1e-5


def test_vessels_replace_water_and_little_else(before_and_after, planes):
    """What is lost in all is the vessels' volume, three quarters of it or more from water."""
    before, after, traits = before_and_after
    ml = np.prod(planes.geometry.spacing_mm) / 1000
    lost = (before - after).sum(axis=1)
    assert lost.min() > -0.05  # cubic interpolation overshoots beside a tube
    # The planes reach 3 mm beyond the slices, and tubes overlap.
    assert 0.5 * traits["vessels_ml"] < lost.sum() * ml < 1.1 * traits["vessels_ml"]
    gone = lost > 0.2
    water, tissue = before[:, CSF][gone].sum(), before[:, (CORTEX, WHITE)].sum(axis=1)[gone].sum()
    assert water > 3 * tissue


def test_perivascular_spaces_are_water_in_white_matter(before_and_after, planes):
    before, after, traits = before_and_after
    ml = np.prod(planes.geometry.spacing_mm) / 1000
    deep = before[:, WHITE] > 0.99
    gained = (after[:, CSF] - before[:, CSF])[deep].sum() * ml
    assert 0.5 * traits["perivascular_ml"] < gained < 1.1 * traits["perivascular_ml"]


@pytest.mark.parametrize("seed", range(4))
def test_volumes_lie_in_the_ranges_of_the_literature(seed, body, planes):
    """Per ml of white matter: 1.31 to 14.49 cm3 in about 450 (Barisano 2021). The toy head's
    ventricle is narrow, so only the plexus's upper end is meant: 2.5 ml."""
    found = add_structures(np.random.default_rng(seed), body).traits
    white_ml = (body.log_odds.argmax(axis=0) == WHITE).sum() / 1000
    assert 1.31 / 450 < found["perivascular_ml"] / white_ml < 14.49 / 450
    assert 0.1 < found["choroid_ml"] < 2.5
    head = body.log_odds.max(axis=0) > 0
    water_ml = (head & (body.log_odds.argmax(axis=0) == CSF)).sum() / 1000
    assert 0.01 < found["vessels_ml"] / water_ml < 0.06


def test_the_plexus_is_no_grey_matter_to_the_labels(before_and_after):
    """Ventricles hold more grey matter than before, and not one voxel that is called so."""
    before, after, _ = before_and_after
    ventricle = before[:, CSF] > 0.99
    assert (after[:, CORTEX] - before[:, CORTEX])[ventricle].max() > 0.2
    assert not np.isin(tissue_codes(after)[ventricle], (CORTEX + 1, WHITE + 1)).any()


def test_structures_follow_their_generator_and_no_other(body):
    one, same, other = (add_structures(np.random.default_rng(s), body) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.log_odds, same.log_odds)
    assert one.traits != other.traits
    assert one.mni_mm is body.mni_mm


def test_measured_heads_are_left_alone(body):
    measured = dataclasses.replace(body, maps=np.ones((1, 3, 2, 2), np.float32))
    assert add_structures(np.random.default_rng(1), measured) is measured
