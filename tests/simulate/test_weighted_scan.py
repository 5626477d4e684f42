"""A scan of known maps: what each imperfection does alone, and that draws depend on keys alone."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from weighted_heads import known_head

from qsr_jax.acquisition import TYPICAL_MS, WIDE
from qsr_jax.ops import fourier
from qsr_jax.physics.weighted_signal import weighted_signals
from qsr_jax.simulate.weighted_scan import (
    CLINICAL,
    MOVES,
    draw_study,
    perfect_study,
    receive_field,
    weighted_slice,
)

PIXEL_MM = 3.0
HEAD = jnp.asarray(known_head().maps[0])
FLAT = jnp.ones(HEAD.shape[:2])
PERFECT = perfect_study(jnp.asarray(TYPICAL_MS))
scan = functools.partial(jax.jit(weighted_slice, static_argnames="factor"), pixel_mm=PIXEL_MM)
draw = jax.jit(draw_study)
KEY = jax.random.key(5)


@functools.cache
def signals():
    maps = [HEAD[..., index] for index in range(3)]
    return np.asarray(jax.jit(weighted_signals)(*maps, PERFECT.acquisition_ms))


def test_a_perfect_scan_shows_the_signals():
    np.testing.assert_allclose(scan(KEY, HEAD, FLAT, PERFECT), signals(), atol=1e-3)


def test_the_coarser_grid_shares_the_outer_edge():
    """Of a smooth image a coarse pixel is what lies at its middle, between two fine ones."""
    size = HEAD.shape[0]
    places = (np.arange(size) + 0.5) / size
    wave = 50.0 + 10.0 * np.cos(2 * np.pi * 3 * places)
    maps = jnp.stack([jnp.full(HEAD.shape[:2], 1e-3), jnp.full(HEAD.shape[:2], 1e9)], -1)
    maps = jnp.concatenate(
        [maps, jnp.asarray(wave, jnp.float32)[:, None, None] + 0 * maps[..., :1]], -1
    )
    found = np.asarray(scan(KEY, maps, FLAT, PERFECT, factor=2))
    coarse = (np.arange(size // 2) + 0.5) / (size // 2)
    expected = 50.0 + 10.0 * np.cos(2 * np.pi * 3 * coarse)
    np.testing.assert_allclose(found[:, 0, 0], expected, atol=1e-2)


def test_scans_move_by_what_was_drawn_and_t2w_stays():
    shift = jnp.asarray([[2.0, -3.0], [0.0, 0.0], [1.0, 0.0]])
    moved = np.asarray(scan(KEY, HEAD, FLAT, PERFECT._replace(shift_px=shift)))
    for index, (down, across) in enumerate(shift.astype(int).tolist()):
        expected = np.roll(signals()[..., index], (down, across), (0, 1))
        np.testing.assert_allclose(moved[..., index], expected, atol=1e-2)
    turned = np.asarray(scan(KEY, HEAD, FLAT, PERFECT._replace(turn_deg=jnp.full(3, 1.0))))
    for index, moves in enumerate(MOVES):
        changed = np.abs(turned[..., index] - signals()[..., index]).max()
        assert (changed > 1.0) == moves


def test_resolution_is_where_k_space_ends_and_edges_ring():
    coarse = PERFECT._replace(resolution_mm=jnp.full(3, 2 * PIXEL_MM))
    found = scan(KEY, HEAD, FLAT, coarse)[..., 1]
    spectrum = np.abs(fourier.to_kspace(signals()[..., 1]))
    kept = np.abs(fourier.frequencies(len(found))) <= len(found) / 4
    inside = kept[:, None] & kept
    cut = np.where(inside, np.asarray(fourier.to_kspace(signals()[..., 1])), 0)
    np.testing.assert_allclose(found, np.abs(fourier.to_image(cut)), atol=1e-2)
    assert spectrum[~inside].max() > 0.01  # there was something to cut
    assert float(found.max()) > 1.03 * signals()[..., 1].max()  # Gibbs


@pytest.mark.parametrize("resolution", [1e-3, 2 * PIXEL_MM])
def test_noise_is_rician_of_the_stated_strength(resolution):
    """In air a Rayleigh law; far above the noise its standard deviation, at every resolution.

    4096 pixels, at half resolution 1024 independent ones: the mean of a Rayleigh law is told to
    0.52 / sqrt(1024) = 1.6 %, a standard deviation to 2.2 %; 5 standard errors are allowed.
    """
    snr = 20.0
    study = PERFECT._replace(snr=jnp.float32(snr), resolution_mm=jnp.full(3, resolution))
    white = jnp.asarray([821.0, 77.4, 68.2])
    sigma = np.asarray(weighted_signals(white[0], white[1], white[2], study.acquisition_ms)) / snr
    air = np.asarray(scan(KEY, 0 * HEAD, FLAT, study))
    np.testing.assert_allclose(air.mean((0, 1)), sigma * np.sqrt(np.pi / 2), rtol=0.085)
    bright = jnp.broadcast_to(jnp.asarray([1000.0, 500.0, 100.0]), HEAD.shape)
    shown = np.asarray(scan(KEY, bright, FLAT, study))
    np.testing.assert_allclose(shown.std((0, 1)), sigma, rtol=0.11)
    np.testing.assert_array_equal(air, scan(KEY, 0 * HEAD, FLAT, study))
    assert (air != np.asarray(scan(jax.random.key(6), 0 * HEAD, FLAT, study))).any()


def test_the_receive_field_multiplies_all_contrasts_alike():
    study = draw(KEY, CLINICAL._replace(still_share=0.0))
    places = np.linspace(-90.0, 90.0, HEAD.shape[0])
    field = jax.jit(receive_field)(study, np.array([-10.0, 0.0, 10.0]), places, places)
    assert field.shape == (3, *HEAD.shape[:2])
    assert float(jnp.abs(field - 1).max()) <= CLINICAL.bias
    assert float(jnp.ptp(field)) > 0.02
    assert float(jnp.abs(jnp.diff(field, axis=1)).max()) < 0.02  # smooth
    shown = np.asarray(scan(KEY, HEAD, field[0], PERFECT))
    np.testing.assert_allclose(shown, signals() * np.asarray(field[0])[..., None], atol=1e-3)


def test_studies_are_drawn_within_their_limits():
    keys = jax.random.split(KEY, 150)
    drawn = [jax.tree.map(np.asarray, draw(key, CLINICAL)) for key in keys]
    drawn = jax.tree.map(lambda *leaves: np.stack(leaves), *drawn)
    again = draw(keys[7], CLINICAL)
    jax.tree.map(lambda all_, one: np.testing.assert_array_equal(all_[7], one), drawn, again)
    low, high = np.array(WIDE).T
    times = np.asarray(drawn.acquisition_ms)
    assert (times >= low * (1 - 1e-6)).all() and (times <= high * (1 + 1e-6)).all()
    still = np.asarray(drawn.still) == 1
    assert 0.34 < still.mean() < 0.66  # 4 standard errors of 150 draws
    for moved, most in ((drawn.shift_px, CLINICAL.shift_px), (drawn.turn_deg, CLINICAL.turn_deg)):
        moved = np.abs(np.asarray(moved)).reshape(150, 3, -1)
        assert not moved[still].any() and not moved[:, 1].any()
        assert 0.9 * most < moved[~still].max() <= most
    assert not np.asarray(drawn.bias)[still].any()
    for name in ("resolution_mm", "snr"):
        values, (least, most) = np.asarray(getattr(drawn, name)), getattr(CLINICAL, name)
        assert (
            values.min() >= least and values.max() <= most and np.ptp(values) > 0.9 * (most - least)
        )
    efficiency = np.asarray(drawn.hidden.efficiency)
    assert efficiency.min() >= 0.95 and efficiency.max() <= 1.0
    with pytest.raises(ValueError, match="expected \\(7,\\): t1w_tr_ms"):
        perfect_study(jnp.ones(3))
