"""The scanner loses what it does not sample, adds the noise it should, and keeps places."""

import dataclasses

import numpy as np
import pytest
from scipy import special

from qsr_jax.ops.fourier import sample_coarser
from qsr_jax.physics import sense
from qsr_jax.physics.coils import places, sensitivities
from qsr_jax.physics.echo_train import line_echoes, sampled_lines
from qsr_jax.physics.mdme_protocol import FAST, PROTOCOLS, ROUTINE, geometries
from qsr_jax.physics.scanner import SCANNER
from qsr_jax.physics.slice_state import REFERENCE_TISSUE, slice_state
from qsr_jax.physics.slice_table import slice_table
from qsr_jax.simulate import acquisition as room
from qsr_jax.simulate.object_images import line_weights, object_images
from qsr_jax.types import ALIGNMENTS

OPEN = (5.0, 1e-3)
"""A Fermi window that lets everything through."""

TINY = PROTOCOLS["tiny"]


def coils_on(shape):
    return sensitivities(shape, z_mm=0.0, fov_mm=220.0, scanner=SCANNER)


def scan_one(truth, protocol, geometry, truth_geometry):
    """One image (y, x) of one truth image (y, x): no echo train, no noise, true coil maps."""
    shape = room.working_shape(protocol.matrix)
    back = tuple(-offset for offset in room.isocentre_offset(truth_geometry))
    images = sample_coarser(np.asarray(truth, "f4")[None, None], shape, back)
    flat = np.ones((2, len(sampled_lines(protocol)), 1), np.float32)
    still = np.zeros((2, *shape), np.float32)
    (kspace,) = room.measure(images, coils_on(shape), still, (flat,), (protocol,))
    maps = coils_on(room.unfolded_shape(protocol))
    offset = room.isocentre_offset(geometry)
    return np.asarray(room.reconstruct(kspace, maps, protocol, offset=offset))[0, 0]


def coordinates_mm(geometry):
    """(y, x) of the pixel centres."""
    _, rows, columns = geometry.shape
    _, dy, dx = geometry.spacing_mm
    return np.meshgrid(
        geometry.origin_mm[1] + dy * np.arange(rows),
        geometry.origin_mm[0] + dx * np.arange(columns),
        indexing="ij",
    )


def centroid_mm(image, geometry, near_mm):
    """Centre (y, x) of what is bright within 25 mm of a place."""
    y, x = coordinates_mm(geometry)
    weight = np.where(np.hypot(y - near_mm[0], x - near_mm[1]) < 25, image.real, 0.0)
    return np.array([(weight * y).sum(), (weight * x).sum()]) / weight.sum()


@pytest.mark.parametrize(
    ("name", "alignment"), [("tiny", "corner"), ("tiny", "sample"), ("paper", "corner")]
)
def test_a_small_blob_stays_in_place(name, alignment):
    """In both scans it is imaged where it lies, to 5e-3 of a fast pixel."""
    protocols = PROTOCOLS[name]
    grids = geometries(*protocols, alignment)
    y, x = coordinates_mm(grids[0])
    for place in ((-36.9, 9.4), (21.3, -33.8)):
        blob = np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / (2 * 5.0**2))
        for protocol, grid in zip(protocols, grids, strict=True):
            image = scan_one(blob, protocol, grid, grids[0])
            apart = centroid_mm(image, grid, place) - place
            assert np.abs(apart).max() < 5e-3 * grids[1].spacing_mm[1]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_slopes_keep_their_values_at_their_places(alignment):
    """Smooth waves of the position in mm are found again at the declared positions."""
    protocols = [dataclasses.replace(p, fermi=OPEN) for p in TINY]
    grids = geometries(*protocols, alignment)

    def wave(geometry):
        """A ramp of the position that ends before the edge of the field of view."""
        y, x = coordinates_mm(geometry)
        return (3 + y / 80 - x / 50) * np.exp(-((np.hypot(y, x) / 55) ** 4))

    for protocol, grid in zip(protocols, grids, strict=True):
        image = scan_one(wave(grids[0]), protocol, grid, grids[0])
        np.testing.assert_allclose(image, wave(grid), atol=6e-3)


