"""Faster forms of an operation give what the plain form gives, forward and backward."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.models.vgg19 import halve


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
