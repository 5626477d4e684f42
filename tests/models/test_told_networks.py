"""A U-Net that is told times and thumbnails, that folds pixels and starts from nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from any_network import QUICK
from weighted_fixtures import NAMES, small_unet, untrained

from qsr_jax.models.embedding import ContrastEncoder
from qsr_jax.models.interpolated import DIRECT_LOG_SPREAD, pixel_shuffle, pixel_unshuffle
from qsr_jax.objectives import Regression, TermOptions
from qsr_jax.objectives.objective import told_to
from qsr_jax.tasks import JointMaps, WeightedToMaps

pytestmark = pytest.mark.usefixtures("compiled_quickly")

TASK = WeightedToMaps(NAMES)


def given(rng, n=2, side=16):
    """What a task shows, at random."""
    shapes = {"lr": (side, side, 6), "times": (3, 7), "numbers": (15,), "thumbnail": (16, 16, 3)}
    return {k: jnp.asarray(rng.uniform(-1, 1, (n, *s)), jnp.float32) for k, s in shapes.items()}


def made(network, variables, inputs):
    told = told_to(network, inputs)
    run = jax.jit(lambda v, x, t: network.apply(v, x, train=False, **t), **QUICK)
    return run(variables, inputs["lr"], told)


def test_folding_is_undone_by_unfolding(rng):
    x = jnp.asarray(rng.standard_normal((2, 6, 8, 3)), jnp.float32)
    assert pixel_unshuffle(x, 2).shape == (2, 3, 4, 12)
    np.testing.assert_array_equal(pixel_shuffle(pixel_unshuffle(x, 2), 2), x)
    np.testing.assert_array_equal(pixel_unshuffle(x, 1), x)


@pytest.mark.parametrize("fold", [1, 2, 3])
def test_any_size_and_any_channels_when_it_starts_from_nothing(fold, rng):
    network = small_unet(fold=fold, spread=True)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 13, 10, 6)), jnp.float32)
    variables = jax.jit(lambda: network.init(jax.random.key(0), x, train=False), **QUICK)()
    output = made(network, variables, {"lr": x})
    assert output.shape == (1, 13, 10, 6)
    assert 0.0 < float(jnp.abs(output[..., :3]).max()) < 0.3, "nothing, but for the small kernel"
    assert float(jnp.abs(output[..., 3:] - DIRECT_LOG_SPREAD).max()) < 0.3


def test_what_it_is_told_changes_what_it_makes_in_every_block(rng):
    """Each told input has a gradient, and so has the scale and shift of every block."""
    network = small_unet(film=True)
    variables, inputs = untrained(network, TASK), given(rng)

    def total(params, told):
        output = network.apply({"params": params}, inputs["lr"], train=False, **told)
        return jnp.square(output).sum()

    gradient = jax.jit(jax.grad(total, argnums=(0, 1)), **QUICK)
    params, told = gradient(variables["params"], told_to(network, inputs))
    assert set(told) == {"numbers", "thumbnail"}
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in told.values())
    blocks = [name for name in params if name.startswith(("down", "middle", "up"))]
    assert len(blocks) == 3
    for name in blocks:
        assert float(jnp.abs(params[name]["Film_0"]["film"]["kernel"]).max()) > 0


def test_contrasts_may_change_places_with_their_times(rng):
    """The swap test: a contrast is what its times say and not where it stands."""
    inputs, encoder = given(rng), ContrastEncoder(4)
    contrasts, times = inputs["lr"][..., :3], inputs["times"]
    variables = encoder.init(jax.random.key(0), contrasts, times)
    turned = [2, 0, 1]
    one = encoder.apply(variables, contrasts, times)
    np.testing.assert_allclose(
        encoder.apply(variables, contrasts[..., turned], times[:, turned]), one, atol=1e-5
    )


@pytest.mark.parametrize(("field", "name"), [("film", "thumbnail"), ("encoders", "times")])
def test_a_network_that_is_not_told_what_it_wants_says_so(field, name):
    network = small_unet(**{field: True})
    with pytest.raises(ValueError, match=f"wants to be told {name}, and was not"):
        network.init(jax.random.key(0), jnp.zeros((1, 16, 16, 6)), train=False)


def test_encoders_are_told_the_times(rng):
    network = small_unet(encoders=True)
    assert network.told == ("times",)
    variables, inputs = untrained(network, TASK), given(rng)
    one = made(network, variables, inputs)
    other = made(network, variables, inputs | {"times": inputs["times"] + 0.3})
    assert one.shape == (2, 16, 16, 3)
    assert float(jnp.abs(one - other).max()) > 1e-4


def test_a_task_that_tells_nothing_refuses_a_network_that_asks():
    with pytest.raises(ValueError, match="wants to be told numbers, thumbnail, and task joint"):
        Regression(JointMaps(NAMES, 1), small_unet(film=True), {"mae": TermOptions()})
