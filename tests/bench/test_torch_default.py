"""The default page's network and step in PyTorch, with the same weights, give the same numbers."""

import functools

import jax
import numpy as np
import optax
import pytest
from any_network import QUICK

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install .[bench]")
torch_default = pytest.importorskip("torch_default")

from qsr_jax.models import build_model  # noqa: E402
from qsr_jax.objectives import TermOptions  # noqa: E402
from qsr_jax.objectives.regression import Regression  # noqa: E402
from qsr_jax.objectives.weighted_terms import region_weights  # noqa: E402
from qsr_jax.tasks import JointMaps  # noqa: E402
from qsr_jax.training.plan import sample_example  # noqa: E402
from qsr_jax.training.state import init_state  # noqa: E402
from qsr_jax.training.step import make_step  # noqa: E402

STEPS, DECAY, SIDE = 100, 0.999, 16
TASK = JointMaps(("t1", "t2", "pd"), 2, margin=2, log_maps=("t2",))
OPTIMIZERS = {"network": optax.adam(optax.cosine_decay_schedule(1e-3, STEPS))}


SHAPES = {"deep": {"depth": 2, "blocks": 1}, "folded": {"depth": 1, "blocks": 2, "fold": 2}}


@pytest.fixture(scope="module", params=SHAPES)
def pair(request):
    """Both sides at a small width, weights that are not their first ones, and a batch."""
    shape = SHAPES[request.param]
    network = build_model("unet", scale=2, channels=3, features=4, spread=True, **shape)
    objective = Regression(TASK, network, {"laplace": TermOptions(1.0, region="head")})

    @functools.partial(jax.jit, **QUICK)
    def drawn():
        state = init_state(
            jax.random.key(0), objective, sample_example(TASK), OPTIMIZERS, averaged=True
        )
        key = jax.random.key(1)
        move = functools.partial(
            jax.tree.map, lambda x: x + 0.2 * (jax.random.uniform(key, x.shape) - 0.5)
        )
        ((role, player),) = state.players.items()
        variables = move(player.variables)
        return state.replace(players={role: player.replace(variables=variables)}, average=variables)

    rng = np.random.default_rng(0)
    mask = np.zeros((4, 2 * SIDE, 2 * SIDE, 1), np.uint8)
    mask[:2] = 1  # of the others nothing is a head but what lies near: all of it is
    mask[2:, :4, :4] = 1
    batch = {
        "lr": rng.integers(0, 20000, (4, SIDE, SIDE, 3), np.uint16),
        "hr": rng.integers(0, 20000, (4, 2 * SIDE, 2 * SIDE, 3), np.uint16),
        "mask": mask,
        "sample_id": np.arange(4, dtype=np.int32),
    }
    state = drawn()
    side = SIDE + 2 * TASK.margin
    return (
        objective,
        state,
        batch,
        torch_default.unet_from(jax.device_get(state.served), side, fold=shape.get("fold", 1)),
    )


def images(batch):
    example = TASK.whole(batch)
    made = (example.inputs["lr"], example.target, region_weights(example, "head"))
    return [torch.from_numpy(np.array(x).transpose(0, 3, 1, 2)) for x in made]


def test_maps_and_spreads_agree(pair):
    objective, state, batch, network = pair
    run = jax.jit(lambda v, x: objective.network.apply(v, x, train=False), **QUICK)
    mine = run(state.served, TASK.whole(batch).inputs["lr"])
    with torch.no_grad():
        theirs = network(images(batch)[0]).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(mine, theirs, atol=2e-5)
    assert np.ptp(theirs[..., 3:]) > 0.1, "a spread that says nothing agrees with anything"


def test_a_training_step_agrees(pair):
    """Loss, the gradient's size, and what a second step and the average start from."""
    objective, state, batch, network = pair
    step = make_step(TASK, objective, OPTIMIZERS, batch_size=4, average_decay=DECAY, axis_name=None)
    trainer = torch_default.Trainer(network, decay=DECAY, steps=STEPS)
    compiled = jax.jit(step, **QUICK)
    for tolerance in (1e-4, 3e-3):  # Adam's first step turns rounding of small gradients into steps
        state, mine = compiled(state, {}, batch)
        for name, value in trainer.step(*images(batch)).items():
            assert float(mine[name]) == pytest.approx(float(value), rel=tolerance), name
    norm = torch.stack([p.norm() for p in trainer.average]).norm()
    assert float(mine["average_norm"]) == pytest.approx(float(norm), rel=1e-5)
