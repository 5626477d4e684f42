"""Operations with a backward pass of our own have the gradient of their plain form."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.models.first_layer import FirstLayer, convolved, written_out
from qsr_jax.models.norm import EPSILON, NO_EDGES, BatchNorm, in_pairs, one_by_one
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


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_batch_norm_with_running_statistics_is_that_of_flax(slope, rng):
    """The same names, values, gradients and running statistics; slope 0 is a ReLU."""
    with jax.enable_x64(True):
        x = jnp.asarray(rng.normal(0.3, 2.0, (4, 5, 3, 2)))
        flax_norm = nn.BatchNorm(use_running_average=False, momentum=0.7)
        own, key = BatchNorm(slope, momentum=0.7), jax.random.key(0)
        drawn = own.init(key, x)
        jax.tree.map(np.testing.assert_array_equal, drawn, flax_norm.init(key, x))
        drawn = jax.tree.map(lambda p: p + jnp.asarray(rng.uniform(0.1, 0.5, p.shape)), drawn)

        def run(network, bend, params, x):
            given = {"params": params, "batch_stats": drawn["batch_stats"]}
            y, new = network.apply(given, x, mutable=["batch_stats"])
            return bend(y), new["batch_stats"]

        def passed(network, bend):
            y, pull_back, kept = jax.vjp(
                lambda p, x: run(network, bend, p, x), drawn["params"], x, has_aux=True
            )
            return y, pull_back(weight), kept

        weight = jnp.asarray(rng.standard_normal(x.shape))
        wanted = passed(flax_norm, (lambda y: y) if slope else nn.relu)
        made = passed(own, lambda y: y)
        compared = zip(*map(jax.tree.leaves, (made, wanted)), strict=True)
        for a, b in compared:
            np.testing.assert_allclose(a, b, atol=1e-11)


def test_sums_in_pairs_are_those_one_by_one(rng):
    """The first are a GPU's, the second a CPU's."""
    a, b = (jnp.asarray(rng.standard_normal((2, 3, 5, 4, 6)), jnp.float32) for _ in range(2))
    for pair, single in zip(in_pairs(a, b), one_by_one(a, b), strict=True):
        np.testing.assert_allclose(pair, single, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_first_layer_is_a_convolution_and_a_leaky_relu(channels, rng):
    """The same parameters, values and gradients; written out, as on a GPU, and convolved."""

    class Plain(nn.Module):
        @nn.compact
        def __call__(self, x):
            y = nn.Conv(6, (3, 3), padding="VALID", name="Conv_0")(x)
            return jnp.pad(nn.leaky_relu(y, 0.2), AROUND)

    class Own(nn.Module):
        @nn.compact
        def __call__(self, x):
            return FirstLayer(6, 0.2, AROUND, name="Conv_0")(x)

    with jax.enable_x64(True):
        x = jnp.asarray(rng.standard_normal((2, 6, 5, channels)))
        drawn = Plain().init(jax.random.key(0), x)
        jax.tree.map(np.testing.assert_array_equal, Own().init(jax.random.key(0), x), drawn)
        drawn = jax.tree.map(lambda p: p + 0.1, drawn)
        wanted, pull_back = jax.vjp(Plain().apply, drawn, x)
        made, own_pull_back = jax.vjp(Own().apply, drawn, x)
        np.testing.assert_allclose(made, wanted, atol=1e-12)
        weight = jnp.asarray(rng.standard_normal(wanted.shape))
        pairs = zip(*map(jax.tree.leaves, (own_pull_back(weight), pull_back(weight))), strict=True)
        for own, plain_one in pairs:
            np.testing.assert_allclose(own, plain_one, atol=1e-11)
        own = drawn["params"]["Conv_0"]
        kernel, bias = (own[name].astype(x.dtype) for name in ("kernel", "bias"))
        products = written_out(x, kernel, bias, slope=0.2)
        np.testing.assert_allclose(products, convolved(x, kernel, bias, slope=0.2), atol=1e-12)


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
