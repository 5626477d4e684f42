"""The fit is exact without noise, near the Cramer-Rao bound with it, and robust to stray angles."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.physics.effective_angles import EFFECTIVE, IDEAL
from qsr_jax.physics.flip_angle_map import smooth_angles
from qsr_jax.physics.mdme_fit import Fit, clip_to_scanner, fit
from qsr_jax.physics.mdme_protocol import ROUTINE
from qsr_jax.physics.mdme_signal import excitation_rad, receive_gain, saturation_rad, signal

PROTOCOL = {
    "A": dataclasses.replace(ROUTINE, angles=IDEAL),
    "B": dataclasses.replace(ROUTINE, angles=EFFECTIVE),
}


def images_of(t1_ms, t2_ms, pd_percent, b1, protocol):
    """Noiseless images (1, delay, echo, y, x) with a phase of their own per echo."""
    shape = np.broadcast_shapes(np.shape(t1_ms), np.shape(t2_ms), np.shape(pd_percent))
    values = [np.broadcast_to(np.float32(v), shape) for v in (t1_ms, t2_ms, pd_percent)]
    phase = np.exp(1j * np.array([0.7, -2.1])).reshape(1, 2, *[1] * len(shape))
    return (np.asarray(signal(*values, b1, protocol)) * phase).astype("c8")[None]


@pytest.mark.parametrize("level", PROTOCOL)
@pytest.mark.parametrize("b1", [0.7, 0.85, 1.0, 1.1, 1.15])
def test_round_trip_without_noise(level, b1):
    t1_ms = np.geomspace(300, 4500, 24)[:, None]
    t2_ms = np.geomspace(20, 2000, 24)[None, :]
    fitted = fit(images_of(t1_ms, t2_ms, 70.0, b1, PROTOCOL[level]), PROTOCOL[level])
    for found, true in ((fitted.t1_ms, t1_ms), (fitted.t2_ms, t2_ms), (fitted.pd_percent, 70.0)):
        np.testing.assert_allclose(found[0], np.broadcast_to(true, (24, 24)), rtol=1e-3)
    expected = np.rad2deg(saturation_rad(b1, PROTOCOL[level].angles))
    np.testing.assert_allclose(fitted.theta_deg, expected, atol=0.01)


@pytest.mark.parametrize("theta_deg", [100.0, 106.0, 110.0])
def test_round_trip_at_angles_of_the_original_paper(theta_deg):
    """T1 800, 1300 and 4200 ms at the effective angles around W08's 106 degrees."""
    b1 = 1 + (theta_deg - 106) / 88
    t1_ms = np.array([800.0, 1300.0, 4200.0])[:, None] * np.ones((1, 3))
    fitted = fit(images_of(t1_ms, 80.0, 65.0, b1, PROTOCOL["B"]), PROTOCOL["B"])
    np.testing.assert_allclose(fitted.t1_ms[0], t1_ms, rtol=1e-3)


# T1, T2, PD and relative bounds in percent (PD, T1, T2, B1), then with B1 known (PD, T1, T2);
# level A, one percent of noise. From an independent computation, made before this code.
BOUNDS = {
    "white": ((800.0, 70.0, 65.0), (2.5, 5.7, 4.2, 2.0), (2.2, 3.3, 4.2)),
    "grey": ((1300.0, 90.0, 82.0), (2.4, 4.8, 3.8, 1.3), (1.9, 2.8, 3.8)),
    "putamen": ((1150.0, 75.0, 82.0), (2.3, 4.8, 3.6, 1.4), (2.0, 2.8, 3.6)),
    "csf": ((4200.0, 1500.0, 100.0), (7.1, 9.8, 44.0, 0.9), (4.1, 5.8, 44.0)),
    "lesion": ((1400.0, 150.0, 85.0), (2.1, 4.2, 4.5, 1.0), (1.7, 2.5, 4.5)),
}
SIGMA = 0.01


