"""Heads from T2-weighted images: what is told from the image, and what is drawn."""

import numpy as np
import pytest
from scipy import ndimage

from qsr_jax.maps import MAPS
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.phantom import draw_phantom
from qsr_jax.phantom.slices import properties
from qsr_jax.phantom.weighted_images import WeightedImage, weighted_image
from qsr_jax.phantom.wide_draws import LEAST, MOST
from qsr_jax.physics.mdme_protocol import PROTOCOLS, geometries
from qsr_jax.types import CORNER
from tests.fixtures.t2_weighted_head import AFFINE, GREY, WATER, WHITE, image


@pytest.mark.parametrize("shading", [0.0, 0.15])
def test_levels_are_found_whatever_the_receive_field(shading):
    found = weighted_image(image(shading=shading), AFFINE, where="here")
    np.testing.assert_allclose(found.levels, [WHITE, GREY, WATER], rtol=0.06)
    white = ndimage.binary_erosion(np.abs(image() - WHITE) < 20, iterations=2)
    left = np.log(found.brightness[white]).std()
    assert left < max(0.5 * np.log(image(shading=shading)[white]).std(), 0.015)  # noise: 0.01


def test_finest_pixel_follows_the_image_but_not_below_the_planes():
    coarse = weighted_image(image(), AFFINE, where="here")
    fine = WeightedImage(coarse.brightness, AFFINE / 4, coarse.head, coarse.levels)
    assert (coarse.finest_mm, fine.finest_mm) == (4.0, 2.0)


def subject(seed, found):
    grid = geometries(*PROTOCOLS["tiny"], CORNER)[0]
    return draw_phantom(np.random.default_rng(seed), found, grid, patient=False)


def test_values_rise_with_brightness_and_differ_between_subjects():
    found = weighted_image(image(), AFFINE, where="here")
    drawn = [subject(seed, found) for seed in range(3)]
    means = []
    for one in drawn:
        maps = np.stack([np.asarray(properties(one, i)[0]) for i in range(len(one.fractions))])
        maps = np.moveaxis(maps, 1, -1)
        inside = maps[2:4]
        kinds = [np.median(inside[one.tissue[2:4] == code], axis=0) for code in (3, 2, 1)]
        assert (np.diff([kind[0] for kind in kinds]) > 0).all()  # T1: white, grey, water
        for kind in kinds[:2]:
            assert (kind > 0.9 * LEAST).all() and (kind < 1.1 * MOST).all()
        assert all(maps[..., i].max() <= s.scanner_max for i, s in enumerate(MAPS.values()))
        means.append(kinds[0])
    spread = np.std(means, axis=0) / np.mean(means, axis=0)
    assert (spread > 0.02).all()
    assert {"white_t1", "grey_t2", "water_pd"} <= set(drawn[0].traits)


def test_a_subject_is_a_function_of_its_seed():
    found = weighted_image(image(), AFFINE, where="here")
    one, same = subject(4, found), subject(4, found)
    np.testing.assert_array_equal(one.maps, same.maps)
    planes = Planes(geometries(*PROTOCOLS["tiny"], CORNER)[0])
    assert one.maps.shape == (planes.geometry.shape[0], 3, planes.size, planes.size)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (image()[..., 0], "expected a volume"),
        (image() - 50.0, "none of it negative"),
        (np.eye(96)[..., None] * np.eye(10)[0], "nothing in it is as large as a head"),
        (image(white=900.0, grey=650.0, water=200.0), "must rise in brightness"),  # T1-weighted
        (np.where(np.indices((96, 96, 10))[0] < 4, 100.0, 0.0), "lies 18 mm deep"),
    ],
)
def test_what_is_no_t2_weighted_head_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        weighted_image(wrong, AFFINE, where="here")
