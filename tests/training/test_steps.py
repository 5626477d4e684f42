"""Laws of the training step: what it reduces, what it updates, and that devices do not matter."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import optimizers, restarted, small_srgan, small_task

from qsr_jax.objectives import TermOptions
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.step import (
    in_one_vector,
    in_vectors,
    make_step,
    norm,
    norm_of_one_vector,
)

pytestmark = pytest.mark.usefixtures("compiled_quickly")

AVERAGE_DECAY = 0.05  # below (1 + t) / (10 + t) from the first step on
STAGES = {"warm-up": {"adversarial": False}, "adversarial": {}}


def step_of(axis_name, *, transformation=None, batch_size=8, **stage):
    return make_step(
        small_task(),
        small_srgan(axis_name, **stage),
        optimizers(transformation),
        batch_size=batch_size,
        average_decay=AVERAGE_DECAY,
        axis_name=axis_name,
    )


def variables(state, role="generator"):
    return state.players[role].variables


def largest_difference(a, b) -> float:
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.abs(x - y).max()), a, b)))


@pytest.mark.parametrize("stage", STAGES)
def test_four_devices_do_what_one_does(stage, small_state, vgg_parameters, random_batch):
    """Plain gradient descent shows gradients as they are; Adam would hide a wrong scale."""
    assert jax.local_device_count() == 4
    with jax.enable_x64(True):
        wide = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64 if x.dtype == np.float32 else x.dtype),
            (small_state, vgg_parameters),
        )
        optimizer = optax.sgd(0.1)
        state, frozen = wide
        # The compiled step donates its copy, not this one.
        state = jax.device_get(restarted(state, optimizers(optimizer)))
        chosen = STAGES[stage] | {"transformation": optimizer}
        expected, expected_metrics = jax.jit(step_of(None, **chosen))(state, frozen, random_batch)
        got, metrics = compile_step(step_of(AXIS, **chosen))(
            replicate(state), replicate(frozen), split_over_devices(random_batch)
        )
        assert largest_difference(metrics, expected_metrics) < 2e-6
        for role in state.players:
            assert largest_difference(variables(got, role), variables(expected, role)) < 2e-6
        moved = largest_difference(variables(got)["params"], variables(state)["params"])
        assert moved > 1e-4  # the law above must not hold for want of a gradient


def test_a_step_is_compiled_once(small_state, vgg_parameters, random_batch):
    traces = []
    step = step_of(AXIS, adversarial=False)

    def counted(*arguments):
        traces.append(1)
        return step(*arguments)

    compiled = compile_step(counted)
    state, frozen = replicate(small_state), replicate(vgg_parameters)
    for _ in range(3):
        state, _ = compiled(state, frozen, split_over_devices(random_batch))
    assert len(traces) == 1


def test_the_generator_runs_forward_once(small_state, vgg_parameters, random_batch):
    """tanh stands once in the generator and nowhere else, and its gradient needs no second one."""
    step = step_of(None)
    jaxpr = str(jax.make_jaxpr(step)(small_state, vgg_parameters, random_batch))
    assert len(re.findall(r"= tanh\b", jaxpr)) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_with_frozen_norm_what_is_trained_is_what_predicts(
    stage, small_state, vgg_parameters, random_batch
):
    """Running statistics stay, and the pixel loss is that of the network in prediction mode."""
    step = step_of(None, frozen_norm=True, **STAGES[stage])
    state, metrics = jax.jit(step)(small_state, vgg_parameters, random_batch)
    before, after = variables(small_state), variables(state)
    assert largest_difference(after["batch_stats"], before["batch_stats"]) == 0.0
    assert largest_difference(after["params"], before["params"]) > 0.0
    example = small_task().example(random_batch, step=small_state.step)
    predicted = jax.jit(small_srgan(None).probe)(before, example)
    expected = float(jnp.abs(predicted - example.target).mean())
    assert float(metrics["mae"]) == pytest.approx(expected, rel=1e-5)


def test_warm_up_leaves_the_discriminator_alone(small_state, vgg_parameters, random_batch):
    step = step_of(None, adversarial=False)
    state, metrics = jax.jit(step)(small_state, vgg_parameters, random_batch)
    name = "discriminator"
    assert largest_difference(variables(state, name), variables(small_state, name)) == 0.0
    norms = {"generator_gradient_norm", "generator_norm", "discriminator_norm", "average_norm"}
    assert set(metrics) == {"mae", "mae_weighted", "mae_gradient_size", "total"} | norms
    assert int(state.step) == 1


def metrics_with(table, small_state, vgg_parameters, random_batch) -> dict[str, float]:
    step = step_of(None, table=table)
    _, metrics = jax.jit(step)(small_state, vgg_parameters, random_batch)
    return {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("tree", [{}, {"a": np.full((2, 3), 2.0), "b": [np.ones(4), np.int32(3)]}])
def test_a_norm_of_one_vector_is_that_of_its_leaves(tree):
    """The first is a GPU's, the second a CPU's."""
    expected = optax.tree.norm(tree)
    assert float(norm_of_one_vector(tree)) == pytest.approx(float(expected), rel=1e-6)
    assert float(norm(tree)) == float(expected)


def test_leaves_of_one_vector_are_the_leaves(rng):
    """The first are a GPU's, the second a CPU's."""
    tree = {"a": rng.normal(size=(2, 3)), "b": [rng.normal(size=4), np.ones((1, 1, 2))]}
    pairs = zip(*map(jax.tree.leaves, (in_one_vector(tree), in_vectors(tree))), strict=True)
    for part, leaf in pairs:
        np.testing.assert_array_equal(part, leaf)


def test_equation_4_is_the_sum_of_its_weighted_terms(small_state, vgg_parameters, random_batch):
    weights = {"mae": 1.0, "gan": 0.5, "vgg": 2e-3}
    table = {name: TermOptions(weight) for name, weight in weights.items()}
    given = (small_state, vgg_parameters, random_batch)
    mean = metrics_with(table, *given)
    for name, weight in weights.items():
        assert mean[f"{name}_weighted"] == pytest.approx(weight * mean[name], rel=1e-5)
        assert mean[f"{name}_gradient_size"] > 0.0
    parts = mean["mae_weighted"] + mean["gan_weighted"] + mean["vgg_weighted"]
    assert mean["total"] == pytest.approx(parts, rel=1e-5)
    summed = metrics_with(table | {"gan": TermOptions(0.5, reduction="sum")}, *given)
    assert summed["gan"] == pytest.approx(8 * mean["gan"], rel=1e-5)  # equation 2 over 8 samples
    grown = summed["gan_gradient_size"] / mean["gan_gradient_size"]
    assert grown == pytest.approx(8.0, rel=1e-4)


def test_a_batch_that_does_not_divide_is_refused(random_batch):
    odd = {name: array[:7] for name, array in random_batch.items()}
    with pytest.raises(ValueError, match="does not divide by 4 devices"):
        split_over_devices(odd)
