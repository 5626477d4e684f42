"""Resolution of images whose blur, band limit and noise are known."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from qsr_jax.metrics.resolution import (
    FRC_THRESHOLD,
    TRANSFER_HALF,
    resolution_mm,
    ring_sums,
)

SPACING = (0.5, 0.5)
SIZE = 128
MASK = np.broadcast_to(np.hypot(*(np.mgrid[:SIZE, :SIZE] - 63.5)) < 58, (2, SIZE, SIZE))


@pytest.fixture
def truth(rng):
    return rng.normal(0, 100, (2, SIZE, SIZE, 1)) + 1000


def blurred(images, sigma_pixels):
    return ndimage.gaussian_filter(images, (0, sigma_pixels, sigma_pixels, 0), mode="wrap")


def band_limited(images, limit_per_mm):
    """Nothing beyond a frequency."""
    f = np.fft.fftfreq(SIZE, SPACING[0])
    kept = np.hypot(f[:, None], f)[None, ..., None] <= limit_per_mm
    return np.fft.ifft2(np.fft.fft2(images, axes=(1, 2)) * kept, axes=(1, 2)).real


def sums(test, reference, mask=MASK, spacing=SPACING):
    return ring_sums(
        test.astype(np.float32), reference.astype(np.float32), mask, spacing_mm=spacing
    )


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_transfer_of_a_gaussian_blur(sigma, truth):
    """exp(-2 pi^2 sigma^2 f^2), sigma in mm, and its half."""
    rings = sums(blurred(truth, sigma), truth).pooled()
    f, sigma_mm = rings.frequency_per_mm, sigma * SPACING[0]
    expected = np.exp(-2 * (np.pi * sigma_mm * f) ** 2)
    np.testing.assert_allclose(rings.transfer()[0, 0, 3:], expected[3:], atol=0.08)
    half = np.sqrt(np.log(2) / 2) / (np.pi * sigma_mm)
    found = resolution_mm(rings.transfer(), f, threshold=TRANSFER_HALF)
    assert found[0, 0] == pytest.approx(1 / half, rel=0.05)


def test_noise_does_not_count_as_detail(truth, rng):
    soft = blurred(truth, 2.0)
    noisy = soft + rng.normal(0, 50, soft.shape)
    clean, loud = (sums(x, truth).pooled().transfer() for x in (soft, noisy))
    np.testing.assert_allclose(loud[0, 0, 3:], clean[0, 0, 3:], atol=0.08)


@pytest.mark.parametrize("limit", [0.3, 0.6])
def test_repeated_scans_agree_up_to_their_band_limit(limit, truth, rng):
    signal = band_limited(truth, limit)
    first, second = (signal + rng.normal(0, 50, signal.shape) for _ in range(2))
    rings = sums(first, second).pooled()
    found = resolution_mm(rings.correlation(), rings.frequency_per_mm, threshold=FRC_THRESHOLD)
    assert found[0, 0] == pytest.approx(1 / limit, rel=0.08)


def test_two_noises_do_not_agree_and_one_agrees_with_itself(truth, rng):
    other = rng.normal(0, 100, truth.shape)
    rings = sums(truth, other).pooled()
    assert np.abs(rings.correlation()[0, 0, 5:]).max() < 0.25
    same = sums(truth, truth)
    np.testing.assert_allclose(same.correlation(), 1.0, atol=1e-6)
    np.testing.assert_allclose(same.transfer(), 1.0, atol=1e-6)
    limit = resolution_mm(same.correlation(), same.frequency_per_mm, threshold=FRC_THRESHOLD)
    np.testing.assert_allclose(limit, 1 / same.frequency_per_mm[-1])


def test_the_edge_of_a_common_mask_is_no_detail(rng):
    """Two noises in one mask: a hard edge would correlate them at every frequency."""
    first, second = (1000 + rng.normal(0, 100, (2, SIZE, SIZE, 1)) for _ in range(2))
    rings = sums(np.where(MASK[..., None], first, 0), np.where(MASK[..., None], second, 0)).pooled()
    assert np.abs(rings.correlation()[0, 0, 5:]).max() < 0.25


def test_laws(truth, rng):
    """Blind outside the mask, batch = stacked singles, unit scaling, jit = eager, symmetry."""
    test = blurred(truth, 1.0) + rng.normal(0, 10, truth.shape)
    expected = sums(test, truth)
    outside = ~MASK[..., None]
    dirty = sums(np.where(outside, np.nan, test), np.where(outside, 1e6, truth))
    np.testing.assert_array_equal(dirty.cross, expected.cross)
    single = sums(test[1:], truth[1:], MASK[1:])
    np.testing.assert_allclose(single.correlation(), expected.correlation()[1:], atol=1e-5)
    np.testing.assert_allclose(
        sums(10 * test, 10 * truth).transfer(), expected.transfer(), atol=1e-5
    )
    small = test[:1, ::4, ::4], truth[:1, ::4, ::4], MASK[:1, ::4, ::4]
    compiled = sums(*small).correlation()
    with jax.disable_jit():
        np.testing.assert_allclose(sums(*small).correlation(), compiled, atol=1e-5)
    np.testing.assert_allclose(sums(truth, test).correlation(), expected.correlation(), atol=1e-5)


def test_frequencies_of_oblong_pixels(truth):
    rings = sums(truth, truth, spacing=(0.5, 1.0))
    assert rings.frequency_per_mm[0] == pytest.approx(1 / 64)
    assert rings.frequency_per_mm[-1] <= 0.5


def test_reading_a_curve():
    f = np.array([0.1, 0.2, 0.3, 0.4])
    curves = np.array([[1, 1, 0.4, 0.2], [0.4, 1, 1, 1], [1, 1, 1, 1], [1, 0.8, np.nan, 0]])
    found = resolution_mm(curves, f, threshold=0.5)
    np.testing.assert_allclose(found, [1 / (0.2 + 0.1 * 0.5 / 0.6), np.nan, 2.5, np.nan])


def test_a_frame_without_rings_is_refused():
    image = np.zeros((1, 6, 64, 1))
    with pytest.raises(ValueError, match=r"\(6, 64\) pixels has no rings"):
        ring_sums(image, image, np.ones((1, 6, 64), bool), spacing_mm=SPACING)
