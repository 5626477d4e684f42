"""The tissue mask: the head, whatever the air around it holds."""

import numpy as np
import pytest
from scipy import ndimage

from qsr_jax.ops import mask as mask_room
from qsr_jax.ops.mask import tissue_mask

SHAPE = (4, 128, 128)
AIR = {"t1": (0.0, 6000.0), "t2": (0.0, 2000.0), "pd": (0.0, 160.0)}
TISSUE = {"t1": (4000.0, 1250.0, 850.0), "t2": (1500.0, 95.0, 78.0), "pd": (100.0, 80.0, 68.0)}


def head():
    y, x = (np.mgrid[: SHAPE[1], : SHAPE[2]] + 0.5) / SHAPE[1] - 0.5
    radius = np.hypot(y, x / 0.8) / 0.4
    hole = np.hypot(y, x) < 0.06  # a ventricle of pure water
    csf = (radius > 0.88) | hole
    return radius < 1, csf, np.sin(20 * y) * np.sin(20 * x) > 0


def maps_with_air(rng, air: str):
    """Three maps of a head; the air is zero, white noise, or noise smoothed by zero-filling."""
    inside, csf, white = head()
    maps = []
    for name, (water, grey, wm) in TISSUE.items():
        value = np.where(csf, water, np.where(white, wm, grey))
        tissue = value * (1 + 0.05 * rng.standard_normal(SHAPE))
        noise = rng.standard_normal(SHAPE)
        if air == "smooth":
            noise = ndimage.gaussian_filter(noise, (0, 0.7, 0.7))
        ranks = noise.ravel().argsort().argsort().reshape(SHAPE) / noise.size
        low, high = AIR[name]
        around = 0.0 if air == "zero" else low + (high - low) * ranks
        maps.append(np.where(inside, tissue, around).astype(np.float32))
    return maps, np.broadcast_to(inside, SHAPE)


@pytest.mark.parametrize(("air", "least_dice"), [("zero", 0.99), ("white", 0.98), ("smooth", 0.95)])
def test_finds_the_head(rng, air, least_dice):
    maps, inside = maps_with_air(rng, air)
    mask = tissue_mask(*maps)
    assert mask.dtype == bool
    assert 2 * (mask & inside).sum() / (mask.sum() + inside.sum()) > least_dice
    assert (mask & inside).sum() > 0.98 * inside.sum()


def test_scale_of_pd_does_not_matter(rng):
    (t1, t2, pd), _ = maps_with_air(rng, "zero")
    np.testing.assert_array_equal(tissue_mask(t1, t2, pd), tissue_mask(t1, t2, 0.01 * pd))


def test_scalp_is_left_out(rng):
    """A rim of fat and one of muscle around the skull, both as bright as the brain."""
    maps, inside = maps_with_air(rng, "white")
    y, x = (np.mgrid[: SHAPE[1], : SHAPE[2]] + 0.5) / SHAPE[1] - 0.5
    radius = np.hypot(y, x / 0.8) / 0.4
    rims = {"fat": (radius > 1.1) & (radius < 1.17), "muscle": (radius >= 1.17) & (radius < 1.23)}
    values = {"fat": (380.0, 68.0, 90.0), "muscle": (1400.0, 34.0, 78.0)}
    for kind, rim in rims.items():
        for volume, value in zip(maps, values[kind], strict=True):
            volume[:, rim] = value * (1 + 0.05 * rng.standard_normal((SHAPE[0], rim.sum())))
    mask = tissue_mask(*maps)
    assert not mask[:, rims["fat"] | rims["muscle"]].any()
    assert 2 * (mask & inside).sum() / (mask.sum() + inside.sum()) > 0.97


def test_what_is_no_brain_is_taken_whole(rng):
    """A bottle of fat: nothing has a brain's values, and the mask is the bottle."""
    maps, inside = maps_with_air(rng, "white")
    for volume, value in zip(maps, (380.0, 68.0, 90.0), strict=True):
        volume[inside] = value * (1 + 0.05 * rng.standard_normal(int(inside.sum())))
    mask = tissue_mask(*maps)
    assert 2 * (mask & inside).sum() / (mask.sum() + inside.sum()) > 0.97


def test_a_second_bright_object_is_left_out(rng):
    maps, inside = maps_with_air(rng, "zero")
    for values, (_, grey, _) in zip(maps, TISSUE.values(), strict=True):
        values[:, :10, :10] = grey
    assert not tissue_mask(*maps)[:, :10, :10].any()


def test_no_tissue_is_an_error():
    with pytest.raises(ValueError, match="no tissue"):
        tissue_mask(*np.zeros((3, *SHAPE)))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes"):
        tissue_mask(np.ones((2, 8, 8)), np.ones((2, 8, 8)), np.ones((3, 8, 8)))
    with pytest.raises(ValueError, match="shapes"):
        tissue_mask(np.ones((8, 8)), np.ones((8, 8)), np.ones((8, 8)))


@pytest.mark.parametrize("radius", (0.4, 1.0, 2.5, 4.0))
def test_the_quick_ways_are_the_textbook_ones(radius, rng):
    """Discs by distance, medians by sorting, holes by growing: what they replace, bit for bit."""
    image = ndimage.gaussian_filter(rng.standard_normal((3, 40, 48)), (0, 1.5, 1.5))
    mask = image > 0
    far = np.stack([ndimage.distance_transform_edt(~part) for part in mask])
    np.testing.assert_array_equal(mask_room._near(mask, radius), far <= radius)
    noise = rng.standard_normal(image.shape).astype(np.float32)
    np.testing.assert_array_equal(
        mask_room._mostly(noise > 0.1), ndimage.median_filter(noise, (1, 3, 3)) > 0.1
    )
    filled = np.stack([ndimage.binary_fill_holes(part) for part in mask])
    assert filled.sum() > mask.sum()
    np.testing.assert_array_equal(mask_room._filled(mask), filled)
