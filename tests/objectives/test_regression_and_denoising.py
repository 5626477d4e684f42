"""Objectives without a judge through the same step; the optimisers of all."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import small_srgan, small_task

from qsr_jax import losses
from qsr_jax.models import build_model
from qsr_jax.objectives import Denoising, Regression, Srgan, TermOptions
from qsr_jax.tasks import JointMaps
from qsr_jax.training.optimizers import make_optimizers, rate_of
from qsr_jax.training.options import OptimizerOptions
from qsr_jax.training.state import init_state
from qsr_jax.training.step import make_step

pytestmark = pytest.mark.usefixtures("compiled_quickly")


def step_with(task, objective, transformations, batch_size=8):
    return make_step(
        task,
        objective,
        transformations,
        batch_size=batch_size,
        average_decay=0.0,
        axis_name=None,
    )


# --- other objectives through the same step -------------------------------------------------------


def joint_batch(rng, n=4, side=24):
    hr = rng.integers((8000, 600, 600), (12000, 1200, 900), (n, 2 * side, 2 * side, 3))
    lr = hr.reshape(n, side, 2, side, 2, 3).mean((2, 4)).astype(np.uint16)
    mask = np.ones((n, 2 * side, 2 * side, 1), np.uint8)
    ids = np.arange(n, dtype=np.int32)
    return {"lr": lr, "hr": hr.astype(np.uint16), "mask": mask, "sample_id": ids}


def trained(task, objective, batch, steps=25):
    """Losses of some steps of Adam on one batch."""
    chosen = {"network": optax.adam(3e-3)}
    key, example = jax.random.key(0), task.whole(batch)
    begin = jax.jit(lambda: init_state(key, objective, example, chosen, averaged=False))
    state = begin()
    step = jax.jit(step_with(task, objective, chosen, batch_size=len(batch["sample_id"])))
    totals = []
    for _ in range(steps):
        state, metrics = step(state, {}, batch)
        totals.append(float(metrics["total"]))
    return state, totals, metrics


def test_three_maps_learn_jointly_with_a_physics_term(rng):
    """Charbonnier in the brain and T2w consistency; each term's gradient is told."""
    task = JointMaps(("t1", "t2", "pd"), 2, log_maps=("t2",), margin=2, crop=12)
    network = build_model("residual", scale=2, channels=3, features=8, blocks=1)
    table = {"charbonnier": TermOptions(1.0, region="brain"), "t2w": TermOptions(0.1)}
    objective = Regression(task, network, table)
    state, totals, metrics = trained(task, objective, joint_batch(rng))
    assert np.mean(totals[-5:]) < 0.99 * np.mean(totals[:5])
    assert float(metrics["charbonnier_gradient_size"]) > 0
    assert float(metrics["t2w_gradient_size"]) > 0
    parts = float(metrics["charbonnier_weighted"] + metrics["t2w_weighted"])
    assert totals[-1] == pytest.approx(parts, rel=1e-5)
    only = dataclasses.replace(objective, table={"t2w": TermOptions(1.0)})
    example = task.example(joint_batch(rng), step=jnp.int32(0))

    @jax.jit
    def compute(variables, example):
        output, _ = only.forward(variables, example)
        (term,) = only.terms({}, {}, example).values()
        gradient = jax.grad(lambda o: term.values(o).sum())(output)
        inner = task.physical(output), task.physical(example.target)
        expected = losses.contrast_consistency(*inner, names=task.names)
        return gradient, term.values(output), expected

    gradient, values, expected = compute(state.players["network"].variables, example)
    assert np.isfinite(gradient).all()
    assert all(float(jnp.abs(gradient[..., i]).max()) > 0 for i in range(3))
    np.testing.assert_allclose(values, expected, rtol=1e-5)


def test_a_denoiser_learns_and_is_probed_at_one_strength(rng):
    """Smooth targets: after some steps it is nearer to them than its noisy input."""
    task = JointMaps(("t1",), 2)
    y, x = np.mgrid[:32, :32] / 32
    hr = (9000 + 2000 * np.sin(5 * x) * np.cos(4 * y)).astype(np.uint16)[None, ..., None]
    batch = {
        "lr": hr[:, ::2, ::2].repeat(4, 0),
        "hr": hr.repeat(4, 0),
        "mask": np.ones((4, 32, 32, 1), np.uint8),
        "sample_id": np.arange(4, dtype=np.int32),
    }
    network = build_model("unet", scale=1, channels=1, features=8, depth=1, blocks=1)
    objective = Denoising(task, network, {"mse": TermOptions()}, sigma_max=0.3)
    state, totals, _ = trained(task, objective, batch, steps=60)
    assert np.mean(totals[-5:]) < 0.7 * np.mean(totals[:5])
    example = task.whole(batch)
    made = jax.jit(objective.probe)(state.served, example)
    noisy = jax.jit(lambda example: objective.baseline(task, example))(example)
    strength = float(jnp.std(noisy - example.target))
    assert strength == pytest.approx(0.15, rel=0.05)
    error = lambda x: float(jnp.square(x - example.target).mean())  # noqa: E731
    assert error(made) < 0.7 * error(noisy)


