"""Faster forms of an operation give what the plain form gives, forward and backward."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.models.doubling import Doubling
from qsr_jax.models.vgg19 import halve
from qsr_jax.objectives.weighted_terms import _within


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 7, 5, 2)])
def test_halving_is_a_pooling_window(shape, rng):
    x = jnp.asarray(rng.standard_normal(shape), jnp.float32)

    def window(x):
        return nn.max_pool(x, (2, 2), (2, 2))

    expected, pull_back = jax.vjp(window, x)
    got, fast_pull_back = jax.vjp(halve, x)
    np.testing.assert_array_equal(got, expected)
    weight = jnp.asarray(rng.standard_normal(expected.shape), jnp.float32)
    np.testing.assert_array_equal(fast_pull_back(weight)[0], pull_back(weight)[0])


def test_doubling_is_a_transposed_convolution(rng):
    """The same parameters give the same values, and gradients to rounding."""
    plain = nn.ConvTranspose(3, (2, 2), strides=(2, 2))
    x, key = jnp.asarray(rng.standard_normal((2, 5, 4, 6)), jnp.float32), jax.random.key(0)
    drawn = plain.init(key, x)
    jax.tree.map(np.testing.assert_array_equal, Doubling(3).init(key, x), drawn)
    drawn = jax.tree.map(lambda p: p + 0.1, drawn)
    expected, pull_back = jax.vjp(plain.apply, drawn, x)
    got, fast_pull_back = jax.vjp(Doubling(3).apply, drawn, x)
    np.testing.assert_allclose(got, expected, atol=1e-5)
    weight = jnp.asarray(rng.standard_normal(expected.shape), jnp.float32)
    pairs = zip(*map(jax.tree.leaves, (fast_pull_back(weight), pull_back(weight))), strict=True)
    for fast, slow in pairs:
        np.testing.assert_allclose(fast, slow, atol=2e-5)


@pytest.mark.parametrize("pixels", [1, 4, 32])
def test_a_neighbourhood_is_a_window_of_maxima(pixels, rng):
    mask = jnp.asarray(rng.uniform(size=(2, 40, 23, 1)) < 0.02, jnp.float32)
    side = 2 * pixels + 1
    window = jax.lax.reduce_window(
        mask, -jnp.inf, jax.lax.max, (1, side, side, 1), (1, 1, 1, 1), "SAME"
    )
    np.testing.assert_array_equal(_within(mask, pixels), window)
