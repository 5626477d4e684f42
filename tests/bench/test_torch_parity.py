"""The same networks and the same step in PyTorch, with the same weights, give the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install .[bench]")
torch_networks = pytest.importorskip("torch_networks")

from qsr_jax.maps import MAPS  # noqa: E402
from qsr_jax.models.discriminator import Discriminator  # noqa: E402
from qsr_jax.models.srgan import Generator  # noqa: E402
from qsr_jax.models.vgg19 import Vgg19Features  # noqa: E402
from qsr_jax.tasks.crops import prepare  # noqa: E402
from qsr_jax.training.state import Networks, init_state  # noqa: E402
from qsr_jax.training.steps import make_step  # noqa: E402
from qsr_jax.training.terms import LossWeights  # noqa: E402

SPEC, LAYER = MAPS["t1"], "conv2_1"


@pytest.fixture(scope="module")
def pair(vgg_parameters):
    """Both sides at a small width, with statistics that are not their first ones, and a batch."""
    networks = Networks(
        generator=Generator(features=8, blocks=1, scale=2, norm_momentum=0.9),
        discriminator=Discriminator(features=(4, 4, 8, 8), norm_momentum=0.9),
        features=Vgg19Features(LAYER),
        optimizer=optax.adam(1e-3),
    )
    state = jax.jit(
        lambda: init_state(jax.random.key(0), networks, lr_shape=(16, 16), averaged=False)
    )()
    key = jax.random.key(1)

    def moved(tree):
        return jax.tree.map(lambda x: x + 0.2 * jax.random.uniform(key, x.shape), tree)

    state = state.replace(
        generator={**state.generator, "batch_stats": moved(state.generator["batch_stats"])},
        discriminator={
            "params": moved(state.discriminator["params"]),
            "batch_stats": moved(state.discriminator["batch_stats"]),
        },
    )
    rng = np.random.default_rng(0)
    batch = {
        "lr": rng.integers(0, 20000, (4, 16, 16, 1), np.uint16),
        "hr": rng.integers(0, 20000, (4, 32, 32, 1), np.uint16),
        "mask": np.ones((4, 32, 32, 1), np.uint8),
        "sample_id": np.arange(4, dtype=np.int32),
    }
    host = jax.device_get(state)
    theirs = (
        torch_networks.generator_from(host.generator, 2),
        torch_networks.discriminator_from(host.discriminator),
        torch_networks.vgg_from(vgg_parameters, LAYER),
    )
    return networks, state, batch, theirs


def images(batch):
    made = prepare(batch, spec=SPEC, scale=2, crop=0, seed=0, step=jnp.int32(0))
    return [torch.from_numpy(np.array(x).transpose(0, 3, 1, 2)) for x in made]


def test_prediction_agrees(pair):
    networks, state, batch, (generator, *_) = pair
    lr, _ = prepare(batch, spec=SPEC, scale=2, crop=0, seed=0, step=jnp.int32(0))
    mine = jax.jit(lambda v, x: networks.generator.apply(v, x, train=False))(state.generator, lr)
    with torch.no_grad():
        theirs = generator.eval()(images(batch)[0])
    generator.train()
    np.testing.assert_allclose(mine[..., 0], theirs.numpy()[:, 0], atol=1e-5)


def test_a_training_step_agrees(pair, vgg_parameters):
    """Every loss term, the gradient's size, and the generator that a second step starts from."""
    networks, state, batch, theirs = pair
    weights = LossWeights(mae=1.0, gan=1e-3, vgg=2e-6, gan_reduction="sum")
    step = make_step(
        networks,
        spec=SPEC,
        weights=weights,
        batch_size=4,
        crop=0,
        seed=0,
        adversarial=True,
        frozen_norm=False,
        average_decay=0.0,
        axis_name=None,
    )
    trainer = torch_networks.Trainer(*theirs, {"mae": 1.0, "gan": 1e-3, "vgg": 2e-6}, bf16=False)
    compiled = jax.jit(step, compiler_options={"xla_backend_optimization_level": 0})
    for tolerance in (1e-4, 3e-3):  # Adam's first step turns rounding of small gradients into steps
        state, mine = compiled(state, vgg_parameters, batch)
        for name, value in trainer.step(*images(batch)).items():
            assert float(mine[name]) == pytest.approx(float(value), rel=tolerance), name
