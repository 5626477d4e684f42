"""The checkerboard is told from noise, from edges, and from what it is laid upon."""

import numpy as np
import pytest

from qsr_jax.metrics.checkerboard import checkerboard, split_checkerboard
from qsr_jax.metrics.sharpness import noise_level

SIDE = 128
BOARD = np.where(np.indices((SIDE, SIDE)).sum(0) % 2, -1.0, 1.0)[None, ..., None]
WHOLE = np.ones((1, SIDE, SIDE), bool)


@pytest.fixture
def head():
    """A disc of 900 in 1400 and a step along each axis: edges in every direction."""
    y, x = np.mgrid[:SIDE, :SIDE] - 63.5
    image = np.where(np.hypot(y, x) < 40, 900.0, 1400.0) + 200.0 * (y > 20) + 100.0 * (x > 10)
    return image[None, ..., None]


def test_its_size_is_found_on_a_structured_image(head):
    alone = float(checkerboard(head.astype(np.float32), WHOLE)[0, 0])
    found = float(checkerboard((head + 25.0 * BOARD).astype(np.float32), WHOLE)[0, 0])
    assert alone < 5.0  # of edges of 500
    assert found == pytest.approx(25.0, rel=0.05)


def test_stripes_and_steps_along_an_axis_are_none():
    _, x = np.mgrid[:SIDE, :SIDE]
    for image in (np.where(x % 2, 50.0, -50.0), np.where(x > 40, 900.0, 0.0)):
        assert float(checkerboard(image[None, ..., None].astype(np.float32), WHOLE)[0, 0]) < 1e-3


def test_white_noise_has_the_share_that_is_said(rng):
    noise = rng.normal(0.0, 10.0, (4, SIDE, SIDE, 1)).astype(np.float32)
    found = np.asarray(checkerboard(noise, np.broadcast_to(WHOLE, noise.shape[:3])))
    assert found.mean() == pytest.approx(0.84, rel=0.1)


def test_noise_is_told_without_it(rng):
    """The finest wavelets take the pattern for noise."""
    noise = rng.normal(0.0, 10.0, (1, SIDE, SIDE, 1))
    image = (1000.0 + noise + 20.0 * BOARD).astype(np.float32)
    plain, board, known = split_checkerboard(image, WHOLE)
    assert float(noise_level(image, WHOLE)[0, 0]) > 20.0
    assert float(noise_level(plain, known)[0, 0]) == pytest.approx(10.0, rel=0.07)
    np.testing.assert_allclose(plain + board, image, atol=1e-3)


def test_blind_outside_the_mask_and_known_well_inside_only(rng):
    mask = np.zeros((1, SIDE, SIDE), bool)
    mask[:, 30:70, 40:90] = True
    image = rng.normal(0.0, 10.0, (1, SIDE, SIDE, 2)).astype(np.float32)
    dirty = np.where(mask[..., None], image, np.nan)
    np.testing.assert_array_equal(checkerboard(dirty, mask), checkerboard(image, mask))
    _, _, known = split_checkerboard(image, mask)
    assert np.argwhere(np.asarray(known)[0]).min(0).tolist() == [37, 47]
    assert np.argwhere(np.asarray(known)[0]).max(0).tolist() == [62, 82]


def test_nothing_well_inside_is_nan():
    mask = np.zeros((1, SIDE, SIDE), bool)
    mask[:, 30:40, 30:40] = True
    assert np.isnan(checkerboard(np.ones((1, SIDE, SIDE, 1), np.float32), mask)).all()
