"""The same networks and the same step in PyTorch, with the same weights, give the same numbers."""

import functools

import jax
import numpy as np
import optax
import pytest
from any_network import QUICK

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install .[bench]")
torch_networks = pytest.importorskip("torch_networks")

from qsr_jax.models import build_model  # noqa: E402
from qsr_jax.models.srgan import Discriminator  # noqa: E402
from qsr_jax.models.vgg19 import Vgg19Features  # noqa: E402
from qsr_jax.objectives import Srgan, TermOptions  # noqa: E402
from qsr_jax.tasks import SuperResolution  # noqa: E402
from qsr_jax.training.plan import sample_example  # noqa: E402
from qsr_jax.training.state import init_state  # noqa: E402
from qsr_jax.training.step import make_step  # noqa: E402

TASK, LAYER = SuperResolution(("t1",), 2), "conv2_1"
OPTIMIZERS = dict.fromkeys(("generator", "discriminator"), optax.adam(1e-3))
TERMS = {
    "mae": TermOptions(1.0),
    "gan": TermOptions(1e-3, reduction="sum"),
    "vgg": TermOptions(2e-6),
}


@pytest.fixture(scope="module")
def pair(vgg_parameters):
    """Both sides at a small width, with statistics that are not their first ones, and a batch."""
    small = {"features": 8, "blocks": 1, "norm_momentum": 0.9}
    objective = Srgan(
        TASK,
        build_model("srgan", scale=2, channels=1, **small),
        Discriminator(features=(4, 4, 8, 8)),
        Vgg19Features(LAYER),
        TERMS,
    )
    state = jax.jit(
        lambda: init_state(
            jax.random.key(0), objective, sample_example(TASK), OPTIMIZERS, averaged=False
        ),
        **QUICK,
    )()
    key = jax.random.key(1)

    @functools.partial(jax.jit, **QUICK)
    def moved(tree):
        return jax.tree.map(lambda x: x + 0.2 * jax.random.uniform(key, x.shape), tree)

    players = dict(state.players)
    for role, collection in (("generator", "batch_stats"), ("discriminator", "params")):
        variables = players[role].variables
        new = {**variables, collection: moved(variables[collection])}
        players[role] = players[role].replace(variables=new)
    state = state.replace(players=players)
    rng = np.random.default_rng(0)
    batch = {
        "lr": rng.integers(0, 20000, (4, 16, 16, 1), np.uint16),
        "hr": rng.integers(0, 20000, (4, 32, 32, 1), np.uint16),
        "mask": np.ones((4, 32, 32, 1), np.uint8),
        "sample_id": np.arange(4, dtype=np.int32),
    }
    host = jax.device_get(state)
    theirs = (
        torch_networks.generator_from(host.players["generator"].variables, 2),
        torch_networks.discriminator_from(host.players["discriminator"].variables),
        torch_networks.vgg_from(vgg_parameters, LAYER),
    )
    return objective, state, batch, theirs


def images(batch):
    example = TASK.whole(batch)
    made = (example.inputs["lr"], example.target)
    return [torch.from_numpy(np.array(x).transpose(0, 3, 1, 2)) for x in made]


def test_prediction_agrees(pair):
    objective, state, batch, (generator, *_) = pair
    mine = jax.jit(lambda v: objective.probe(v, TASK.whole(batch)), **QUICK)(state.served)
    with torch.no_grad():
        theirs = generator.eval()(images(batch)[0])
    generator.train()
    np.testing.assert_allclose(mine[..., 0], theirs.numpy()[:, 0], atol=1e-5)


def test_a_training_step_agrees(pair, vgg_parameters):
    """Every loss term, the gradient's size, and the generator that a second step starts from."""
    objective, state, batch, theirs = pair
    step = make_step(TASK, objective, OPTIMIZERS, batch_size=4, average_decay=0.0, axis_name=None)
    trainer = torch_networks.Trainer(*theirs, {"mae": 1.0, "gan": 1e-3, "vgg": 2e-6}, bf16=False)
    compiled = jax.jit(step, **QUICK)
    for tolerance in (1e-4, 3e-3):  # Adam's first step turns rounding of small gradients into steps
        state, mine = compiled(state, vgg_parameters, batch)
        for name, value in trainer.step(*images(batch)).items():
            assert float(mine[name]) == pytest.approx(float(value), rel=tolerance), name
