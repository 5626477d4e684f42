"""Networks and losses: what every subject of a table must obey."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax import losses
from qsr_jax.models import GENERATORS
from qsr_jax.models.discriminator import Discriminator
from qsr_jax.models.srgan import Generator, pixel_shuffle

SMALL = {"features": 4, "blocks": 1, "norm_momentum": 0.9}


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("name", GENERATORS)
def test_generator_shape_range_and_gradient(name, scale, rng):
    generator = GENERATORS[name](**SMALL, scale=scale)
    image = jnp.asarray(rng.standard_normal((2, 12, 10, 1)), jnp.float32)
    variables = generator.init(jax.random.key(0), image, train=False)

    def output(params):
        everything = variables | {"params": params}
        return generator.apply(everything, image, train=True, mutable=["batch_stats"])[0]

    sr = output(variables["params"])
    assert sr.shape == (2, 12 * scale, 10 * scale, 1)
    assert sr.dtype == jnp.float32
    assert float(jnp.abs(sr).max()) <= 1.0
    gradient = jax.grad(lambda p: jnp.square(output(p)).sum())(variables["params"])
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in _kernels(gradient))


@pytest.mark.parametrize("name", GENERATORS)
def test_prediction_does_not_depend_on_the_company(name, rng):
    """With running statistics a slice gives the same map alone and in a batch."""
    generator = GENERATORS[name](**SMALL, scale=2)
    images = jnp.asarray(rng.standard_normal((3, 12, 12, 1)), jnp.float32)
    variables = generator.init(jax.random.key(0), images, train=False)
    apply = jax.jit(lambda x: generator.apply(variables, x, train=False))
    alone = jnp.concatenate([apply(image[None]) for image in images])
    np.testing.assert_allclose(apply(images), alone, atol=1e-6)


def test_the_papers_generator_has_the_papers_layers():
    """9x9, five blocks of two 3x3, a closing 3x3, a 1x1 (paper, Network Architecture)."""
    generator = Generator(features=64, blocks=5, scale=2, norm_momentum=0.9)
    shapes = jax.eval_shape(
        lambda: generator.init(jax.random.key(0), jnp.zeros((1, 8, 8, 1)), train=False)
    )["params"]
    assert shapes["Conv_0"]["kernel"].shape == (9, 9, 1, 64)
    blocks = [name for name in shapes if name.startswith("ResidualBlock")]
    assert len(blocks) == 5
    for name in blocks:
        assert [shapes[name][f"Conv_{i}"]["kernel"].shape for i in (0, 1)] == [(3, 3, 64, 64)] * 2
    assert shapes["Conv_1"]["kernel"].shape == (3, 3, 64, 64)
    assert shapes["Conv_2"]["kernel"].shape == (1, 1, 64, 4)
    # 9*9*64+64; 11 convolutions 3*3*64*64 with batch norm 2*64 each; 64*4+4
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 5248 + 11 * (36864 + 128) + 260


@pytest.mark.parametrize("side", [16, 24, 40])
def test_discriminator_takes_any_image_size(side, rng):
    network = Discriminator(features=(4, 4, 8, 8), norm_momentum=0.9)
    images = jnp.asarray(rng.standard_normal((2, side, side, 1)), jnp.float32)
    variables = network.init(jax.random.key(0), jnp.zeros((1, 16, 16, 1)), train=False)
    assert network.apply(variables, images, train=False).shape == (2,)


def test_the_papers_discriminator_has_eight_convolutions():
    network = Discriminator(features=(64, 64, 128, 128, 256, 256, 512, 512), norm_momentum=0.9)
    shapes = jax.eval_shape(
        lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
    )["params"]
    convolutions = [shapes[f"Conv_{i}"]["kernel"].shape for i in range(8)]
    assert [shape[-1] for shape in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert all(shape[:2] == (3, 3) for shape in convolutions)
    assert len([name for name in shapes if name.startswith("BatchNorm")]) == 7


def test_pixel_shuffle_moves_channels_into_their_places():
    """Channel i*2+j of coarse pixel (r, c) becomes fine pixel (2r+i, 2c+j)."""
    x = np.arange(2 * 3 * 4).reshape(1, 2, 3, 4)
    y = np.asarray(pixel_shuffle(jnp.asarray(x), 2))
    for r, c, i, j in np.ndindex(2, 3, 2, 2):
        assert y[0, 2 * r + i, 2 * c + j, 0] == x[0, r, c, 2 * i + j]


# --- losses: laws over a table ------------------------------------------------------------------

IMAGE_LOSSES = {"mae": losses.mae, "content": losses.content}


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_image_losses_give_one_value_per_sample_and_zero_at_equality(name, rng):
    loss = IMAGE_LOSSES[name]
    a, b = (jnp.asarray(rng.standard_normal((3, 5, 4, 1)), jnp.float32) for _ in range(2))
    assert loss(a, b).shape == (3,)
    np.testing.assert_array_equal(loss(a, a), 0.0)
    stacked = jnp.stack([loss(a[i : i + 1], b[i : i + 1])[0] for i in range(3)])
    np.testing.assert_allclose(loss(a, b), stacked, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(loss)(a, b), loss(a, b), rtol=1e-6)
    power = {"mae": 1, "content": 2}[name]
    np.testing.assert_allclose(loss(3 * a, 3 * b), 3.0**power * loss(a, b), rtol=1e-5)


def test_adversarial_losses_are_the_cross_entropies_of_the_sigmoid():
    logits = jnp.array([-3.0, 0.0, 2.0])
    p = 1 / (1 + np.exp(-np.asarray(logits)))
    np.testing.assert_allclose(losses.adversarial(logits), -np.log(p), rtol=1e-6)
    both = losses.discriminator(logits, -logits)
    np.testing.assert_allclose(both, -np.log(p) - np.log(1 - (1 - p)), rtol=1e-5)


def test_adversarial_losses_stay_finite_where_the_sigmoid_saturates():
    assert np.isfinite(losses.adversarial(jnp.array([-200.0, 200.0]))).all()
    assert float(jax.grad(lambda x: losses.adversarial(x).sum())(jnp.array([-200.0]))[0]) == -1.0


def _kernels(tree):
    return [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if "kernel" in str(path)
    ]
