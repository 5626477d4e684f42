"""The issue's table of mechanisms: what each makes of T1 and PD of grey and white matter."""

import numpy as np
import pytest

from qsr_jax.physics.mechanisms import MECHANISMS, effect

ROUTINE_ANGLE = {one.said.split(",")[0]: one for one in MECHANISMS if not one.own_angle}
OWN_ANGLE = {one.said.split(",")[0]: one for one in MECHANISMS if one.own_angle}


@pytest.mark.parametrize(
    ("said", "t1", "pd"),
    [
        ("fast delays +12 ms", (-2.6, -2.9), (-0.7, -0.5)),
        ("saturation 1.1 % weaker in fast", (-3.3, -2.6), (-0.9, -0.5)),
        ("routine delays × 0.9735", (-2.6, -2.7), (0.0, 0.0)),
    ],
)
def test_effects_are_those_that_somebody_else_computed(said, t1, pd):
    """By hard pulses and without neighbours; the slice changes them by 0.4 points at most."""
    found = [effect(ROUTINE_ANGLE[said], tissue)[:, 0] for tissue in ("GM", "WM")]
    np.testing.assert_allclose([one[0] for one in found], t1, atol=0.4)
    np.testing.assert_allclose([one[2] for one in found], pd, atol=0.3)
    np.testing.assert_allclose([one[1] for one in found], 0.0, atol=0.1)


def test_an_angle_of_the_scan_s_own_takes_the_error_up():
    for said in ("fast delays +12 ms", "saturation 1.1 % weaker in fast"):
        assert np.abs(effect(OWN_ANGLE[said], "WM")[0]).max() < 0.1
    # A clock that is wrong, no angle takes up
    assert effect(OWN_ANGLE["routine delays × 0.9735"], "WM")[0, 0] == pytest.approx(-2.65, abs=0.1)
