"""Faster forms of an operation give what the plain form gives, forward and backward."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from qsr_jax.models.convolution import LAYOUT, halving_convolution
from qsr_jax.models.discriminator import Discriminator
from qsr_jax.models.vgg19 import halve


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 7, 8, 2), (1, 5, 5, 2), (1, 2, 2, 1)])
def test_the_halving_convolution_has_the_plain_ones_gradients(shape, rng):
    """Even sides take the polyphase form, odd ones the plain one."""
    images = jnp.asarray(rng.standard_normal(shape), jnp.float32)
    kernel = jnp.asarray(rng.standard_normal((3, 3, shape[-1], 4)), jnp.float32)

    def plain(images, kernel):
        return lax.conv_general_dilated(images, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)

    def fast(images, kernel):
        return halving_convolution(images, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)

    expected, pull_back = jax.vjp(plain, images, kernel)
    got, fast_pull_back = jax.vjp(fast, images, kernel)
    np.testing.assert_array_equal(got, expected)
    weight = jnp.asarray(rng.standard_normal(expected.shape), jnp.float32)
    for mine, theirs in zip(fast_pull_back(weight), pull_back(weight), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_polyphase_gradient_multiplies_with_no_zeros():
    """No convolution of the backward pass dilates its input."""

    def dilated(polyphase: bool) -> int:
        network = Discriminator(features=(4, 4), norm_momentum=0.9, polyphase=polyphase)
        images = jnp.zeros((1, 8, 8, 1))
        variables = network.init(jax.random.key(0), images, train=False)
        gradient = jax.grad(lambda x: network.apply(variables, x, train=False).sum())
        return str(jax.make_jaxpr(gradient)(images)).count("lhs_dilation=(2, 2)")

    assert (dilated(False), dilated(True)) == (1, 0)


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
