"""SENSE is exact with true maps, amplifies noise as its formula says, and learns maps by itself."""

import numpy as np
import pytest

from qsr_jax.ops import fourier
from qsr_jax.physics import sense
from qsr_jax.physics.coils import places, sensitivities
from qsr_jax.physics.scanner import SCANNER

SIZES = [(2, (40, 32)), (3, (48, 33))]


def maps_of(shape):
    return np.asarray(sensitivities(shape, z_mm=10.0, fov_mm=220.0, scanner=SCANNER))


def fold(images, acceleration):
    """Pixels that undersampling cannot tell apart, summed."""
    return images.reshape(*images.shape[:-1], acceleration, -1).sum(axis=-2)


def complex_normal(rng, shape):
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype("c8")


@pytest.mark.parametrize(("acceleration", "shape"), SIZES)
def test_exact_without_noise(acceleration, shape, rng):
    maps, image = maps_of(shape), complex_normal(rng, (5, *shape))
    folded = fold(maps * image[:, None], acceleration)
    found = sense.unfold(folded, sense.unfolding(maps, acceleration))
    np.testing.assert_allclose(found, image, atol=2e-3)


@pytest.mark.parametrize(("acceleration", "shape"), SIZES)
def test_g_factor_of_replicas(acceleration, shape, rng):
    """Noise of 4000 unfolded replicas over that of full sampling and sqrt(R): the closed form."""
    maps = maps_of(shape)
    folded = complex_normal(rng, (4000, len(maps), shape[0], shape[1] // acceleration))
    found = np.asarray(sense.unfold(folded, sense.unfolding(maps, acceleration)))
    full = 1 / np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    measured = found.real.std(axis=0) / full
    closed = np.asarray(sense.g_factor(maps, acceleration))
    assert (closed >= 1 - 1e-4).all()
    np.testing.assert_allclose(measured, closed, rtol=0.06)
    assert abs(np.mean(measured / closed) - 1) < 0.003


def test_closed_form_equals_a_general_inverse():
    maps = maps_of((24, 24))
    parts = maps.reshape(len(maps), 24, 3, 8).transpose(1, 3, 2, 0)
    normal = np.einsum("yfac,yfbc->yfab", parts.conj(), parts)
    inverse = np.linalg.inv(normal)
    both = np.einsum("yfaa->yaf", inverse).real * np.einsum("yfaa->yaf", normal).real
    expected = np.sqrt(both).reshape(24, 24)
    np.testing.assert_allclose(sense.g_factor(maps, 3), expected, rtol=2e-3)


def test_mean_g_factors_of_a_head():
    """The strength of parallel imaging that the coils' docstring states."""
    for acceleration, shape, expected in ((2, (80, 64), 1.05), (3, (48, 33), 1.46)):
        maps = sensitivities(shape, z_mm=0.0, fov_mm=220.0, scanner=SCANNER)
        y, x = (220 * axis for axis in places(shape))
        head = np.hypot(y / 85, x / 65) < 1
        g = np.asarray(sense.g_factor(maps, acceleration))[head]
        assert g.mean() == pytest.approx(expected, abs=0.03)


def test_no_acceleration_no_penalty():
    np.testing.assert_allclose(sense.g_factor(maps_of((16, 16)), 1), 1.0, atol=1e-5)


def test_maps_come_from_a_reference_scan():
    """Inside a smooth head the low-pass maps are the coils' fields to a few percent."""
    shape = (96, 80)
    true = maps_of(shape)
    y, x = places(shape)
    head = 1 / (1 + np.exp((np.hypot(y / 0.42, x / 0.33) - 1) / 0.02))
    scanned = fourier.crop(fourier.to_kspace(np.concatenate([true * head, head[None]])), (32, 32))
    found = np.asarray(sense.coil_maps(scanned[:-1], scanned[-1], shape))
    deep = np.hypot(y / 0.42, x / 0.33) < 0.8
    scale = np.abs(true[:, deep]).max()
    assert np.abs(found - true)[:, deep].max() < 0.06 * scale
    assert np.isfinite(found).all()