def test_offset_is_half_a_truth_pixel_between_corner_aligned_grids():
    for alignment, half_pixels in (("corner", 1), ("sample", 0)):
        routine, fast = geometries(ROUTINE, FAST, alignment)
        expected = half_pixels * 0.5 / routine.shape[1]
        apart = np.subtract(room.isocentre_offset(fast), room.isocentre_offset(routine))
        np.testing.assert_allclose(apart, expected, atol=1e-9)


def test_detail_beyond_the_acquired_matrix_is_lost():
    """Waves are kept below half the acquired samples and lost above, along each axis."""
    for protocol, grid in zip(TINY, geometries(*TINY, "sample"), strict=True):
        sharp = dataclasses.replace(protocol, fermi=OPEN)
        truth_grid = geometries(*TINY, "sample")[0]
        y, x = coordinates_mm(truth_grid)
        head = np.exp(-((np.hypot(y, x) / 70) ** 4))
        for axis, samples in enumerate(sharp.matrix):
            for cycles, kept in ((samples // 2 - 5, True), (samples // 2 + 5, False)):
                wave = head * np.cos(2 * np.pi * cycles * (y, x)[axis] / 220.0)
                image = scan_one(wave, sharp, grid, truth_grid)
                assert (np.abs(image).max() > 0.8) == kept
                assert (np.abs(image).max() < 0.06) == (not kept)


def ellipse(n, half, centre):
    """Share of each pixel inside an ellipse (fields of view), from 8 x 8 points a pixel."""
    fine = (np.arange(8 * n) + 0.5) / (8 * n) - 0.5
    y, x = (fine - centre[0]) / half[0], (fine - centre[1]) / half[1]
    inside = (y[:, None] ** 2 + x**2 <= 1).astype("f4")
    return inside.reshape(n, 8, n, 8).mean(axis=(1, 3))


def test_k_space_of_an_ellipse_is_analytic():
    """Signal, mixing, low pass, echo train and sampling against Bessel functions, to 1 %."""
    n, half, centre = 160, (0.31, 0.22), (0.04, -0.03)
    t1_ms, t2_ms, pd = 1200.0, 85.0, 80.0
    share = ellipse(n, half, centre)[None]
    values = np.broadcast_to(np.float32([t1_ms, t2_ms, pd])[None, :, None, None], (1, 3, n, n))
    table = slice_table(TINY[0], cross_talk=True)
    weights = tuple(line_weights(protocol, table) for protocol in TINY)
    shape = room.working_shape(TINY[0].matrix)
    images = object_images(
        share,
        values,
        np.ones((n, n), "f4"),
        np.ones((4, 1), "f4"),
        table,
        shape=shape,
        by_fov=(-0.5 / n, -0.5 / n),
    )
    one_coil = np.ones((1, *shape), "c8")
    found = room.measure(images, one_coil, np.zeros((2, *shape), "f4"), weights, TINY)
    for protocol, kspace in zip(TINY, found, strict=True):
        ky = np.arange(protocol.matrix[0])[:, None] - protocol.matrix[0] // 2
        kx = sampled_lines(protocol)
        q = np.hypot(half[0] * ky, half[1] * kx)
        bessel = np.where(q > 0, 2 * special.j1(2 * np.pi * q) / np.maximum(2 * np.pi * q, 1e-9), 1)
        turn = np.exp(-2j * np.pi * (ky * centre[0] + kx * centre[1]))
        area = np.pi * half[0] * half[1] * bessel * turn
        train = slice_state(protocol, [t1_ms], [t2_ms], [1.0], cross_talk=True).signal()
        lines = pd / 100 * train[:, line_echoes(protocol) - 1, 0, 0, 0]
        expected = lines[:, :, None, :] * area
        error = np.abs(np.asarray(kspace)[:, :, 0] - expected)
        assert error.max() <= 0.01 * np.abs(expected).max()
        assert error.max() <= 0.002 * np.abs(expected).max()


def test_working_grid_is_wide_enough_for_the_coils(rng):
    """Coils applied after the low pass or to the fine image itself: the same samples to 1.5e-3."""
    n, protocol = 160, TINY[0]
    texture = ellipse(n, (0.42, 0.33), (0, 0)) * (1 + 0.3 * rng.standard_normal((n, n)))
    flat = (np.ones((2, len(sampled_lines(protocol)), 1), np.float32),)
    found = []
    for shape in (room.working_shape(protocol.matrix), (n, n)):
        images = sample_coarser(texture.astype("f4")[None, None], shape, (0.0, 0.0))
        still = np.zeros((2, *shape), "f4")
        found.append(room.measure(images, coils_on(shape), still, flat, (protocol,))[0])
    difference = np.abs(np.asarray(found[0]) - np.asarray(found[1]))
    assert difference.max() < 1.5e-3 * np.abs(found[1]).max()


@pytest.mark.parametrize("protocol", TINY)
def test_adjoint_of_coils_and_sampling(protocol, rng):
    """<E x, y> = <x, E* y>, E* written out: zero-filled lines, back to images, times conj(S)."""
    shape, lines = room.working_shape(protocol.matrix), sampled_lines(protocol)
    coils = coils_on(shape)
    weights = rng.standard_normal((2, len(lines), 3)).astype("f4")
    phase = rng.standard_normal((2, *shape)).astype("f4")
    x = rng.standard_normal((1, 3, *shape)).astype("f4")
    (ex,) = room.measure(x, coils, phase, (weights,), (protocol,))
    y = rng.standard_normal(ex.shape) + 1j * rng.standard_normal(ex.shape)
    rows = np.arange(protocol.matrix[0]) - protocol.matrix[0] // 2
    centre = [n // 2 for n in shape]
    back = np.zeros((3, *shape))
    for echo in range(2):
        received = coils * np.exp(1j * phase[echo])
        for anchor in range(3):
            full = np.zeros((len(coils), *shape), complex)
            part = y[0, echo] * weights[echo, :, anchor]
            full[:, (rows + centre[0])[:, None], lines + centre[1]] = part
            image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(full, (1, 2))), (1, 2))
            back[anchor] += (np.conj(received) * image).sum(axis=0).real
    assert np.vdot(np.asarray(ex), y).real == pytest.approx((x[0] * back).sum(), rel=1e-3)


@pytest.mark.parametrize("protocol", TINY)
def test_image_noise_is_what_the_formula_says(protocol, rng):
    """Receiver noise through unfolding, window and zero-filling: sigma g / strength."""
    shape = (40, 2, SCANNER.coils, protocol.matrix[0], len(sampled_lines(protocol)))
    maps = coils_on(room.unfolded_shape(protocol))
    noise = room.complex_noise(rng, shape, 1e-3)
    image = np.asarray(room.reconstruct(noise, maps, protocol, offset=(0.0, 0.0)))
    amplified = np.asarray(sense.g_factor(maps, protocol.acceleration))
    strength = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    y, x = places(amplified.shape)
    expected = np.sqrt(np.mean((amplified / strength)[np.hypot(y, x) < 0.3] ** 2))
    y, x = places(image.shape[-2:])
    inner = image[..., np.hypot(y, x) < 0.3]
    for part in (inner.real, inner.imag):
        assert part.std() / room.image_noise(1e-3, protocol) == pytest.approx(expected, rel=0.04)


def test_fast_scan_has_more_signal_to_noise_before_the_g_factor():
    """voxel x sqrt(samples) / sqrt R: 1.49 times the routine's (equal dwell time)."""
    ratio = room.image_noise(1.0, ROUTINE) / room.image_noise(1.0, FAST)
    assert ratio == pytest.approx(1.49 * 1.5**0.5 / 1.5**0.5, rel=0.02)


def test_snr_is_that_of_white_matter():
    t1_ms, t2_ms, pd_percent = REFERENCE_TISSUE
    train = slice_state(ROUTINE, [t1_ms], [t2_ms], [1.0], cross_talk=True).signal()
    white = pd_percent / 100 * train[-1, 1].item()
    noise = room.image_noise(room.receiver_noise(45.0, ROUTINE, cross_talk=True), ROUTINE)
    assert white / noise == pytest.approx(45.0, rel=1e-5)


def test_noise_comes_from_the_generator_alone():
    one, same, other = (
        room.complex_noise(np.random.default_rng(seed), (64, 64), 2.0) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0
    assert one.dtype == np.complex64
    assert one.real.std() == pytest.approx(2.0, rel=0.05)
    assert one.imag.std() == pytest.approx(2.0, rel=0.05)


def test_refusals():
    with pytest.raises(ValueError, match="snr must be positive"):
        room.receiver_noise(0.0, ROUTINE, cross_talk=True)
