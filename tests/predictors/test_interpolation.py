"""Every interpolation lays the fine grid where the declared alignment says."""

import numpy as np
import pytest

from qsr_jax.predictors.interpolation import METHODS, interpolator
from qsr_jax.types import ALIGNMENTS, CORNER, Geometry, Volume

N = 24


def scan(image, names=("t1",)):
    shape = (1, *image.shape[:2])
    geometry = Geometry((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 2.0, 2.0), shape)
    return Volume(image[None, ..., None].astype(np.float32), names, geometry)


def fine_positions(alignment, scale, n=N):
    """Coarse index of every fine pixel (the definition in qsr_jax.types)."""
    j = np.arange(n * scale)
    return (j + 0.5) / scale - 0.5 if alignment == CORNER else j / scale


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("method", METHODS)
def test_a_smooth_wave_keeps_its_place(method, alignment, scale):
    """A slip of a quarter pixel would cost 13 of 100 on the flank of this wave."""
    wave = lambda at: 1000 + 100 * np.sin(2 * np.pi * 2 * at / N)  # noqa: E731
    made = interpolator(scale=scale, alignment=alignment, method=method)(
        scan(wave(np.arange(N)) + np.zeros((N, 1)))
    )
    expected = wave(fine_positions(alignment, scale))
    tolerance = {"nearest": 27, "linear": 4, "cubic": 2.5, "lanczos3": 1.5, "sinc": 0.01}[method]
    inner = slice(3 * scale, -3 * scale)
    error = made.mean[0, N, :, 0][inner] - expected[inner]
    assert np.abs(error).max() < tolerance
    assert abs(error.mean()) < 1.5
    assert made.geometry == scan(np.zeros((N, N))).geometry.refined(scale, alignment)


@pytest.mark.parametrize("n", [16, 17])
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_sinc_is_exact_for_what_the_grid_can_hold(alignment, n, rng):
    """Sums of waves below the Nyquist limit, even and odd matrices; zero-filling alone on even."""

    def waves(y, x):
        return sum(
            a * np.cos(2 * np.pi * (ky * y[:, None] + kx * x) / n + p)
            for ky, kx, a, p in [(1, 2, 30, 0.3), (-3, 5, 20, 1.0), (6, -4, 10, 2.0)]
        )

    index = np.arange(n)
    made = interpolator(scale=2, alignment=alignment, method="sinc")(scan(waves(index, index)))
    at = fine_positions(alignment, 2, n)
    np.testing.assert_allclose(made.mean[0, ..., 0], waves(at, at), atol=2e-3)


def test_sinc_keeps_the_mean(rng):
    image = rng.uniform(0, 2000, (N, N))
    made = interpolator(scale=2, alignment=CORNER, method="sinc")(scan(image))
    assert made.mean.mean() == pytest.approx(image.mean(), rel=1e-5)


def test_nearest_makes_no_new_values_on_corner_grids(rng):
    image = rng.uniform(0, 2000, (N, N)).astype(np.float32)
    made = interpolator(scale=2, alignment=CORNER, method="nearest")(scan(image))
    np.testing.assert_array_equal(made.mean[0, ..., 0], image.repeat(2, 0).repeat(2, 1))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "spline", "alignment": CORNER}, "interpolation 'spline' is not one of nearest"),
        ({"method": "sinc", "alignment": "left"}, "grid alignment 'left'"),
    ],
)
def test_unknown_options_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        interpolator(scale=2, **options)
