"""Operations with a backward pass of our own have the gradient of their plain form."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.models.norm import EPSILON, NO_EDGES, BatchNorm
from qsr_jax.models.vgg19 import halve, rectified

AROUND = ((0, 0), (0, 1), (2, 1), (0, 0))


def plain(variables, x, edges):
    """The textbook, as JAX derives it: (n, h, w, c) of one batch."""
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    y = (x - mean) / jnp.sqrt(variance + EPSILON) * variables["scale"] + variables["bias"]
    return jnp.pad(nn.leaky_relu(y, 0.2), edges)


@pytest.mark.parametrize("edges", [NO_EDGES, AROUND])
@pytest.mark.parametrize("groups", [1, 2])
def test_batch_norm_and_what_follows_it(groups, edges, rng):
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(0.3, 2.0, (4, 5, 3, 2)))
        variables = {name: jnp.asarray(rng.normal(1.0, 0.5, 2)) for name in ("scale", "bias")}

        def expected(variables, x):
            return jnp.concatenate([plain(variables, part, edges) for part in jnp.split(x, groups)])

        def got(variables, x):
            return BatchNorm(0.2, edges).apply({"params": variables}, x, groups=groups)

        wanted, pull_back = jax.vjp(expected, variables, x)
        made, own_pull_back = jax.vjp(got, variables, x)
        np.testing.assert_allclose(made, wanted, atol=1e-12)
        weight = jnp.asarray(rng.standard_normal(wanted.shape))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-11),
            own_pull_back(weight),
            pull_back(weight),
        )


def test_rectified_is_a_relu(rng):
    x = jnp.asarray(rng.standard_normal((2, 4, 4, 3)), jnp.float32)
    wanted, pull_back = jax.vjp(nn.relu, x)
    made, own_pull_back = jax.vjp(rectified, x)
    np.testing.assert_array_equal(made, wanted)
    np.testing.assert_array_equal(own_pull_back(x)[0], pull_back(x)[0])


def test_pixels_that_tie_share_the_gradient():
    """Row first, then column: of three that tie, two in one column, these get a quarter each."""
    x = jnp.asarray([[3.0, 3.0], [3.0, 1.0]]).reshape(1, 2, 2, 1)
    gradient = jax.grad(lambda x: halve(x).sum())(x)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0.25, 0.5], [0.25, 0.0]])
