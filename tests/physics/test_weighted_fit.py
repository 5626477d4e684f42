"""The pixelwise solution: exact without noise, finite everywhere."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.acquisition import TYPICAL_MS, WIDE
from qsr_jax.physics.weighted_acquisition import draw_acquisition
from qsr_jax.physics.weighted_fit import (
    MOST_WATER,
    NOISE,
    T1_RANGE_MS,
    T2_RANGE_MS,
    weighted_fit,
)
from qsr_jax.physics.weighted_signal import weighted_signals

pytestmark = pytest.mark.usefixtures("compiled_quickly")
FITTED = jax.jit(weighted_fit)
MEAN = jax.jit(functools.partial(weighted_fit, mean=True))
SHORT_TI = (1218.0, 9.0, 3282.0, 155.0, 8750.0, 90.0, 1468.0)


def tissues(rng, n, side=16):
    """T1 650 to 1300 ms: below where the FLAIR signal changes its sign for any of the times."""
    t1_ms = rng.uniform(650, 1300, (n, side, side))
    t2_ms, density = rng.uniform(45, 160, t1_ms.shape), rng.uniform(0.5, 1.0, t1_ms.shape)
    return jnp.asarray(np.stack([t1_ms, t2_ms, density], -1), jnp.float32)


def seen(maps, times):
    return weighted_signals(maps[..., 0], maps[..., 1], maps[..., 2], times[:, None, None])


def test_noiseless_tissue_comes_back(rng):
    """At any times that train; 98 % within 1 %: near a second solution the other may be found."""
    times = draw_acquisition(jax.random.key(0), WIDE, 6)
    maps = tissues(rng, 6)
    off = np.abs(np.asarray(FITTED(seen(maps, times), times)) / np.asarray(maps) - 1.0)
    assert (off.max(-1) < 0.01).mean() > 0.98
    assert np.median(off) < 1e-3


def test_what_it_finds_explains_the_signals(rng):
    """Fluid too, whose FLAIR signal has lost its sign: two tissues explain it, one is found."""
    maps = tissues(rng, 1).at[..., 0].set(rng.uniform(2500, 4500, (1, 16, 16)))
    maps = maps.at[..., 1].set(rng.uniform(200, 1500, (1, 16, 16)))
    times = jnp.asarray(TYPICAL_MS)[None]
    signals = seen(maps, times)
    again = seen(FITTED(signals, times), times)
    off = jnp.abs(again - signals).max(-1) / signals.max(-1)
    assert float(jnp.percentile(off, 95)) < 5e-3


def test_brighter_images_have_more_protons_and_nothing_else(rng):
    times = jnp.asarray(TYPICAL_MS)[None]
    signals = seen(tissues(rng, 1), times)
    one, dark = FITTED(signals, times), FITTED(0.02 * signals, times)
    np.testing.assert_allclose(dark / one, np.broadcast_to([1, 1, 0.02], one.shape), rtol=2e-3)


def test_grey_matter_is_not_taken_for_more_water_than_water_with_its_signal_turned(rng):
    """Short inversion times: of the two solutions the folded one held up to 2.5 of water's PD."""
    times = jnp.asarray(SHORT_TI)[None]
    maps = tissues(rng, 1)
    maps = maps.at[..., 0].set(rng.uniform(1200, 1400, maps.shape[:-1]))
    found = np.asarray(FITTED(seen(maps, times), times))
    assert (np.abs(found / np.asarray(maps) - 1.0).max(-1) < 0.01).mean() > 0.85
    assert found[..., 2].max() < 1.05 * MOST_WATER


def test_the_mean_is_near_and_explains_the_signals_within_twice_the_noise(rng):
    """Without noise half of tissue is within 2 %: more of what explains it lies on one side."""
    times, maps = jnp.asarray(TYPICAL_MS)[None], tissues(rng, 1)
    signals = seen(maps, times)
    found = MEAN(signals, times)
    assert (np.median(np.abs(found / maps - 1.0), (0, 1, 2)) < 0.02).all()
    off = jnp.abs(seen(found, times) - signals).max(-1) / jnp.linalg.norm(signals, axis=-1)
    assert float(off.max()) < 2.0 * NOISE


def test_the_mean_moves_as_little_as_the_images(rng):
    """Where two tissues explain a pixel, of which rounding would pick one.

    Brightness: 0.1 % of every pixel, away from the bound of PD; 0.01 % of noise: below 1 %.
    """
    times = jnp.asarray(SHORT_TI)[None]
    signals = seen(tissues(rng, 1).at[..., 0].set(rng.uniform(1200, 2500, (1, 16, 16))), times)
    one, dark = (np.asarray(MEAN(scale * signals, times)) for scale in (0.3, 0.02))
    np.testing.assert_allclose(dark * [1, 1, 15], one, rtol=1e-3)
    noise = jnp.asarray(1e-4 * rng.standard_normal(signals.shape), jnp.float32)
    np.testing.assert_allclose(
        MEAN(signals * (1.0 + noise), times), MEAN(signals, times), rtol=0.01
    )


@pytest.mark.parametrize("solve", [FITTED, MEAN])
@pytest.mark.parametrize("level", [0.0, 1e-6, 1.0])
def test_any_three_numbers_give_a_solution_within_its_range(level, solve, rng):
    signals = jnp.asarray(level * rng.uniform(0, 1, (1, 16, 16, 3)), jnp.float32)
    found = np.asarray(solve(signals, jnp.asarray(TYPICAL_MS)[None]))
    assert np.isfinite(found).all() and found.min() >= 0
    for i, (low, high) in enumerate((T1_RANGE_MS, T2_RANGE_MS)):
        assert found[..., i].min() >= 0.999 * low and found[..., i].max() <= 1.001 * high
