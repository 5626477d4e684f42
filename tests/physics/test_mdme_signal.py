"""The signal equation against its limits, a step-by-step simulation and published values."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics.effective_angles import EFFECTIVE, IDEAL
from qsr_jax.physics.mdme_protocol import ROUTINE
from qsr_jax.physics.mdme_signal import (
    excitation_rad,
    excited,
    receive_gain,
    recovery,
    saturation_rad,
    signal,
)

LEVEL_A = dataclasses.replace(ROUTINE, angles=IDEAL)
TISSUES = [(800.0, 70.0, 65.0), (1300.0, 90.0, 82.0), (4200.0, 1500.0, 100.0)]


def test_white_matter_of_level_a():
    """T1 800, T2 70, PD 65 %: TE1 signals worked out by hand from W08 eq. 3."""
    first_echo = signal(800.0, 70.0, 65.0, 1.0, LEVEL_A)[:, 0]
    np.testing.assert_allclose(first_echo, [-0.105, 0.177, 0.427, 0.496], atol=5e-4)


@pytest.mark.parametrize("t1_ms", [300.0, 800.0, 4200.0])
@pytest.mark.parametrize("td_ms", [170.0, 3840.0])
@pytest.mark.parametrize("angles_deg", [(120.0, 90.0), (106.0, 68.7), (85.0, 50.5)])
def test_steady_state_is_where_repetition_ends(t1_ms, td_ms, angles_deg):
    """Saturate, wait, excite, wait, as often as it takes."""
    cos_theta, cos_alpha = np.cos(np.deg2rad(angles_deg))
    tr_ms, magnetisation = 4000.0, 1.0
    for _ in range(60):
        at_excitation = 1 - (1 - magnetisation * cos_theta) * np.exp(-td_ms / t1_ms)
        rest = np.exp(-(tr_ms - td_ms) / t1_ms)
        magnetisation = 1 - (1 - at_excitation * cos_alpha) * rest
    closed = recovery(t1_ms, *np.deg2rad(angles_deg), td_ms=td_ms, tr_ms=tr_ms)
    assert closed == pytest.approx(at_excitation, abs=1e-6)


def test_limits_of_the_delay():
    theta, alpha = np.deg2rad([120.0, 90.0])
    late = recovery(800.0, theta, alpha, td_ms=1e6, tr_ms=2e6)
    early = recovery(800.0, theta, alpha, td_ms=0.0, tr_ms=2e6)
    quick = recovery(1.0, theta, alpha, td_ms=170.0, tr_ms=4000.0)
    np.testing.assert_allclose([late, early, quick], [1.0, np.cos(theta), 1.0], atol=1e-6)


@pytest.mark.parametrize("angles", [IDEAL, EFFECTIVE])
@pytest.mark.parametrize(("t1_ms", "t2_ms", "pd"), TISSUES)
def test_echoes_decay_with_t2_once_their_gain_is_undone(angles, t1_ms, t2_ms, pd):
    first, second = np.moveaxis(
        np.asarray(signal(t1_ms, t2_ms, pd, 0.9, dataclasses.replace(ROUTINE, angles=angles))), 1, 0
    )
    ratio = second * angles.echo_gain[1] / (first * angles.echo_gain[0])
    np.testing.assert_allclose(ratio, np.exp(-(91.4 - 18.3) / t2_ms), rtol=1e-5)


def test_excitation_tips_the_magnetisation():
    """Before any decay a 90-degree pulse leaves M(TD) in the transverse plane."""
    theta, alpha = np.deg2rad([120.0, 90.0])
    expected = [recovery(800.0, theta, alpha, td_ms=td, tr_ms=4000.0) for td in LEVEL_A.td_ms]
    found = excited(800.0, 100.0, 1.0, LEVEL_A, td_ms=LEVEL_A.td_ms)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_signal_is_proportional_to_proton_density():
    one, two = (signal(800.0, 70.0, pd, 0.95, ROUTINE) for pd in (40.0, 80.0))
    np.testing.assert_allclose(two, 2 * np.asarray(one), rtol=1e-6)


@pytest.mark.parametrize(
    ("angles", "b1", "theta_deg", "alpha_deg"),
    [
        (IDEAL, 1.0, 120.0, 90.0),
        (IDEAL, 0.8, 96.0, 72.0),
        (EFFECTIVE, 1.0, 106.0, 69.0),  # 71.5, capped
        (EFFECTIVE, 0.7, 79.6, 45.1),  # W08: 80 degrees at B1 70 %
        (EFFECTIVE, 1.1, 114.8, 69.0),  # W08: 115 degrees at B1 110 %
    ],
)
def test_effective_angles(angles, b1, theta_deg, alpha_deg):
    theta = saturation_rad(b1, angles)
    found = np.rad2deg([theta, excitation_rad(theta, angles)])
    np.testing.assert_allclose(found, (theta_deg, alpha_deg), atol=1e-3)


def test_receive_gain_is_one_at_nominal_field_and_falls_with_the_angle():
    nominal, weak = (excitation_rad(saturation_rad(b1, IDEAL), IDEAL) for b1 in (1.0, 0.8))
    assert receive_gain(nominal, IDEAL) == pytest.approx(1.0)
    assert receive_gain(weak, IDEAL) == pytest.approx(0.8)
