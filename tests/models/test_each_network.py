"""Each network: its size, its reach, and what only it has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from any_network import QUICK, WITH_SPREAD, output, predicted, small, started

from qsr_jax.models import NETWORKS, build_model
from qsr_jax.models.interpolated import LOG_SPREAD, pixel_shuffle
from qsr_jax.models.srgan import Discriminator, Generator
from qsr_jax.models.swinir import from_windows, relative_places, windows_of, wrapped_pairs
from qsr_jax.models.vgg19 import Vgg19Features
from qsr_jax.ops.resample import upsample
from qsr_jax.types import ALIGNMENTS

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("name", WITH_SPREAD)
def test_a_residual_network_starts_at_the_interpolation_of_its_own_slice(name, alignment, rng):
    """Of three slices of two maps the middle pair; the start differs by the small last kernel."""
    network = small(name, channels=2, alignment=alignment)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 16, 16, 6)), jnp.float32)
    expected = upsample(x[..., 2:4], scale=2, alignment=alignment, method="cubic")
    made = predicted(network, started(network, 6), x)
    assert 0.0 < float(jnp.abs(made - expected).max()) < 0.1


@pytest.mark.parametrize("name", WITH_SPREAD)
def test_a_spread_starts_small_and_leaves_the_maps_alone(name, rng):
    """The maps come first; behind each stands the logarithm of its spread, near LOG_SPREAD."""
    network = small(name, channels=2, spread=True)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 9, 8, 2)), jnp.float32)
    made = predicted(network, started(network, 2), x)
    expected = upsample(x, scale=2, alignment="corner", method="cubic")
    assert made.shape == (1, 18, 16, 4)
    assert 0.0 < float(jnp.abs(made[..., :2] - expected).max()) < 0.1
    assert 0.0 < float(jnp.abs(made[..., 2:] - LOG_SPREAD).max()) < 0.1


def test_srgan_stays_inside_the_network_scale(rng):
    network = small("srgan")
    x = jnp.asarray(rng.uniform(-9, 9, (1, 12, 12, 1)), jnp.float32)
    variables = started(network)
    assert float(jnp.abs(network.apply(variables, x, train=False)).max()) <= 1.0


def test_a_unet_told_the_noise_uses_it(rng):
    network = small("unet", scale=1)
    x = jnp.asarray(rng.uniform(-1, 1, (2, 12, 12, 1)), jnp.float32)
    sigma = jnp.array([0.05, 0.2])
    variables = jax.jit(lambda: network.init(jax.random.key(0), x, sigma, train=False), **QUICK)()
    apply = jax.jit(lambda s: network.apply(variables, x, s, train=False), **QUICK)
    other = apply(sigma.at[1].set(0.1))
    np.testing.assert_array_equal(apply(sigma)[0], other[0])
    assert float(jnp.abs(apply(sigma)[1] - other[1]).max()) > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_four_devices_do_what_one_does(name, rng):
    """Batch statistics, where a network has them, are shared over the devices."""
    x = jnp.asarray(rng.uniform(-1, 1, (4, 12, 12, 1)), jnp.float32)
    one, four = small(name), small(name, axis_name="batch")
    variables = started(one)
    parallel = jax.vmap(lambda x: output(four, variables, x[None])[0], axis_name="batch")
    expected = jax.jit(lambda x: output(one, variables, x), **QUICK)(x)
    np.testing.assert_allclose(jax.jit(parallel, **QUICK)(x), expected, atol=2e-5)


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


PUBLISHED = {
    # The first, 13 of 9*48*48+48, the last 9*48*12+12: by hand.
    "residual": ({"features": 48, "blocks": 6, "channels": 3}, 1_344 + 13 * 20_784 + 5_196),
    # 16 697 987 of ESRGAN's x4 (RGB), less its two convolutions of doubling and the one behind them
    # and its last (64 to 3), with ours (64 to 12).
    "rrdb": (
        {"features": 64, "growth": 32, "blocks": 23, "channels": 3},
        16_697_987 - 3 * 36_928 - 1_731 + 6_924,
    ),
    # SwinIR-light x2 (RGB): 878 K in the paper's table, which leaves one closing convolution out.
    "swinir": (
        {"features": 60, "blocks": 4, "layers": 6, "heads": 6, "window": 8, "channels": 3},
        877_692 + 32_460,
    ),
    # The first; two blocks of 2*(9*w*w+w) at 32 and 64, one at 128; 2x2 down and up; the last.
    "unet": (
        {"features": 32, "depth": 2, "blocks": 1},
        320 + 2 * 18_496 + 2 * 73_856 + 295_168 + 8_256 + 32_896 + 32_832 + 8_224 + 1_156,
    ),
    # As below without batch norm: a bias of 64 in its place.
    "srgan": (
        {"features": 64, "blocks": 5, "norm_momentum": 0.9, "norm": False},
        5_248 + 11 * 36_928 + 260,
    ),
}
"""Name to fields and number of parameters, published or by hand."""


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_are_as_many_as_published(name):
    fields, expected = PUBLISHED[name]
    network = build_model(name, **({"scale": 2, "channels": 1} | fields))
    image = jnp.zeros((1, 16, 16, network.channels))
    found = jax.eval_shape(lambda: network.init(jax.random.key(0), image, train=False))
    assert set(found) == {"params"}
    assert sum(leaf.size for leaf in jax.tree.leaves(found)) == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_sees_as_far_as_it_says(name, rng):
    """No further than ``reach``; the convolutional ones without halvings exactly so far."""
    network = small(name, scale=1, norm=False) if name == "srgan" else small(name, scale=1)
    reach = network.reach
    side = 2 * reach + 9
    x = jnp.asarray(rng.uniform(-1, 1, (1, side, side, 1)), jnp.float32)
    variables = jax.tree.map(
        lambda leaf: leaf + 0.05 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape),
        started(network),
    )
    middle = side // 2
    one = lambda x: network.apply(variables, x, train=False)[0, middle, middle, 0]  # noqa: E731
    seen = jax.jit(jax.grad(one), **QUICK)(x)
    rows, columns = (np.flatnonzero(np.abs(seen[0, ..., 0]).sum(axis)) for axis in (1, 0))
    furthest = max(np.abs(places - middle).max() for places in (rows, columns))
    assert furthest <= reach
    if name in ("srgan", "residual", "rrdb"):
        assert furthest == reach


def test_windows_come_back_and_opposite_edges_do_not_see_each_other(rng):
    x = jnp.asarray(rng.standard_normal((2, 8, 12, 3)), jnp.float32)
    cut = windows_of(x, 4)
    assert cut.shape == (2, 6, 16, 3)
    np.testing.assert_array_equal(cut[0, 1], x[0, :4, 4:8].reshape(16, 3))
    np.testing.assert_array_equal(from_windows(cut, 4, 8, 12), x)
    places = relative_places(4)
    assert places[0, 0] == places[5, 5] == 24
    assert places[0, 1] == places[4, 5] != places[1, 0]
    forbidden = wrapped_pairs(8, 12, 4, 2) < 0
    assert not forbidden[0].any(), "a window inside the image sees all of itself"
    # The last window of a row: its last two columns came from the first two of the image.
    np.testing.assert_array_equal(forbidden[2, 0].reshape(4, 4), [np.arange(4) >= 2] * 4)


@pytest.mark.parametrize("side", [16, 24, 40])
def test_discriminator_takes_any_image_size(side, rng):
    network = Discriminator(features=(4, 4, 8, 8))
    images = jnp.asarray(rng.standard_normal((2, side, side, 1)), jnp.float32)
    variables = network.init(jax.random.key(0), jnp.zeros((1, 16, 16, 1)))
    assert set(variables) == {"params"}, "it never predicts, so it remembers nothing"
    assert network.apply(variables, images).shape == (2,)


def test_the_papers_discriminator_has_eight_convolutions():
    network = Discriminator(features=(64, 64, 128, 128, 256, 256, 512, 512))
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1))))[
        "params"
    ]
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


def test_vgg_sees_every_channel_as_a_grey_image(vgg_parameters, rng):
    network = Vgg19Features("conv1_2")
    images = jnp.asarray(rng.uniform(-1, 1, (2, 8, 8, 3)), jnp.float32)
    whole = network.apply({"params": vgg_parameters}, images)
    assert whole.shape == (2, 8, 8, 3 * 64)
    for channel in range(3):
        alone = network.apply({"params": vgg_parameters}, images[..., channel : channel + 1])
        part = whole[..., channel * 64 : (channel + 1) * 64]
        np.testing.assert_allclose(part, alone, rtol=1e-5, atol=1e-5)