def bounds_percent(t1_ms, t2_ms, pd_percent):
    """Cramer-Rao bounds of (PD, T1, T2, B1) with B1 free, and of (PD, T1, T2) with it known."""
    angles = PROTOCOL["A"].angles

    def model(v):
        # A receive field that does not move with B1, as in the table
        gain = receive_gain(excitation_rad(saturation_rad(v[3], angles), angles), angles)
        return (signal(v[1], v[2], v[0], v[3], PROTOCOL["A"]) / gain).ravel()

    values = jnp.array([pd_percent, t1_ms, t2_ms, 1.0])
    slopes = np.asarray(jax.jacfwd(model)(values), np.float64) * np.asarray(values) / SIGMA
    free = np.sqrt(np.diag(np.linalg.inv(slopes.T @ slopes)))
    known = np.sqrt(np.diag(np.linalg.inv(slopes[:, :3].T @ slopes[:, :3])))
    return 100 * free, 100 * known


@pytest.mark.parametrize("tissue", BOUNDS)
def test_noise_floor_table(tissue):
    values, free, known = BOUNDS[tissue]
    found_free, found_known = bounds_percent(*values)
    np.testing.assert_allclose(found_free, free, atol=0.051)
    np.testing.assert_allclose(found_known, known, atol=0.061)


@pytest.mark.parametrize("tissue", ["white", "grey", "lesion"])
def test_spread_is_near_the_noise_floor(tissue, rng):
    """With the angle map smoothed over 10 mm, T1 is nearly as sharp as with B1 known."""
    (t1_ms, t2_ms, pd), _, (_, t1_floor, t2_floor) = BOUNDS[tissue]
    protocol = dataclasses.replace(PROTOCOL["A"], fov_mm=96 * 1.7)
    noise_free = images_of(np.full((96, 96), t1_ms), t2_ms, pd, 1.0, protocol)
    noise = rng.standard_normal((2, *noise_free.shape)) * SIGMA
    fitted = fit((noise_free + noise[0] + 1j * noise[1]).astype("c8"), protocol)
    inner = np.s_[0, 8:-8, 8:-8]
    for found, true, floor in ((fitted.t1_ms, t1_ms, t1_floor), (fitted.t2_ms, t2_ms, t2_floor)):
        spread = 100 * found[inner].std() / true
        assert 0.9 * floor < spread < 1.25 * floor
        assert abs(found[inner].mean() / true - 1) < 0.01


def test_angle_map_ignores_outliers_and_reaches_beyond_the_signal(rng):
    shape = (1, 64, 64)
    row = np.linspace(-1, 1, 64)
    true = np.broadcast_to((104 + 4 * row)[None, :, None], shape)
    stray = rng.random(shape) < 0.2
    head = np.hypot(row[:, None], row[None, :])[None] < 0.6
    smooth = smooth_angles(np.where(stray, 170.0, true), head, 1.7, EFFECTIVE)
    assert np.abs(smooth - true)[head].max() < 1.5
    beyond = ~head & (np.hypot(row[:, None], row[None, :])[None] < 0.66)
    assert np.abs(smooth - true)[beyond].max() < 2.0
    assert smooth[0, 0, 0] == EFFECTIVE.theta_deg


def test_fast_grids_sample_the_angle_map_more_finely():
    """A map of one angle stays it, whatever the pixel size."""
    for size, pixel_mm in ((33, 5.0), (64, 0.43), (50, 0.86)):
        flat = np.full((1, size, size), 99.0, np.float32)
        smooth = smooth_angles(flat, np.ones_like(flat, bool), pixel_mm, EFFECTIVE)
        np.testing.assert_allclose(smooth, 99.0, atol=1e-3)


def test_scanner_clips_but_the_fit_does_not():
    extreme = np.array([[[5000.0, -3.0, 200.0]]], np.float32)
    fitted = Fit(t1_ms=extreme, t2_ms=extreme, pd_percent=extreme, theta_deg=extreme)
    expected = [[4300.0, 2000.0, 160.0], [0.0, 0.0, 0.0], [200.0, 200.0, 160.0]]
    np.testing.assert_array_equal(clip_to_scanner(fitted)[0, 0], expected)


def test_refusals():
    images = images_of(np.full((4, 4), 800.0), 70.0, 65.0, 1.0, ROUTINE)
    with pytest.raises(ValueError, match=r"\(delay, echo\) \(3, 2\)"):
        fit(images[:, :3], ROUTINE)
    with pytest.raises(ValueError, match="no signal"):
        fit(np.zeros_like(images), ROUTINE)
