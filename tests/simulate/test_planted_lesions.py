"""Lesions put into measured maps: where, what they measure, and what is left alone."""

import numpy as np
import pytest

from qsr_jax.simulate.planted_lesions import LESION_MS, LESION_WATER, plant_lesions


def white_head(slices=2, pixels=96):
    """Two slices of white matter in a rim of grey, and their brain."""
    y, x = (np.indices((pixels, pixels)) - pixels // 2) / pixels
    apart = np.hypot(y, x)
    maps = np.zeros((slices, pixels, pixels, 3), np.float32)
    maps[:, apart < 0.48] = (1300.0, 90.0, 0.8)
    maps[:, apart < 0.42] = (800.0, 70.0, 0.7)
    return maps, np.broadcast_to(apart < 0.48, maps.shape[:3])


def test_lesions_have_their_values_and_touch_nothing_else():
    maps, brain = white_head()
    planted, labels = plant_lesions(maps, brain, 2, seed=3, pixel_mm=1.0)
    assert set(np.unique(labels)) == {0, 1, 2, 3, 4}
    assert set(np.unique(labels[0])) == {0, 1, 2}
    for number in range(1, 5):
        assert 20 < np.sum(labels == number) < 400  # radii of 4 to 7 mm, rough
    full = planted[..., 0] == LESION_MS[0]
    assert full.sum() > 0.6 * np.sum(labels > 0)
    np.testing.assert_allclose(planted[full][:, 1], LESION_MS[1], rtol=1e-5)
    np.testing.assert_allclose(planted[full][:, 2], LESION_WATER * maps[full][:, 2], rtol=1e-5)
    changed = np.any(planted != maps, axis=-1)
    assert not np.any(labels[~changed]) and changed.sum() < 2 * np.sum(labels > 0)
    again = plant_lesions(maps, brain, 2, seed=3, pixel_mm=1.0)
    np.testing.assert_array_equal(again[1], labels)


def test_lesions_for_which_there_is_no_room():
    maps, brain = white_head()
    with pytest.raises(ValueError, match="slice 0: white matter has room for"):
        plant_lesions(maps, brain, 60, seed=0, pixel_mm=1.0)
    with pytest.raises(ValueError, match="expected 1 to 255 in all"):
        plant_lesions(maps, brain, 200, seed=0, pixel_mm=1.0)
