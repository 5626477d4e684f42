"""Networks and losses: what every subject of a table must obey."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.models import NETWORKS, ModelError, build_model
from qsr_jax.models.build import own_fields
from qsr_jax.models.srgan import Discriminator, Generator, pixel_shuffle
from qsr_jax.models.vgg19 import Vgg19Features
from qsr_jax.ops.resample import upsample
from qsr_jax.types import ALIGNMENTS

SMALL = {"features": 8, "blocks": 1, "norm_momentum": 0.9, "depth": 2, "residual_scale": 1.0}
"""A small value of every field that a network may have; a new field needs one here."""


def small(name, **around):
    fields = {key: SMALL[key] for key in own_fields(NETWORKS[name])}
    return build_model(name, **({"scale": 2, "channels": 1} | around | fields))


def output(network, variables, x):
    """In training, whether the network has running statistics or not."""
    rest = [key for key in variables if key != "params"]
    if not rest:
        return network.apply(variables, x, train=True)
    return network.apply(variables, x, train=True, mutable=rest)[0]


# --- laws of every network in the table -----------------------------------------------------------


@pytest.mark.parametrize(("scale", "channels"), [(1, 3), (2, 1), (3, 1)])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_has_shape_kind_and_a_gradient_everywhere(name, scale, channels, rng):
    network = small(name, scale=scale, channels=channels)
    x = jnp.asarray(rng.uniform(-1, 1, (2, 13, 10, 3 * channels)), jnp.float32)
    variables = network.init(jax.random.key(0), x, train=False)

    @jax.jit
    def loss(params):
        made = output(network, {**variables, "params": params}, x)
        return jnp.square(made).sum(), made

    gradient, made = jax.grad(loss, has_aux=True)(variables["params"])
    assert made.shape == (2, 13 * scale, 10 * scale, channels)
    assert made.dtype == jnp.float32
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in _kernels(gradient))


@pytest.mark.parametrize("name", NETWORKS)
def test_prediction_does_not_depend_on_the_company(name, rng):
    """With running statistics, or none, a slice gives the same map alone and in a batch."""
    network = small(name)
    images = jnp.asarray(rng.standard_normal((3, 12, 12, 1)), jnp.float32)
    variables = network.init(jax.random.key(0), images, train=False)
    apply = jax.jit(lambda x: network.apply(variables, x, train=False))
    alone = jnp.concatenate([apply(image[None]) for image in images])
    np.testing.assert_allclose(apply(images), alone, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_keeps_parameters_and_output_float32(name, rng):
    network = small(name, precision="bfloat16")
    x = jnp.asarray(rng.uniform(-1, 1, (1, 12, 12, 1)), jnp.float32)
    variables = network.init(jax.random.key(0), x, train=False)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert output(network, variables, x).dtype == jnp.float32
    text = str(jax.make_jaxpr(lambda v: output(network, v, x))(variables))
    assert "bf16" in text


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_computed_again_change_no_gradient(name, rng):
    x = jnp.asarray(rng.uniform(-1, 1, (1, 12, 12, 1)), jnp.float32)
    kept, again = small(name), small(name, remat=True)
    variables = kept.init(jax.random.key(0), x, train=False)

    def gradient(network):
        rest = {k: v for k, v in variables.items() if k != "params"}
        loss = lambda p: jnp.square(output(network, {"params": p, **rest}, x)).sum()  # noqa: E731
        return jax.jit(jax.grad(loss))(variables["params"])

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        gradient(again),
        gradient(kept),
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_of_a_network_has_a_range(name):
    network = NETWORKS[name]
    for key, kind in own_fields(network).items():
        if kind in (int, float):
            low, high = network.RANGES[key]
            assert low <= SMALL[key] <= high


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("unett", {}, "model.name is 'unett'; known: srgan, residual, unet"),
        ("unet", {"norm_momentum": 0.9}, "model.norm_momentum: unet has no such field; it has"),
        ("srgan", {"blocks": -1}, "model.blocks is -1; expected 1 to 256"),
        ("srgan", {"norm_momentum": 1.5}, "model.norm_momentum is 1.5; expected 0 to 0.9999"),
        ("srgan", {"features": 0}, "model.features is 0; expected 1 to 4096"),
        ("srgan", {"features": 8.0}, "model.features is 8.0; expected int"),
        ("residual", {"blocks": True}, "model.blocks is True; expected int"),
        ("residual", {"residual_scale": float("nan")}, "model.residual_scale is nan"),
    ],
)
def test_fields_that_cannot_be_are_refused(name, change, message):
    fields = {key: SMALL[key] for key in own_fields(NETWORKS.get(name, Generator))} | change
    with pytest.raises(ModelError) as caught:
        build_model(name, scale=2, channels=1, **fields)
    assert message in str(caught.value)


def test_a_missing_field_is_told():
    with pytest.raises(ModelError, match="model.depth is missing; unet needs features, depth"):
        build_model("unet", scale=2, channels=1, features=8, blocks=1)


class Unusual(nn.Module):
    """Fields of kinds that the room cannot check by itself."""

    scale: int
    channels: int = 1
    widths: tuple[int, ...] = (4, 4)
    depth: int | None = 1

    @nn.compact
    def __call__(self, x, *, train):
        return nn.Conv(self.channels, (3, 3))(x)


def test_fields_of_any_kind_are_the_networks_own(monkeypatch):
    monkeypatch.setitem(NETWORKS, "unusual", Unusual)
    network = build_model("unusual", scale=1, channels=1, widths=(4, 5), depth=None)
    assert (network.widths, network.depth) == ((4, 5), None)
    with pytest.raises(ModelError, match="model.width: unusual has no such field; it has widths"):
        build_model("unusual", scale=1, channels=1, width=3)


# --- each network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alignment", ALIGNMENTS)
@pytest.mark.parametrize("name", ["residual", "unet"])
def test_a_residual_network_starts_at_the_interpolation_of_its_own_slice(name, alignment, rng):
    """Of three slices of two maps the middle pair; the start differs by the small last kernel."""
    network = small(name, channels=2, alignment=alignment)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 16, 16, 6)), jnp.float32)
    variables = network.init(jax.random.key(0), x, train=False)
    expected = upsample(x[..., 2:4], scale=2, alignment=alignment, method="cubic")
    made = network.apply(variables, x, train=False)
    assert 0.0 < float(jnp.abs(made - expected).max()) < 0.1


def test_srgan_stays_inside_the_network_scale(rng):
    network = small("srgan")
    x = jnp.asarray(rng.uniform(-9, 9, (1, 12, 12, 1)), jnp.float32)
    variables = network.init(jax.random.key(0), x, train=False)
    assert float(jnp.abs(network.apply(variables, x, train=False)).max()) <= 1.0


def test_a_unet_told_the_noise_uses_it(rng):
    network = small("unet", scale=1)
    x = jnp.asarray(rng.uniform(-1, 1, (2, 12, 12, 1)), jnp.float32)
    sigma = jnp.array([0.05, 0.2])
    variables = network.init(jax.random.key(0), x, sigma, train=False)
    apply = jax.jit(lambda s: network.apply(variables, x, s, train=False))
    other = apply(sigma.at[1].set(0.1))
    np.testing.assert_array_equal(apply(sigma)[0], other[0])
    assert float(jnp.abs(apply(sigma)[1] - other[1]).max()) > 0


@pytest.mark.parametrize("name", NETWORKS)
def test_four_devices_do_what_one_does(name, rng):
    """Batch statistics, where a network has them, are shared over the devices."""
    x = jnp.asarray(rng.uniform(-1, 1, (4, 12, 12, 1)), jnp.float32)
    one, four = small(name), small(name, axis_name="batch")
    variables = one.init(jax.random.key(0), x, train=False)
    parallel = jax.vmap(lambda x: output(four, variables, x[None])[0], axis_name="batch")
    np.testing.assert_allclose(parallel(x), output(one, variables, x), atol=2e-5)


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


def _kernels(tree):
    return [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if "kernel" in str(path)
    ]
