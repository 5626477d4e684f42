"""Networks: what every subject of the table must obey."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from any_network import QUICK, SMALL, output, small, started

from qsr_jax.models import NETWORKS, ModelError, build_model
from qsr_jax.models.build import own_fields
from qsr_jax.models.srgan import Generator

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SIZES = [(name, *size) for name in NETWORKS for size in ((1, 3), (2, 1))] + [("residual", 3, 1)]


@pytest.mark.parametrize(("name", "scale", "channels"), SIZES)
def test_a_network_has_shape_kind_and_a_gradient_everywhere(name, scale, channels, rng):
    network = small(name, scale=scale, channels=channels)
    x = jnp.asarray(rng.uniform(-1, 1, (2, 13, 10, 3 * channels)), jnp.float32)
    variables = started(network, 3 * channels)

    def loss(params):
        made = output(network, {**variables, "params": params}, x)
        return jnp.square(made).sum(), made

    gradient, made = jax.jit(jax.grad(loss, has_aux=True), **QUICK)(variables["params"])
    assert made.shape == (2, 13 * scale, 10 * scale, channels)
    assert made.dtype == jnp.float32
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in _kernels(gradient))


@pytest.mark.parametrize("name", NETWORKS)
def test_prediction_does_not_depend_on_the_company(name, rng):
    """With running statistics, or none, a slice gives the same map alone and in a batch."""
    network = small(name)
    images = jnp.asarray(rng.standard_normal((3, 12, 12, 1)), jnp.float32)
    variables = started(network)
    apply = jax.jit(lambda x: network.apply(variables, x, train=False), **QUICK)
    alone = jnp.concatenate([apply(image[None]) for image in images])
    np.testing.assert_allclose(apply(images), alone, atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_keeps_parameters_and_output_float32(name, rng):
    network = small(name, precision="bfloat16")
    x = jnp.asarray(rng.uniform(-1, 1, (1, 12, 12, 1)), jnp.float32)
    variables = started(network)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    assert output(network, variables, x).dtype == jnp.float32
    text = str(jax.make_jaxpr(lambda v: output(network, v, x))(variables))
    assert "bf16" in text


@pytest.mark.parametrize("name", NETWORKS)
def test_blocks_computed_again_change_no_gradient(name, rng):
    x = jnp.asarray(rng.uniform(-1, 1, (1, 12, 12, 1)), jnp.float32)
    kept, again = small(name), small(name, remat=True)
    variables = started(kept)

    def gradient(network):
        rest = {k: v for k, v in variables.items() if k != "params"}
        loss = lambda p: jnp.square(output(network, {"params": p, **rest}, x)).sum()  # noqa: E731
        return jax.jit(jax.grad(loss), **QUICK)(variables["params"])

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
        ("unett", {}, "model.name is 'unett'; known: srgan, residual, unet, rrdb, swinir"),
        ("swinir", {"heads": 3}, "model.heads is 3; expected a divisor of model.features, 8"),
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


def _kernels(tree):
    return [
        leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree) if "kernel" in str(path)
    ]
