"""Laws of the training step: what it reduces, what it updates, and that devices do not matter."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import small_networks

from qsr_jax.maps import MAPS
from qsr_jax.tasks.crops import prepare
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.steps import LossWeights, make_step

PAPER = LossWeights(mae=1.0, gan=1e-3, vgg=2e-6, gan_reduction="sum")
AVERAGE_DECAY = 0.05  # below (1 + t) / (10 + t) from the first step on
STAGES = {"warm-up": False, "adversarial": True}


def step_of(
    networks, *, adversarial, axis_name, weights=PAPER, batch_size=8, crop=16, frozen_norm=False
):
    return make_step(
        networks,
        spec=MAPS["t1"],
        weights=weights,
        batch_size=batch_size,
        crop=crop,
        seed=0,
        adversarial=adversarial,
        frozen_norm=frozen_norm,
        average_decay=AVERAGE_DECAY,
        axis_name=axis_name,
    )


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
        one, four = small_networks(None, optimizer), small_networks(AXIS, optimizer)
        state, frozen = wide
        state = state.replace(
            generator_opt=optimizer.init(state.generator["params"]),
            discriminator_opt=optimizer.init(state.discriminator["params"]),
        )
        state = jax.device_get(state)  # the compiled step donates its copy, not this one
        adversarial = STAGES[stage]
        expected, expected_metrics = jax.jit(step_of(one, adversarial=adversarial, axis_name=None))(
            state, frozen, random_batch
        )
        parallel = compile_step(step_of(four, adversarial=adversarial, axis_name=AXIS))
        got, metrics = parallel(
            replicate(state), replicate(frozen), split_over_devices(random_batch)
        )
        for mine, theirs in ((got.generator, expected.generator), (metrics, expected_metrics)):
            assert largest_difference(mine, theirs) < 2e-6
        assert largest_difference(got.discriminator, expected.discriminator) < 2e-6
        moved = largest_difference(got.generator["params"], state.generator["params"])
        assert moved > 1e-4  # the law above must not hold for want of a gradient


def test_a_step_is_compiled_once(small_state, vgg_parameters, random_batch):
    traces = []
    networks = small_networks(AXIS)
    step = step_of(networks, adversarial=False, axis_name=AXIS)

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
    step = step_of(small_networks(None), adversarial=True, axis_name=None)
    jaxpr = str(jax.make_jaxpr(step)(small_state, vgg_parameters, random_batch))
    assert len(re.findall(r"= tanh\b", jaxpr)) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_with_frozen_norm_what_is_trained_is_what_predicts(
    stage, small_state, vgg_parameters, random_batch
):
    """Running statistics stay, and the pixel loss is that of the network in prediction mode."""
    networks = small_networks(None)
    step = step_of(networks, adversarial=STAGES[stage], axis_name=None, frozen_norm=True)
    state, metrics = jax.jit(step)(small_state, vgg_parameters, random_batch)
    before, after = small_state.generator, state.generator
    assert largest_difference(after["batch_stats"], before["batch_stats"]) == 0.0
    assert largest_difference(after["params"], before["params"]) > 0.0
    lr, hr = prepare(random_batch, spec=MAPS["t1"], scale=2, crop=16, seed=0, step=small_state.step)
    predicted = networks.generator.apply(before, lr, train=False)
    assert float(metrics["mae"]) == pytest.approx(float(jnp.abs(predicted - hr).mean()), rel=1e-5)


def test_warm_up_leaves_the_discriminator_alone(small_state, vgg_parameters, random_batch):
    step = step_of(small_networks(None), adversarial=False, axis_name=None)
    state, metrics = jax.jit(step)(small_state, vgg_parameters, random_batch)
    assert largest_difference(state.discriminator, small_state.discriminator) == 0.0
    norms = {"generator_gradient_norm", "generator_norm", "discriminator_norm", "average_norm"}
    assert set(metrics) == {"mae", "mae_weighted", "total"} | norms
    assert int(state.step) == 1


def metrics_with(reduction, small_state, vgg_parameters, random_batch) -> dict[str, float]:
    weights = LossWeights(mae=1.0, gan=0.5, vgg=2e-3, gan_reduction=reduction)
    step = step_of(small_networks(None), adversarial=True, axis_name=None, weights=weights)
    _, metrics = jax.jit(step)(small_state, vgg_parameters, random_batch)
    return {name: float(value) for name, value in metrics.items()}


def test_equation_4_is_the_sum_of_its_weighted_terms(small_state, vgg_parameters, random_batch):
    summed = metrics_with("sum", small_state, vgg_parameters, random_batch)
    for name, weight in (("mae", 1.0), ("gan", 0.5), ("vgg", 2e-3)):
        assert summed[f"{name}_weighted"] == pytest.approx(weight * summed[name], rel=1e-5)
    parts = summed["mae_weighted"] + summed["gan_weighted"] + summed["vgg_weighted"]
    assert summed["total"] == pytest.approx(parts, rel=1e-5)
    mean = metrics_with("mean", small_state, vgg_parameters, random_batch)
    assert summed["gan"] == pytest.approx(8 * mean["gan"], rel=1e-5)  # equation 2 over 8 samples


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="gan_reduction is 'max'"):
        LossWeights(mae=1.0, gan=1.0, vgg=1.0, gan_reduction="max")


def test_a_batch_that_does_not_divide_is_refused(random_batch):
    odd = {name: array[:7] for name, array in random_batch.items()}
    with pytest.raises(ValueError, match="does not divide by 4 devices"):
        split_over_devices(odd)


# --- inputs -----------------------------------------------------------------------------------


def ramp_batch(n=4, side=24):
    """Coarse pixel (i, j) holds 100 i + j; fine pixel (2i, 2j) holds the same."""
    i, j = np.mgrid[:side, :side]
    lr = np.repeat((100 * i + j)[None, ..., None], n, 0).astype(np.uint16)
    hr = lr.repeat(2, 1).repeat(2, 2)
    mask = np.zeros((n, 2 * side, 2 * side, 1), np.uint8)
    mask[:, 20:36, 20:36] = 1
    return {"lr": lr, "hr": hr, "mask": mask, "sample_id": np.arange(n, dtype=np.int32)}


def crops(batch, step, seed=0):
    make = jax.jit(lambda b, s: prepare(b, spec=MAPS["t1"], scale=2, crop=8, seed=seed, step=s))
    return [np.asarray(x) for x in make(batch, np.int32(step))]


def test_coarse_and_fine_crops_show_the_same_place():
    for step in range(5):
        lr, hr = crops(ramp_batch(), step)
        assert lr.shape == (4, 8, 8, 1)
        assert hr.shape == (4, 16, 16, 1)
        np.testing.assert_array_equal(hr[:, ::2, ::2], lr)


def test_crops_are_centred_on_the_mask():
    spec = MAPS["t1"]
    for step in range(20):
        lr, _ = crops(ramp_batch(), step)
        stored = np.round((lr + 1) / 2 * spec.network_max / spec.slope).astype(int)
        centre = stored[:, 4, 4, 0]
        assert ((centre // 100 >= 10) & (centre // 100 < 18)).all()
        assert ((centre % 100 >= 10) & (centre % 100 < 18)).all()


def test_crops_depend_on_seed_step_and_sample_not_on_the_place_in_the_batch():
    batch = ramp_batch()
    lr, _ = crops(batch, 3)
    order = np.array([2, 0, 3, 1])
    shuffled = {name: array[order] for name, array in batch.items()}
    np.testing.assert_array_equal(crops(shuffled, 3)[0], lr[order])
    assert np.abs(crops(batch, 4)[0] - lr).max() > 0
    assert np.abs(crops(batch, 3, seed=1)[0] - lr).max() > 0
    assert np.abs(lr[0] - lr[1]).max() > 0


def test_an_empty_mask_still_gives_a_crop():
    batch = ramp_batch() | {"mask": np.zeros((4, 48, 48, 1), np.uint8)}
    assert np.isfinite(crops(batch, 0)[0]).all()


@pytest.mark.parametrize("name", MAPS)
def test_whole_slices_are_scaled_as_the_paper_says(name):
    """x_norm = stored / p * 2 - 1 with p = 45 000, 22 000 and 1 800 (paper, Implementation)."""
    p = {"t1": 45000, "t2": 22000, "pd": 1800}[name]
    stored = np.array([0, p // 2, p], np.uint16).reshape(1, 1, 3, 1)
    batch = {"lr": stored, "hr": stored, "mask": stored, "sample_id": np.zeros(1, np.int32)}
    lr, _ = prepare(batch, spec=MAPS[name], scale=1, crop=0, seed=0, step=jnp.int32(0))
    np.testing.assert_allclose(np.asarray(lr).ravel(), [-1, 0, 1], atol=1e-6)
