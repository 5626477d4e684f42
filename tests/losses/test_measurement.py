"""Maps against the fast scan: grids and window by a wave, the gradient, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.losses import measurement_consistency
from qsr_jax.losses.measurement import signals, through_fast_scan, window_of_part
from qsr_jax.physics.mdme_protocol import FAST, PROTOCOLS
from qsr_jax.physics.point_spread import k_space_window
from qsr_jax.types import ALIGNMENTS, first_voxel_shift

NAMES = ("t1", "t2", "pd")
TINY = PROTOCOLS["tiny"][1]


def density_wave(side, scale, alignment, turns, gain=1.0):
    """A tissue whose density is a wave, ``turns`` over ``side`` coarse pixels, on either grid."""
    start = first_voxel_shift(alignment, scale) if scale > 1 else 0.0
    place = (start + np.arange(side * scale) / scale) / side
    density = 70.0 + 10.0 * gain * np.cos(2 * np.pi * turns * place + 0.4)
    maps = np.broadcast_to(
        np.float32([800.0, 75.0, 0.0]), (1, side * scale, side * scale, 3)
    ).copy()
    maps[..., 2] = density
    return jnp.asarray(maps)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_wave_is_seen_on_the_coarse_grid_through_the_window(alignment):
    """Signals are linear in density: the fine wave, times the window at its frequency."""
    side, turns = TINY.recon, 14
    window = k_space_window(TINY)[TINY.matrix[0] // 2, TINY.matrix[1] // 2 + turns]
    assert 0.5 < window < 1.0
    other = next(one for one in ALIGNMENTS if one != alignment)
    given = {"names": NAMES, "alignment": alignment, "protocol": TINY}
    cost = jax.jit(lambda fine, seen: measurement_consistency(fine, seen, **given)[0])
    fine, shifted = (density_wave(side, 2, a, turns) for a in (alignment, other))
    seen = density_wave(side, 1, alignment, turns, gain=float(window))
    value = float(cost(fine, seen))
    assert value < 1e-5
    assert float(cost(fine, density_wave(side, 1, alignment, turns))) > 100 * value
    assert float(cost(shifted, seen)) > 100 * value


def test_a_part_has_the_frequencies_of_its_own_field_of_view():
    """Half the slice: every second frequency of the whole; odd parts have a centre too."""
    whole, half = (window_of_part(FAST, (side, side)) for side in (FAST.recon, FAST.recon // 2))
    np.testing.assert_allclose(half, whole[::2, ::2], atol=1e-6)
    odd = jnp.full((2, 50, 50), 3.0)
    seen = through_fast_scan(odd, (25, 25), alignment="corner", protocol=FAST)
    np.testing.assert_allclose(seen, np.full((2, 25, 25), 3.0), rtol=1e-5)


def test_the_gradient_reaches_every_map_and_is_finite_in_air(rng):
    tissue = jnp.array([900.0, 90.0, 75.0])
    coarse = jnp.broadcast_to(tissue, (2, 8, 8, 3))
    cost = jax.jit(
        lambda x: measurement_consistency(x, coarse, names=NAMES, alignment="corner").sum()
    )
    fine = jnp.asarray(rng.uniform(0.8, 1.2, (2, 16, 16, 3)), jnp.float32) * tissue
    gradient = jax.grad(cost)(fine)
    assert all(float(jnp.abs(gradient[..., i]).max()) > 0 for i in range(3))
    for air in (0.0, -5.0):
        assert np.isfinite(jax.grad(cost)(0.0 * fine + air)).all()


def test_weights_are_on_the_coarse_grid_and_samples_are_apart(rng):
    coarse = jnp.broadcast_to(jnp.array([900.0, 90.0, 75.0]), (2, 8, 8, 3))
    fine = jnp.repeat(jnp.repeat(coarse, 2, 1), 2, 2)
    wrong = fine.at[1].multiply(1.1)
    given = {"names": NAMES, "alignment": "corner"}
    value = jax.jit(lambda *images: measurement_consistency(*images, **given))
    values = np.asarray(value(wrong, coarse))
    assert values[0] < 1e-5 < values[1]
    weights = jnp.zeros((2, 8, 8, 1)).at[:, 2:4].set(1.0)
    spoilt = coarse.at[:, 6].set(10.0)
    some = value(wrong, spoilt, weights)
    np.testing.assert_allclose(some, values, atol=1e-5)


def test_signals_need_all_three_maps():
    assert signals(jnp.ones((1, 2, 2, 3)), NAMES, FAST).shape == (8, 1, 2, 2)
    with pytest.raises(ValueError, match="an MDME signal needs t1, t2 and pd; the maps are t1, pd"):
        measurement_consistency(
            jnp.ones((1, 4, 4, 2)), jnp.ones((1, 2, 2, 2)), names=("t1", "pd"), alignment="corner"
        )
