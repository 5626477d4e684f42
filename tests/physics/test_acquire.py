"""The scanner loses what it does not sample, adds the noise it should, and keeps places."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.ops.fourier import to_kspace
from qsr_jax.physics import acquire as room
from qsr_jax.physics.protocol import FAST, PROTOCOLS, ROUTINE, geometries
from qsr_jax.types import ALIGNMENTS

OPEN = (5.0, 1e-3)
"""A Fermi window that lets everything through."""


def scan_one(truth, protocol, geometry, truth_geometry):
    """One image (y, x) of one truth image (y, x)."""
    kspace = to_kspace(np.asarray(truth, "c8"))[None, None]
    offset = room.centre_offset(geometry, truth_geometry)
    still = np.random.default_rng(0)
    return np.asarray(room.acquire(still, kspace, protocol, noise=0.0, offset=offset))[0, 0]


def coordinates_mm(geometry):
    """(y, x) of the pixel centres."""
    _, rows, columns = geometry.shape
    _, dy, dx = geometry.spacing_mm
    return np.meshgrid(
        geometry.origin_mm[1] + dy * np.arange(rows),
        geometry.origin_mm[0] + dx * np.arange(columns),
        indexing="ij",
    )


def centroid_mm(image, geometry):
    """Centre (y, x) of a point's image, read from the phase of its first harmonics."""
    found = []
    for axis, places in enumerate(coordinates_mm(geometry)):
        turn = np.exp(2j * np.pi * places / (geometry.shape[1 + axis] * geometry.spacing_mm[1]))
        found.append(np.angle((image.real * turn).sum()) / (2 * np.pi) * 220.0)
    return np.array(found)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_point_stays_in_place(name, alignment):
    """In both scans a point is imaged where it lies, to 1e-3 of a fast pixel."""
    protocols = PROTOCOLS[name]
    grids = geometries(*protocols, alignment)
    truth = np.zeros(grids[0].shape[1:])
    row, column = truth.shape[0] // 3, truth.shape[1] // 2 + 5
    truth[row, column] = 1.0
    expected = np.array([a[row, column] for a in coordinates_mm(grids[0])])
    for protocol, grid in zip(protocols, grids, strict=True):
        image = scan_one(truth, protocol, grid, grids[0])
        assert np.abs(centroid_mm(image, grid) - expected).max() < 1e-3 * grids[1].spacing_mm[1]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_slopes_keep_their_values_at_their_places(alignment):
    """Smooth waves of the position in mm are found again at the declared positions."""
    protocols = [dataclasses.replace(p, fermi=OPEN) for p in PROTOCOLS["tiny"]]
    grids = geometries(*protocols, alignment)

    def wave(geometry):
        y, x = coordinates_mm(geometry)
        return (
            3 + np.sin(2 * np.pi * (3 * y + 10) / 220) + np.cos(2 * np.pi * (5 * x - 2 * y) / 220)
        )

    for protocol, grid in zip(protocols, grids, strict=True):
        image = scan_one(wave(grids[0]), protocol, grid, grids[0])
        np.testing.assert_allclose(image, wave(grid), atol=2e-4)


def test_offset_is_half_a_truth_pixel_between_corner_aligned_grids():
    for alignment, half_pixels in (("corner", 1), ("sample", 0)):
        routine, fast = geometries(ROUTINE, FAST, alignment)
        assert room.centre_offset(routine, routine) == (0.0, 0.0)
        expected = half_pixels * 0.5 / routine.shape[1]
        np.testing.assert_allclose(room.centre_offset(fast, routine), expected, atol=1e-9)


def test_detail_beyond_the_acquired_matrix_is_lost():
    """Waves are kept below half the acquired samples and lost above, along each axis."""
    for protocol, grid in zip(
        PROTOCOLS["tiny"], geometries(*PROTOCOLS["tiny"], "sample"), strict=True
    ):
        sharp = dataclasses.replace(protocol, fermi=OPEN)
        truth_grid = geometries(*PROTOCOLS["tiny"], "sample")[0]
        for axis, samples in enumerate(sharp.matrix):
            for cycles, kept in ((samples // 2 - 2, True), (samples // 2 + 2, False)):
                place = coordinates_mm(truth_grid)[axis] / 220.0
                image = scan_one(np.cos(2 * np.pi * cycles * place), sharp, grid, truth_grid)
                assert (np.abs(image).max() > 0.9) == kept
                assert (np.abs(image).max() < 1e-3) == (not kept)


@pytest.mark.parametrize("protocol", PROTOCOLS["tiny"])
def test_image_noise_is_what_the_formula_says(protocol, rng):
    empty = np.zeros((16, 2, 128, 128), "c8")
    image = np.asarray(room.acquire(rng, empty, protocol, noise=1e-3, offset=(0.0, 0.0)))
    expected = room.image_noise(1e-3, protocol)
    assert image.real.std() == pytest.approx(expected, rel=0.03)
    assert image.imag.std() == pytest.approx(expected, rel=0.03)


def test_fast_scan_has_a_little_more_signal_to_noise():
    """voxel x sqrt(samples) / (g sqrt R): 1.1 to 1.2 times the routine's (equal dwell time)."""
    assert 1.1 < room.image_noise(1.0, ROUTINE) / room.image_noise(1.0, FAST) < 1.2


def test_snr_is_that_of_white_matter():
    white = float(room.signal(*room.REFERENCE_TISSUE, 1.0, ROUTINE)[-1, 0])
    noise = room.image_noise(room.receiver_noise(45.0, ROUTINE), ROUTINE)
    assert white / noise == pytest.approx(45.0, rel=1e-5)


def test_noise_comes_from_the_generator_alone():
    empty = np.zeros((4, 2, 128, 128), "c8")
    protocol = PROTOCOLS["tiny"][1]
    one, same, other = (
        np.asarray(room.acquire(rng, empty, protocol, noise=1.0, offset=(0.0, 0.0)))
        for rng in map(np.random.default_rng, (1, 1, 2))
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0


def test_phase_is_smooth_and_about_one_radian(rng):
    phase = room.smooth_phase(rng, (64, 48), echoes=2)
    assert phase.shape == (2, 64, 48)
    assert 0.1 < np.abs(phase).max() < 2.5
    assert np.abs(np.diff(phase, axis=1)).max() < 0.15
    assert np.abs(phase[0] - phase[1]).max() > 0.05


def test_refusals(rng):
    with pytest.raises(ValueError, match="snr must be positive"):
        room.receiver_noise(0.0, ROUTINE)
    with pytest.raises(ValueError, match="larger"):
        room.acquire(rng, np.zeros((4, 2, 64, 64), "c8"), ROUTINE, noise=0.0, offset=(0.0, 0.0))
