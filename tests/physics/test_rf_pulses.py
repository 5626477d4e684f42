"""Shaped pulses: rotations, limits, and the width that the gradient is set for."""

import numpy as np
import pytest
from isochromats import shaped

from qsr_jax.physics import rf_pulses
from qsr_jax.physics.rf_pulses import excited, rephasing_area, selective

PLACE = np.linspace(-1.5, 1.5, 61)


@pytest.mark.parametrize("angle_deg", [30.0, 90.0, 120.0, 180.0])
@pytest.mark.parametrize("b1", [0.7, 1.0, 1.2])
def test_spinors_are_the_rotations_of_matrices(angle_deg, b1):
    """Longitudinal magnetisation after a pulse, against 3 x 3 matrices of finer steps."""
    turned, _ = shaped(angle_deg * b1, PLACE)
    found = selective(angle_deg, PLACE, np.full(61, b1))
    np.testing.assert_allclose(found.cosine, turned[:, 2, 2], atol=2e-4)
    np.testing.assert_allclose(abs(found.a) ** 2 + abs(found.b) ** 2, 1.0, atol=1e-9)


def test_the_middle_turns_by_the_nominal_angle_times_the_field():
    for b1 in (0.8, 1.0, 1.1):
        middle = selective(90.0, np.array(0.0), np.array(b1))
        assert middle.cosine == pytest.approx(np.cos(np.pi / 2 * b1), abs=1e-9)


def test_a_small_angle_excites_the_nominal_thickness():
    """The Fourier transform of the pulse: half the signal at half a thickness from the middle."""
    profile = excited(1.0, np.array([0.0, 0.5, 1.5]), np.ones(3)).real
    assert profile[1] / profile[0] == pytest.approx(0.5, abs=0.02)
    assert abs(profile[2] / profile[0]) < 0.01


def test_more_steps_change_nothing(monkeypatch):
    coarse = selective(180.0, PLACE, np.ones(61)).cosine
    monkeypatch.setattr(rf_pulses, "STEPS", 2 * rf_pulses.STEPS)
    np.testing.assert_allclose(selective(180.0, PLACE, np.ones(61)).cosine, coarse, atol=1e-4)


def test_rephasing_leaves_the_most_signal():
    best = rephasing_area(90.0)
    assert 0.5 < best < 0.53
    place = np.linspace(-1.25, 1.25, 251)
    tipped = excited(90.0, place, np.ones(251))
    for turn in (-0.02, 0.02):
        other = tipped * np.exp(-2j * np.pi * rf_pulses.TIME_BANDWIDTH * turn * place)
        assert abs(other.sum()) < abs(tipped.sum())
    # The two sides of a slice are conjugates: all of it lies along x
    assert abs(tipped.sum().imag) < 1e-9 * abs(tipped.sum())
