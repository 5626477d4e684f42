"""Protons and rates add up, times do not."""

import numpy as np
import pytest

from qsr_jax.phantom.mixing import coarser_maps, maps_of, sums_of

GREY, WATER = (1350.0, 85.0, 82.0), (4200.0, 1800.0, 100.0)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_a_mixture_relaxes_with_the_mean_rate_of_its_protons(share):
    sums = np.asarray(sums_of(np.array([GREY, WATER], np.float32)))
    found = np.asarray(maps_of((1 - share) * sums[0] + share * sums[1]))
    protons = np.array([(1 - share) * GREY[2], share * WATER[2]])
    rates = [(protons / [GREY[i], WATER[i]]).sum() / protons.sum() for i in range(2)]
    np.testing.assert_allclose(found, [1 / rates[0], 1 / rates[1], protons.sum()], rtol=1e-5)


def test_a_fifth_of_water_does_not_make_grey_matter_water():
    """Among the slices of five planes that a head is cut into, one of water: T2 0.1 s, not 0.4."""
    sums = np.asarray(sums_of(np.array([GREY] * 4 + [WATER], np.float32)))
    assert np.asarray(maps_of(sums.mean(axis=0)))[1] == pytest.approx(109.3, abs=0.1)


def test_what_is_not_there_stays_so():
    nothing = np.array([[0.0, 0.0, 0.0], [0.0, 80.0, 70.0], [900.0, 80.0, 0.0]], np.float32)
    back = np.asarray(maps_of(sums_of(nothing)))
    np.testing.assert_allclose(back[0], 0.0)
    np.testing.assert_allclose(back[1], [0.0, 80.0, 70.0], rtol=1e-6)
    np.testing.assert_allclose(back[2], 0.0)


def test_coarser_maps_mix_as_the_simulator_does():
    """Protons add up; rates are their mean over the protons; air takes no part."""
    maps = np.zeros((2, 4, 3), np.float32)
    maps[0, 0], maps[1, 0] = (1000.0, 100.0, 60.0), (2000.0, 50.0, 20.0)
    maps[:, 2:] = 500.0, 80.0, 70.0
    first, second = coarser_maps(maps, 2)[0]
    protons = 60.0 + 20.0
    expected = [protons / (60 / 1000 + 20 / 2000), protons / (60 / 100 + 20 / 50), protons / 4]
    np.testing.assert_allclose(first, expected, rtol=1e-5)
    np.testing.assert_allclose(second, (500.0, 80.0, 70.0), rtol=1e-5)
    assert not coarser_maps(0 * maps, 2).any() and coarser_maps(maps, 1) is maps
