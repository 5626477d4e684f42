"""Edges, gradients and noise against what is known of the image, and against scikit-image."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from qsr_jax.metrics.masked import masked_median
from qsr_jax.metrics.sharpness import edge_sharpness, gradient_strength, noise_level

SINGLE = {"gradient": gradient_strength, "noise": noise_level}
WHOLE = np.ones((2, 128, 128), bool)


@pytest.fixture
def disc(rng):
    """(images, mask): two samples of two maps, a disc of 900 in 1400 with noise of SD 20."""
    y, x = np.mgrid[:128, :128] - 63.5
    truth = np.where(np.hypot(y, x) < 40, 900.0, 1400.0)[None, ..., None]
    images = truth + rng.normal(0, 20, (2, 128, 128, 2))
    mask = np.broadcast_to(np.hypot(y, x) < 60, WHOLE.shape)
    return images.astype(np.float32), mask


def blurred(images, sigma):
    return ndimage.gaussian_filter(images, (0, sigma, sigma, 0))


@pytest.mark.parametrize("name", SINGLE)
class TestOneImage:
    def test_blind_outside_the_mask(self, name, disc):
        images, mask = disc
        dirty = np.where(mask[..., None], images, np.nan)
        np.testing.assert_array_equal(SINGLE[name](dirty, mask), SINGLE[name](images, mask))

    def test_batch_is_stacked_singles(self, name, disc):
        images, mask = disc
        singles = [SINGLE[name](images[i : i + 1], mask[i : i + 1]) for i in range(2)]
        np.testing.assert_allclose(SINGLE[name](images, mask), np.concatenate(singles), rtol=1e-6)

    def test_has_the_unit_of_the_map(self, name, disc):
        images, mask = disc
        scaled = SINGLE[name](images * 0.1, mask)
        np.testing.assert_allclose(scaled, 0.1 * np.asarray(SINGLE[name](images, mask)), rtol=1e-4)

    def test_jit_is_eager(self, name, disc):
        images, mask = disc
        with jax.disable_jit():
            eager = SINGLE[name](images[:1, ::4, ::4], mask[:1, ::4, ::4])
        compiled = SINGLE[name](images[:1, ::4, ::4], mask[:1, ::4, ::4])
        np.testing.assert_allclose(compiled, eager, rtol=1e-5)

    def test_does_not_move_with_a_constant(self, name, disc):
        images, mask = disc
        np.testing.assert_allclose(
            SINGLE[name](images + 300, mask), SINGLE[name](images, mask), rtol=1e-3
        )

    def test_nothing_to_count_is_nan(self, name, disc):
        images, mask = disc
        assert np.isnan(SINGLE[name](images, np.zeros_like(mask))).all()


@pytest.mark.parametrize("sd", [10.0, 40.0])
def test_noise_is_found_beside_edges(sd, disc, rng):
    images, mask = disc
    clean = np.broadcast_to(blurred(images, 3), images.shape)
    noisy = (clean + rng.normal(0, sd, images.shape)).astype(np.float32)
    np.testing.assert_allclose(noise_level(noisy, mask), sd, rtol=0.06)


def test_noise_agrees_with_the_wavelet_coefficients_of_scikit_image(rng):
    """estimate_sigma takes the same coefficients; it mirrors the border."""
    pywt = pytest.importorskip("pywt", reason="PyWavelets absent: no oracle for the coefficients")
    image = rng.normal(0, 30, (64, 64)) + 5 * np.arange(64)
    detail = pywt.dwtn(image, wavelet="db2")["dd"][1:-1, 1:-1]
    expected = np.median(np.abs(detail)) / 0.6744897501960817
    ours = noise_level(image[None, ..., None].astype(np.float32), WHOLE[:1, :64, :64])
    assert float(ours[0, 0]) == pytest.approx(expected, rel=5e-3)  # lower of two middle values


def test_a_ramp_has_no_noise():
    ramp = (3.0 * np.arange(64) + 7.0 * np.arange(64)[:, None])[None, ..., None]
    assert float(noise_level(ramp.astype(np.float32), WHOLE[:1, :64, :64])[0, 0]) < 1e-3


def test_gradient_of_a_ramp_and_of_noise(rng):
    ramp = (3.0 * np.arange(64) + 4.0 * np.arange(64)[:, None])[None, ..., None]
    mask = WHOLE[:1, :64, :64]
    assert float(gradient_strength(ramp.astype(np.float32), mask)[0, 0]) == pytest.approx(5.0)
    noise = rng.normal(0, 12, (2, 128, 128, 1)).astype(np.float32)
    np.testing.assert_allclose(gradient_strength(noise, WHOLE), 12.0, rtol=0.02)


def test_sharpness_falls_with_blur_and_is_not_fooled_by_noise(disc, rng):
    images, mask = disc
    values = [float(edge_sharpness(blurred(images, s), images, mask)[0, 0]) for s in (0.5, 1, 2)]
    assert 1 > values[0] > values[1] > values[2] > 0
    soft = blurred(images, 2)
    noisy = soft + rng.normal(0, 40, soft.shape).astype(np.float32)
    assert float(edge_sharpness(noisy, images, mask)[0, 0]) == pytest.approx(values[2], abs=0.05)
    steeper = images + 0.5 * (images - soft)
    assert float(edge_sharpness(steeper, images, mask)[0, 0]) > 1.1


@pytest.mark.parametrize("count", [7, 8])
def test_median_inside_a_mask(count, rng):
    values = rng.normal(0, 1e3, (1, 5, 6, 1)).astype(np.float32)
    mask = np.zeros((1, 5, 6), bool)
    mask.ravel()[rng.permutation(30)[:count]] = True
    chosen = np.sort(values[mask].ravel())
    assert float(masked_median(values, mask)[0, 0]) == chosen[(count - 1) // 2]
