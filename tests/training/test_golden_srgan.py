"""The paper's SRGAN trains to the numbers it had before tasks and objectives existed.

``tests/golden/srgan_steps.npz`` holds parameters, statistics, average and metrics after each of
three steps, made by commit c7c8514 (one network, one map, train/steps.py) on 4 CPU devices: crops
of 16, mirrored, Adam 1e-3 halved every 2 steps, batches of 8 drawn from numpy's seed 20260101.
Until the generator's batch norm had its own backward pass, the pixel stage agreed bit for bit.
"""

from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from small_networks import optimizers, restarted, small_srgan, small_task

from qsr_jax.training.compute_options import ComputeOptions
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.step import make_step

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "srgan_steps.npz")
STAGES = {
    "pixel": {"adversarial": False},
    "adversarial": {},
    "frozen": {"frozen_norm": True},
}


def three_steps(stage, parts, small_state, vgg_parameters):
    """States and metrics of the three steps."""
    chosen = optimizers(optax.adam(optax.exponential_decay(1e-3, 2, 0.5, staircase=True)))
    step = make_step(
        small_task(flip=True),
        small_srgan(AXIS, task=small_task(flip=True), **STAGES[stage]),
        chosen,
        batch_size=8,
        average_decay=0.05,
        axis_name=AXIS,
        options=ComputeOptions("float32", "default", parts, unroll=True),
    )
    compiled, rng = compile_step(step), np.random.default_rng(20260101)
    state, frozen, told = replicate(restarted(small_state, chosen)), replicate(vgg_parameters), []
    for number in range(3):
        batch = {
            "lr": rng.integers(0, 20000, (8, 24, 24, 1), np.uint16),
            "hr": rng.integers(0, 20000, (8, 48, 48, 1), np.uint16),
            "mask": np.ones((8, 48, 48, 1), np.uint8),
            "sample_id": np.arange(8, dtype=np.int32) + 8 * number,
        }
        state, metrics = compiled(state, frozen, split_over_devices(batch))
        told.append(jax.device_get(metrics))
    return jax.device_get(state), told


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("stage", STAGES)
def test_three_steps_are_those_of_the_first_edition(stage, parts, small_state, vgg_parameters):
    vgg = {name: vgg_parameters[name] for name in ("mean", "scale", "conv1_1", "conv1_2")}
    state, told = three_steps(stage, parts, small_state, vgg)
    trees = {role: player.variables for role, player in state.players.items()}
    compared = 0
    for name, tree in (trees | {"average": state.average}).items():
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            expected = GOLDEN[f"{stage}/{parts}/{name}{jax.tree_util.keystr(path)}"]
            np.testing.assert_allclose(leaf, expected, rtol=0, atol=1e-6, err_msg=str(path))
            compared += 1
    assert compared > 50
    for number, metrics in enumerate(told):
        known = [k for k in GOLDEN if k.startswith(f"{stage}/{parts}/metrics/{number}/")]
        for key in known:
            value = float(metrics[key.rsplit("/", 1)[-1]])
            assert value == pytest.approx(float(GOLDEN[key]), rel=1e-5), key
        assert len(known) >= 5
