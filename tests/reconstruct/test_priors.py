"""The proximal steps and denoisers against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import small_fingerprints

from qsr_jax.reconstruct.alternating import alternate
from qsr_jax.reconstruct.denoisers import denoised, identity, total_variation
from qsr_jax.reconstruct.head import PNP, Method, learned_method
from qsr_jax.reconstruct.low_rank import shrink_blocks
from qsr_jax.reconstruct.total_variation import smooth_total_variation


def test_a_step_shrinks_by_what_its_halves_share():
    """Levels of two halves of 8 columns move towards each other by strength / 8."""
    step = jnp.where(jnp.arange(16) < 8, 0.0, 1.0) * jnp.ones((4, 1))
    found = np.asarray(smooth_total_variation(step, 0.8, rounds=300))
    np.testing.assert_allclose(
        found, np.where(np.arange(16) < 8, 0.1, 0.9) * np.ones((4, 1)), atol=2e-3
    )
    flat = np.asarray(smooth_total_variation(step, 8.0, rounds=300))
    np.testing.assert_allclose(flat, 0.5, atol=1e-2)  # far from the start, it converges slowly


def test_complex_images_turn_with_their_phase_and_stay_apart():
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.standard_normal((2, 12, 12)) + 1j, jnp.complex64)
    found = smooth_total_variation(images, 0.3)
    turned = smooth_total_variation(images * jnp.exp(0.7j), 0.3)
    np.testing.assert_allclose(turned, found * jnp.exp(0.7j), atol=1e-5)
    np.testing.assert_allclose(smooth_total_variation(images[1], 0.3), found[1], atol=1e-6)


def test_denoisers_give_back_what_has_no_noise_and_remove_some():
    rng = np.random.default_rng(0)
    clean = np.kron(rng.uniform(size=(4, 4)), np.ones((6, 6)))[None]
    noisy = jnp.asarray(clean + 0.1 * rng.standard_normal(clean.shape), jnp.float32)
    np.testing.assert_allclose(total_variation(noisy, jnp.float32(0.0)), noisy, atol=1e-6)
    np.testing.assert_array_equal(identity(noisy, jnp.float32(0.3)), noisy)
    left = np.asarray(total_variation(noisy, jnp.float32(0.1))) - clean
    assert np.std(left) < 0.7 * np.std(noisy - clean)


def test_over_four_turns_what_depends_on_the_orientation_cancels():
    """A denoiser that adds a ramp: down, across, and their product, all odd."""
    y, x = np.linspace(-1, 1, 6)[:, None], np.linspace(-1, 1, 9)
    ramp = jnp.asarray(y + 2 * x + 3 * y * x, jnp.float32)
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 6, 9)), jnp.float32)

    def ramped(seen, sigma):
        return seen + sigma * ramp

    found = [denoised(ramped, images, jnp.float32(0.5), turn) for turn in range(8)]
    added = [-y + 2 * x - 3 * y * x, y - 2 * x - 3 * y * x, -y - 2 * x + 3 * y * x]
    for turn, expected in enumerate([ramp, *added]):
        np.testing.assert_allclose(found[turn] - images, 0.5 * expected + 0 * images, atol=1e-5)
        np.testing.assert_array_equal(found[turn + 4], found[turn])
    np.testing.assert_allclose(np.mean(found[:4], axis=0), images, atol=1e-5)


def test_the_loop_of_a_trained_denoiser_turns_with_every_round():
    """One that needs no training sees the images as they are."""
    shown = []

    def project(moved, sigma, turn):
        shown.append(int(turn))
        return moved, sigma

    problem = small_fingerprints.problem()
    alternate(problem, project, learned_method(PNP, identity, coils=8).settings)
    assert shown == [0, 1, 2, 3, 4, 5, 6, 7]
    shown.clear()
    alternate(problem, project, Method(PNP).settings)
    assert set(shown) == {0}


def test_blocks_of_one_signal_shrink_by_the_threshold():
    """Constants c in 8 x 8 pixels: one singular value, 8 |c|; a shifted grid is full of such."""
    constants = jnp.asarray([3.0, 4.0j, 0.0], jnp.complex64)[:, None, None]
    images = constants * jnp.ones((1, 16, 24))
    for key in range(3):
        found = shrink_blocks(images, 4.0, jax.random.key(key))
        np.testing.assert_allclose(found, images * (1 - 4.0 / (8 * 5.0)), atol=1e-5)
    np.testing.assert_allclose(shrink_blocks(images, 41.0, jax.random.key(0)), 0.0, atol=1e-5)


def test_blocks_give_back_any_size_without_a_threshold():
    rng = np.random.default_rng(0)
    images = jnp.asarray(rng.standard_normal((3, 13, 18)) + 0j, jnp.complex64)
    found = shrink_blocks(images, 0.0, jax.random.key(1))
    np.testing.assert_allclose(found, images, atol=1e-5)
