"""Fourier coefficients keep an image's values whatever the grid, and centre it where they say."""

import numpy as np
import pytest

from qsr_jax.ops import fourier

SHAPES = [(8, 6), (7, 5), (64, 32)]


def random_images(rng, shape):
    return (rng.standard_normal((2, *shape)) + 1j * rng.standard_normal((2, *shape))).astype("c8")


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_numpy_with_rolled_arrays(shape, rng):
    images, axes = random_images(rng, shape), (-2, -1)
    rolled = np.fft.fft2(np.fft.ifftshift(images, axes=axes), norm="forward")
    expected = np.fft.fftshift(rolled, axes=axes)
    np.testing.assert_allclose(fourier.to_kspace(images), expected, atol=1e-6)
    np.testing.assert_allclose(fourier.to_image(expected), images, atol=1e-5)


def test_gaussian_has_its_analytic_coefficients():
    n, sigma, centre = 64, 3.0, (2.5, -4.25)
    y, x = np.mgrid[:n, :n] - n // 2
    image = np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma**2))
    ky, kx = np.mgrid[:n, :n] - n // 2
    size = 2 * np.pi * sigma**2 / n**2
    envelope = size * np.exp(-2 * (np.pi * sigma / n) ** 2 * (ky**2 + kx**2))
    expected = envelope * np.exp(-2j * np.pi * (ky * centre[0] + kx * centre[1]) / n)
    np.testing.assert_allclose(fourier.to_kspace(image), expected, atol=1e-6 * size)


@pytest.mark.parametrize("shape", SHAPES)
def test_zero_fill_then_crop_is_the_identity(shape, rng):
    kspace = random_images(rng, shape)
    larger = tuple(2 * n + 1 for n in shape)
    filled = fourier.zero_fill(kspace, larger)
    np.testing.assert_array_equal(fourier.crop(filled, shape), kspace)
    # The mean of the image stays in the centre
    centre = tuple(n // 2 for n in larger)
    np.testing.assert_array_equal(filled[0][centre], kspace[0][tuple(n // 2 for n in shape)])


def test_zero_filling_interpolates_a_wave_exactly():
    def wave(n):
        position = (np.arange(n) - n // 2) / n
        column = np.cos(2 * np.pi * 3 * position + 0.4)
        return 5.0 + column[:, None] * np.sin(2 * np.pi * 2 * position)[None, :]

    fine = fourier.to_image(fourier.zero_fill(fourier.to_kspace(wave(16)), (48, 48)))
    np.testing.assert_allclose(fine, wave(48), atol=1e-5)


def test_shift_samples_further_along():
    n = 32
    y, x = (np.mgrid[:n, :n] - n // 2) / n

    def bump(y, x):
        return np.exp(-200 * (y**2 + (x - 0.1) ** 2))

    moved = fourier.to_image(fourier.shift(fourier.to_kspace(bump(y, x)), (0.013, -0.07)))
    np.testing.assert_allclose(moved, bump(y + 0.013, x - 0.07), atol=1e-5)


def test_fermi_window_limits():
    window = np.asarray(fourier.fermi_window((64, 32), radius=0.5, width=0.05))
    assert window[32, 16] == pytest.approx(1.0, abs=1e-4)
    assert window[32 + 16, 16] == pytest.approx(0.5)
    assert window[32, 16 + 8] == pytest.approx(0.5)
    assert window[0, 0] < 1e-6
    sharp = np.asarray(fourier.fermi_window((64, 64), radius=0.5, width=1e-4))
    assert sharp.mean() == pytest.approx(np.pi * 0.5**2 / 4, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_along_is_one_axis_of_the_whole(shape, rng):
    images = random_images(rng, shape)
    found = fourier.along(fourier.along(images, -1), -2)
    expected = np.fft.ifftshift(fourier.to_kspace(images), axes=(-2, -1))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("by", [(0.0, 0.0), (0.013, -0.07)])
def test_sampling_coarser_keeps_what_fits_and_drops_the_rest(by):
    def wave(n, y0=0.0, x0=0.0):
        y, x = (np.arange(n) - n // 2) / n + y0, (np.arange(n) - n // 2) / n + x0
        return 2 + np.cos(2 * np.pi * (5 * y[:, None] + 4 * x) + 0.3)

    y, x = (np.mgrid[:60, :60] - 30) / 60
    tooth = np.cos(2 * np.pi * 13 * y) + np.sin(2 * np.pi * 11 * x)
    found = fourier.sample_coarser((wave(60) + tooth).astype("f4"), (20, 20), by)
    np.testing.assert_allclose(found, wave(20, *by), atol=1e-5)


@pytest.mark.parametrize(("have", "want"), [((9, 8), (8, 8)), ((6, 10), (8, 8)), ((8, 8), (8, 8))])
def test_resize_crops_or_fills_each_axis(have, want, rng):
    kspace = random_images(rng, have)
    resized = fourier.resize(kspace, want)
    assert resized.shape == (2, *want)
    middle = np.s_[:, have[0] // 2 - 3 : have[0] // 2 + 3, have[1] // 2 - 4 : have[1] // 2 + 4]
    there = np.s_[:, want[0] // 2 - 3 : want[0] // 2 + 3, want[1] // 2 - 4 : want[1] // 2 + 4]
    np.testing.assert_array_equal(resized[there], kspace[middle])


@pytest.mark.parametrize("shape", [(48, 48), (47, 60)])
@pytest.mark.parametrize("degrees", [-1.0, 5.0, 20.0])
def test_a_turn_moves_a_blob_about_the_middle_and_back(shape, degrees):
    """A smooth blob goes where a rotation of the plane takes its middle, and comes back."""
    y, x = (np.arange(n) - n // 2 for n in shape)
    turn = np.deg2rad(degrees)

    def blob(down, across):
        return np.exp(-((y[:, None] - down) ** 2 + (x - across) ** 2) / (2 * 2.5**2)).astype("f4")

    start = blob(3.0, 9.0)
    down = 9.0 * np.sin(turn) + 3.0 * np.cos(turn)
    across = 9.0 * np.cos(turn) - 3.0 * np.sin(turn)
    turned = fourier.turned(start, degrees)
    np.testing.assert_allclose(turned, blob(down, across), atol=1e-4)
    np.testing.assert_allclose(fourier.turned(turned, -degrees), start, atol=1e-4)


def test_refusals():
    with pytest.raises(ValueError, match="finer or odd"):
        fourier.sample_coarser(np.zeros((8, 8), "f4"), (8, 10), (0.0, 0.0))
    with pytest.raises(ValueError, match="finer or odd"):
        fourier.sample_coarser(np.zeros((8, 8), "f4"), (7, 6), (0.0, 0.0))
    kspace = np.zeros((8, 8), "c8")
    with pytest.raises(ValueError, match="larger"):
        fourier.crop(kspace, (8, 10))
    with pytest.raises(ValueError, match="smaller"):
        fourier.zero_fill(kspace, (8, 6))
    for radius, width in ((0.0, 0.1), (0.9, -0.1)):
        with pytest.raises(ValueError, match="must be positive"):
            fourier.fermi_window((8, 8), radius=radius, width=width)
