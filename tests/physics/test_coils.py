"""Coils are strong nearby, smooth, and 1 on average; phase is smooth; heads move rigidly."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.physics.coils import (
    HEAD_MM,
    VIRTUAL,
    _fields,
    _mean_strength,
    loop_field,
    places,
    sensitivities,
    smooth_phase,
)
from qsr_jax.physics.scanner import SCANNER, Scanner
from qsr_jax.physics.sense import g_factor
from qsr_jax.simulate.motion import draw_poses, move


def test_coils_on_a_ring():
    shape = (88, 64)
    maps = sensitivities(shape, z_mm=0.0, fov_mm=220.0, scanner=SCANNER)
    assert maps.shape == (8, *shape)
    assert maps.dtype == np.complex64
    y, x = (220 * axis for axis in places(shape))
    root = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    assert root[np.hypot(y, x) <= HEAD_MM].mean() == pytest.approx(1.0, abs=0.02)
    # Every coil is strongest in its own direction
    strongest = [np.unravel_index(np.argmax(np.abs(m)), shape) for m in maps]
    angles = [np.arctan2(y[row, 0], x[column]) for row, column in strongest]
    expected = 2 * np.pi * (np.arange(8) + 0.5) / 8
    assert np.abs(np.exp(1j * np.array(angles)) - np.exp(1j * expected)).max() < 0.45
    far = sensitivities(shape, z_mm=100.0, fov_mm=220.0, scanner=SCANNER)
    inside = np.hypot(y, x) <= HEAD_MM
    assert np.linalg.norm(far, axis=0)[inside].max() < 0.5 * root[inside].min()


def test_field_on_the_axis_is_biot_savart_s():
    """Ratio of (a^2 + d^2)^(-3/2) between two points on a line through the coil."""
    one = Scanner(coils=1, coil_radius_mm=130.0, coil_size_mm=50.0)
    maps = np.abs(sensitivities((2, 44), z_mm=0.0, fov_mm=220.0, scanner=one))[0, 1]
    x = 220 * places((2, 44))[1]
    distance = np.abs(x + 130.0)  # the single coil lies at angle pi
    expected = (50.0**2 + distance**2) ** -1.5
    np.testing.assert_allclose(maps / maps[22], expected / expected[22], rtol=1e-4)


def test_field_off_the_axis_is_biot_savart_s_integral():
    """Sum of dl x r / r^3 over 4000 pieces of the loop, mu0 I / (4 pi) each."""
    radius = 50.0
    angle = 2 * np.pi * np.arange(4000) / 4000
    piece = np.stack([-np.sin(angle), np.cos(angle), 0 * angle], -1) * 2 * np.pi * radius / 4000
    loop = radius * np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    for rho, along in ((10.0, 20.0), (80.0, -30.0), (49.0, 12.0), (120.0, 5.0)):
        apart = np.array([rho, 0.0, along]) - loop
        field = np.cross(piece, apart) / np.linalg.norm(apart, axis=-1, keepdims=True) ** 3
        expected = field.sum(axis=0) / 2
        found = loop_field(np.array(rho), np.array(along), radius)
        np.testing.assert_allclose(found, expected[[0, 2]], rtol=1e-6)


def test_fields_between_the_coarse_points():
    """Splines over 4 mm against the loops themselves, in the head."""
    shape = (55, 44)
    maps = sensitivities(shape, z_mm=20.0, fov_mm=220.0, scanner=SCANNER)
    y, x = (220 * axis for axis in places(shape))
    exact = _fields(x, y, 20.0, SCANNER) / _mean_strength(SCANNER)
    head = np.hypot(y, x) < 95
    assert np.abs(maps - exact)[:, head].max() < 1e-3 * np.abs(exact)[:, head].max()


def mean_g(scanner, z_mm):
    maps = sensitivities((96, 66), z_mm=z_mm, fov_mm=220.0, scanner=scanner)
    y, x = (220 * axis for axis in places((96, 66)))
    head = np.broadcast_to((y / 90) ** 2 + (x / 72) ** 2 < 1, (96, 66))
    return float(np.asarray(g_factor(maps, 3))[head].mean())


def test_unfolding_of_real_loops_does_not_get_worse_along_z():
    """The mean g at R = 3 falls: far from the coils their fields turn more, while they weaken."""
    middle, end = (mean_g(SCANNER, z_mm) for z_mm in (0.0, 57.0))
    assert 1.40 < middle < 1.50
    assert middle - 0.07 < end < middle - 0.02


@pytest.mark.parametrize(("coils", "size_mm"), [(16, 45.0), (32, 40.0)])
def test_many_coils_are_compressed_and_still_unfold(coils, size_mm, monkeypatch):
    scanner = Scanner(coils=coils, coil_size_mm=size_mm)
    few = mean_g(scanner, 20.0)
    assert sensitivities((8, 8), z_mm=0.0, fov_mm=220.0, scanner=scanner).shape[0] == VIRTUAL
    monkeypatch.setattr("qsr_jax.physics.coils.VIRTUAL", coils)
    assert mean_g(scanner, 20.0) < few < 1.03 * mean_g(scanner, 20.0)
    assert few < mean_g(SCANNER, 20.0)


def test_an_array_that_lies_aside_is_the_same_array():
    aside = dataclasses.replace(SCANNER, coil_offset_mm=(20.0, 0.0, 5.0))
    maps, moved = (
        sensitivities((22, 22), z_mm=z, fov_mm=220.0, scanner=s)
        for z, s in ((0.0, SCANNER), (5.0, aside))
    )
    ratio = np.abs(moved[:, 6:-6, 8:-6] / maps[:, 6:-6, 6:-8])
    np.testing.assert_allclose(ratio, ratio[0, 0, 0], rtol=2e-3)


def test_phase_is_smooth_and_about_one_radian(rng):
    phase = smooth_phase(rng, (64, 48), echoes=2, size_rad=0.5)
    assert phase.shape == (2, 64, 48)
    assert 0.1 < np.abs(phase).max() < 2.5
    assert np.abs(np.diff(phase, axis=1)).max() < 0.15
    assert np.abs(phase[0] - phase[1]).max() > 0.05
    assert not smooth_phase(rng, (8, 8), echoes=2, size_rad=0.0).any()


def blob(shape, y0, x0, widths):
    """An ellipse-like Gaussian at (y0, x0) in fields of view."""
    y, x = places(shape)
    return np.exp(-(((y - y0) / widths[0]) ** 2) - ((x - x0) / widths[1]) ** 2).astype("f4")


@pytest.mark.parametrize("shape", [(96, 96), (112, 80)])
def test_a_blob_moves_where_it_is_told(shape):
    moved = move(blob(shape, 0.1, 0.0, (0.06, 0.06))[None], np.float32([0.03, -0.05, np.pi / 6]))
    # Turning from x towards y by 30 degrees takes (y, x) = (0.1, 0) to 0.1 (cos, -sin)
    expected = blob(shape, 0.1 * np.cos(np.pi / 6) + 0.03, -0.05 - 0.05, (0.06, 0.06))
    np.testing.assert_allclose(moved[0], expected, atol=1e-4)


def test_a_quarter_turn_swaps_the_widths():
    moved = move(blob((96, 96), 0.0, 0.0, (0.04, 0.1)), np.float32([0, 0, np.pi / 2]))
    np.testing.assert_allclose(moved, blob((96, 96), 0.0, 0.0, (0.1, 0.04)), atol=1e-3)


def test_poses_are_drawn_as_large_as_asked(rng):
    poses = draw_poses(rng, 4000, mm=2.0, deg=0.5)
    np.testing.assert_allclose(poses.std(axis=0), [2.0] * 3 + [0.5] * 3, rtol=0.05)
    assert not draw_poses(rng, 4, mm=0.0, deg=0.0).any()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"coils": 0}, "coils must lie in 1..64; got 0"),
        ({"oversampling": 0.9}, "oversampling must lie in 1..8; got 0.9"),
        ({"motion_mm": -1.0}, "motion_mm must lie in 0..5"),
        ({"csf_pulsation": 1.0}, "csf_pulsation must lie in 0..0.9"),
        ({"b1_strength": float("nan")}, "b1_strength must lie in 0..2; got nan"),
    ],
)
def test_impossible_scanners_are_refused(change, rule):
    with pytest.raises(ValueError, match=rule):
        Scanner(**change)


def test_truth_grid_is_twice_the_matrix():
    assert SCANNER.truth_points((320, 256)) == 640
    assert SCANNER.truth_points((80, 64)) == 160
