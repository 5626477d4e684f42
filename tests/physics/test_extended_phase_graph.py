"""The phase graph against closed forms and against isochromats."""

import numpy as np
import pytest
from isochromats import ISOCHROMATS, play_train, turns

from qsr_jax.physics.extended_phase_graph import train_echoes, train_recovery
from qsr_jax.physics.rf_pulses import Rotation

TRAIN = {"spacing_ms": 9.14, "echoes": 16}
EVER = np.array(1e12)


def about_x(angle_deg, tilt=0.0):
    """Rotation about an axis that leans from x towards z by ``tilt`` radians."""
    half = np.deg2rad(angle_deg) / 2
    a = np.cos(half) - 1j * np.sin(tilt) * np.sin(half)
    return Rotation(np.array(a), np.array(-1j * np.cos(tilt) * np.sin(half)))


def test_perfect_refocusing_leaves_t2_alone():
    found = train_echoes(np.array(1.0), about_x(180.0), np.array(800.0), np.array(80.0), **TRAIN)
    times = 9.14 * np.arange(1, 17)
    np.testing.assert_allclose(found, np.exp(-times / 80.0), atol=1e-12)


@pytest.mark.parametrize("angle_deg", [60.0, 120.0, 150.0])
def test_first_two_echoes_without_relaxation(angle_deg):
    """Hennig 1988: s^2, then s^4 + sin^2(a) / 2."""
    found = train_echoes(np.array(1.0), about_x(angle_deg), EVER, EVER, **TRAIN).real
    s2, sine = np.sin(np.deg2rad(angle_deg) / 2) ** 2, np.sin(np.deg2rad(angle_deg))
    np.testing.assert_allclose(found[:2], (s2, s2**2 + sine**2 / 2), atol=1e-12)


def test_a_train_of_120_degrees_settles():
    """Without relaxation its echoes swing into sin(a / 2), and none exceeds what there is.

    Hennig and Scheffler 2000, doi:10.1002/1522-2594(200012)44:6<983::AID-MRM23>3.0.CO;2-E.
    """
    found = train_echoes(np.array(1.0), about_x(120.0), EVER, EVER, spacing_ms=9.14, echoes=60).real
    assert found.max() < 1.0
    np.testing.assert_allclose(found[40:], np.sin(np.deg2rad(60.0)), atol=0.002)


def test_magnetisation_across_the_axis_of_refocusing_alternates():
    """Against CPMG, perfect pulses turn it over and over."""
    found = train_echoes(np.array(1j), about_x(180.0), EVER, EVER, **TRAIN)
    np.testing.assert_allclose(found, 1j * (-1.0) ** np.arange(1, 17), atol=1e-9)


def test_recovery_without_refocusing_and_with_perfect_pulses():
    t1_ms, t2_ms, total = np.array(800.0), np.array(80.0), 16 * 9.14
    factor, gain = train_recovery(about_x(0.0), t1_ms, t2_ms, **TRAIN)
    assert (factor, gain) == pytest.approx((np.exp(-total / 800), 1 - np.exp(-total / 800)))
    factor, gain = train_recovery(about_x(180.0), t1_ms, t2_ms, **TRAIN)
    z = 1.0
    for spacing in (9.14 / 2, *[9.14] * 15, 9.14 / 2):
        z = 1 - (1 - z) * np.exp(-spacing / 800)
        z = -z
    assert factor + gain == pytest.approx(-z)  # the last turn of the loop is one too many


@pytest.mark.parametrize(("angle_deg", "tilt"), [(180.0, 0.0), (130.0, 0.5), (75.0, 1.0)])
@pytest.mark.parametrize("tissue", [(800.0, 80.0), (4200.0, 1500.0), (300.0, 20.0)])
def test_graph_agrees_with_isochromats(angle_deg, tilt, tissue):
    """Echoes of tipped magnetisation, and what is left along z, each to 1e-9."""
    turn = turns(np.array([[np.cos(tilt), 0, np.sin(tilt)]]), np.deg2rad([angle_deg]))
    tip = turns(np.array([[0.6, 0.8, 0.0]]), np.deg2rad([70.0]))
    start = np.zeros((1, ISOCHROMATS, 3))
    start[..., 2] = 0.7
    echoes, left = play_train(start, tip, turn, *tissue, **TRAIN)
    times = [np.array(value) for value in tissue]
    plus = 0.7 * (tip[0, 0, 2] + 1j * tip[0, 1, 2])
    found = train_echoes(np.array(plus), about_x(angle_deg, tilt), *times, **TRAIN)
    np.testing.assert_allclose(found, echoes[:, 0], atol=1e-9)
    factor, gain = train_recovery(about_x(angle_deg, tilt), *times, **TRAIN)
    along = 0.7 * np.cos(np.deg2rad(70.0))
    assert factor * along + gain == pytest.approx(left[0, 0, 2], abs=1e-9)
