"""A receive field in PD is found from white matter and taken out; PD of a subject stays."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics.mdme_fit import Fit
from qsr_jax.physics.receive_field import correct_density, receive_field

SHAPE, PIXEL_MM = (12, 96, 96), 1.7


@pytest.fixture
def head(rng):
    """White core, grey shell, CSF middle with noise of a scan; and the mask of its white matter."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    r = np.sqrt((0.5 * z) ** 2 + y**2 + x**2)
    code = np.digitize(r, (0.15, 0.6, 0.8))
    values = np.array([[4200, 1500, 100], [830, 78, 69], [1230, 92, 81], [2500, 300, 3]])
    noisy = values[code] * (1 + 0.04 * rng.standard_normal((*SHAPE, 3)))
    t1_ms, t2_ms, pd = np.moveaxis(noisy.astype(np.float32), -1, 0)
    return Fit(t1_ms, t2_ms, pd, theta_deg=np.full(SHAPE, 106.0, np.float32)), code


def shading(strength):
    """A field that grows towards the rim, as a coil array's, tilted; about 1 in the middle."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return np.float32(np.exp(strength * (0.8 * (y**2 + x**2) - 0.5 * z**2 + 0.3 * x - 0.2 * y)))


@pytest.mark.parametrize("strength", [0.0, 0.3, -0.5])
def test_strong_shading_gives_flat_density(head, strength):
    """Up to 2-fold shading: white and grey matter flat to 1 %."""
    fitted, code = head
    field = shading(strength)
    shaded = dataclasses.replace(fitted, pd_percent=fitted.pd_percent * field)
    flat = correct_density(shaded, pixel_mm=PIXEL_MM).pd_percent / fitted.pd_percent
    for tissue in (1, 2):
        inside = flat[code == tissue]
        assert np.abs(inside / inside.mean() - 1).max() < 0.01
    if strength:
        before = field[code == 1]
        assert before.std() / before.mean() > 0.02


def test_mean_over_white_matter_is_pinned(head):
    fitted, code = head
    for scale in (0.8, 1.0):
        scaled = dataclasses.replace(fitted, pd_percent=scale * fitted.pd_percent * shading(0.3))
        corrected = correct_density(scaled, pixel_mm=PIXEL_MM)
        white = code == 1
        before, after = (np.log(f.pd_percent[white]).mean() for f in (scaled, corrected))
        assert after == pytest.approx(before, abs=0.005)


def test_other_maps_are_untouched(head):
    fitted, _ = head
    corrected = correct_density(fitted, pixel_mm=PIXEL_MM)
    np.testing.assert_array_equal(corrected.t1_ms, fitted.t1_ms)
    np.testing.assert_array_equal(corrected.t2_ms, fitted.t2_ms)


def test_lesions_and_air_do_not_pull(head, rng):
    fitted, code = head
    pd = fitted.pd_percent.copy()
    pd[code == 1] *= np.where(rng.random((code == 1).sum()) < 0.05, 1.4, 1.0)
    field = receive_field(dataclasses.replace(fitted, pd_percent=pd), pixel_mm=PIXEL_MM)
    assert np.abs(field[code == 1] - 1).max() < 0.01


def test_refusal(head):
    fitted, _ = head
    hot = dataclasses.replace(fitted, t1_ms=np.full(SHAPE, 3000.0, np.float32))
    with pytest.raises(ValueError, match="0 samples of white matter .* expected at least 50"):
        correct_density(hot, pixel_mm=PIXEL_MM)