def test_the_noise_is_keyed_by_sample_and_step(rng):
    task = JointMaps(("t1", "t2", "pd"), 2)
    network = build_model("unet", scale=1, channels=3, features=4, depth=1, blocks=1)
    objective = Denoising(task, network, {"mse": TermOptions()})
    batch = joint_batch(rng)
    seen = [objective.seen(task.example(batch, step=jnp.int32(k))) for k in (1, 1, 2)]
    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    assert float(jnp.abs(seen[0][0] - seen[2][0]).max()) > 0
    turned = {name: array[::-1] for name, array in batch.items()}
    mirrored = objective.seen(task.example(turned, step=jnp.int32(1)))
    np.testing.assert_array_equal(mirrored[0][::-1], seen[0][0])
    np.testing.assert_array_equal(mirrored[1][::-1], seen[0][1])
    assert len(set(np.asarray(seen[0][1]).tolist())) == 4, "each sample has a strength of its own"


def test_strengths_may_be_drawn_by_their_logarithm(rng):
    """As many below the geometric mean of the ends as above it, none beyond them."""
    task = JointMaps(("t1",), 2)
    network = build_model("unet", scale=1, channels=1, features=4, depth=1, blocks=1)
    weak = {"sigma_max": 0.4, "sigma_min": 0.001}
    objective = Denoising(task, network, {"mse": TermOptions()}, **weak)
    drawn = np.asarray(objective._strength(jnp.linspace(0.0, 1.0, 101)))
    np.testing.assert_allclose([drawn[0], drawn[50], drawn[100]], [0.001, 0.02, 0.4], rtol=1e-4)
    for sigma in (0.0, 0.4):
        with pytest.raises(ValueError, match="sigma_min is .*; expected above 0, below sigma_max"):
            Denoising(task, network, {"mse": TermOptions()}, sigma_max=0.4, sigma_min=sigma)


def test_a_network_that_counts_in_noise_and_its_losses(rng):
    """It changes nothing where there is no noise; every sample's loss is over its own noise."""
    task = JointMaps(("t1", "t2", "pd"), 2)
    size = {"scale": 1, "channels": 3, "features": 4, "depth": 1, "blocks": 1}
    plain, counting = (build_model("unet", **size, noise_units=units) for units in (False, True))
    example = task.example(joint_batch(rng), step=jnp.int32(1))
    table = {"mae": TermOptions()}
    objectives = [Denoising(task, network, table) for network in (plain, counting)]
    noisy, sigma = objectives[0].seen(example)
    variables = objectives[0].init(jax.random.key(0), example)["network"]
    over, under = (network.apply(variables, noisy, sigma, train=False)
                   for network in (plain, counting))  # fmt: skip
    np.testing.assert_allclose(
        under - noisy, sigma[:, None, None, None] * (over - noisy), atol=1e-6
    )
    still = counting.apply(variables, noisy, jnp.zeros_like(sigma), train=False)
    np.testing.assert_array_equal(still, noisy)
    values = [one.terms({}, {}, example)["mae"].values(noisy) for one in objectives]
    np.testing.assert_allclose(values[1] * sigma, values[0], rtol=1e-5)
    with pytest.raises(ValueError, match="wants to be told sigma"):
        counting.apply(variables, noisy, train=False)


# --- optimisers -----------------------------------------------------------------------------------

STAIRCASE = OptimizerOptions(learning_rate=1e-2, decay_every=10, decay_factor=0.5)


def first_step_of(role, warmup_steps, batch):
    """Size of the first update that a gradient of 1 gives."""
    chosen = make_optimizers(
        ("generator", "discriminator"), STAIRCASE, total_steps=100, warmup_steps=warmup_steps
    )[role]
    params = jnp.zeros(3)
    updates, _ = chosen.update(jnp.ones(3), chosen.init(params), params)
    return float(-updates[0])


def test_after_a_warm_up_both_networks_are_at_the_rate_of_the_step(random_batch):
    """The discriminator began at the first rate while the generator's had fallen thirteenfold."""
    for warmup_steps in (0, 25, 40):
        expected = float(rate_of(STAIRCASE, total_steps=100)(warmup_steps))
        got = first_step_of("discriminator", warmup_steps, random_batch)
        assert got == pytest.approx(expected, rel=1e-4)
    assert first_step_of("generator", 25, random_batch) == pytest.approx(1e-2, rel=1e-4)


def test_the_cosine_ends_at_zero():
    rate = rate_of(OptimizerOptions(schedule="cosine"), total_steps=200)
    rates = [float(rate(step)) for step in (0, 100, 200)]
    np.testing.assert_allclose(rates, [1e-3, 5e-4, 0.0], atol=1e-9)


def test_an_srgan_warms_up_on_pixels_alone():
    warm = small_srgan(None, adversarial=False)
    assert isinstance(warm, Srgan)
    assert warm.turns == ("generator",)
    example = small_task(crop=0).whole(
        {
            "lr": np.zeros((1, 16, 16, 1), np.uint16),
            "hr": np.zeros((1, 32, 32, 1), np.uint16),
            "mask": np.ones((1, 32, 32, 1), np.uint8),
            "sample_id": np.zeros(1, np.int32),
        }
    )
    assert set(warm.terms({}, {}, example)) == {"mae"}
