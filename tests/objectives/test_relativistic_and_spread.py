"""A discriminator that compares, and a network that says how sure it is, through the same step."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from any_network import QUICK
from small_networks import small_srgan, small_task

from qsr_jax import losses
from qsr_jax.models import build_model
from qsr_jax.objectives import Denoising, Regression, TermOptions
from qsr_jax.tasks import JointMaps
from qsr_jax.training.assemble import objective_of
from qsr_jax.training.experiment import Experiment, LossOptions
from qsr_jax.training.options import ObjectiveOptions, OptionError


def example_of(rng, task, n=2, side=12):
    tops = {"t1": 9000, "t2": 900, "pd": 750}
    hr = rng.uniform(0.8, 1.2, (n, 2 * side, 2 * side, len(task.names)))
    hr = (hr * [tops[name] for name in task.names]).astype(np.uint16)
    lr = hr.reshape(n, side, 2, side, 2, -1).mean((2, 4)).astype(np.uint16)
    mask = np.ones((n, 2 * side, 2 * side, 1), np.uint8)
    return task.whole({"lr": lr, "hr": hr, "mask": mask, "sample_id": np.arange(n)})


# --- relativistic ---------------------------------------------------------------------------------


def test_both_players_minimise_the_comparison(small_state, rng):
    """ESRGAN's equations 1 and 2, each with the other's mean; the generator's has a gradient."""
    task, table = small_task(crop=0), {"gan": TermOptions(1.0)}
    objective = dataclasses.replace(small_srgan(None, table=table), relativistic=True)
    example = example_of(rng, task)
    variables = {role: player.variables for role, player in small_state.players.items()}
    sr = jnp.asarray(rng.uniform(-1, 1, example.target.shape), jnp.float32)

    @functools.partial(jax.jit, **QUICK)
    def compute(variables, example, sr):
        judge = variables["discriminator"]
        logits = [objective.discriminator.apply(judge, x) for x in (example.target, sr)]
        mine = objective.opposed("discriminator", judge, sr, example)
        terms = objective.terms(variables, {}, example)
        slope = jax.grad(lambda sr: terms["gan"].values(sr).sum())(sr)
        return logits, mine, terms["gan"].values(sr), slope

    (real, fake), (values, watched, _), theirs, slope = compute(variables, example, sr)
    np.testing.assert_allclose(values, losses.relativistic(real, fake), rtol=1e-5)
    np.testing.assert_allclose(theirs, losses.relativistic(fake, real), rtol=1e-5)
    assert float(jnp.abs(slope).max()) > 0
    np.testing.assert_allclose(watched["p_real"] + watched["p_fake"], 1.0, atol=1e-6)
    assert objective.turns == ("discriminator", "generator")


# --- spread ---------------------------------------------------------------------------------------

MAPS = JointMaps(("t1", "t2", "pd"), 2, log_maps=("t2",))
TABLE = {
    "laplace": TermOptions(1.0, region="brain"),
    "mae": TermOptions(0.5),
    "measurement": TermOptions(0.1),
    "t1w": TermOptions(0.1),
}


def network_of(task, **fields):
    model = {"features": 4, "blocks": 1} | fields
    return build_model("residual", scale=2, channels=len(task.names), **model)


def test_only_the_likelihood_sees_the_spread(rng):
    """Every other term has no gradient there, and is what it is without a spread."""
    objective = Regression(MAPS, network_of(MAPS, spread=True), TABLE)
    plain = Regression(MAPS, network_of(MAPS), {k: v for k, v in TABLE.items() if k != "laplace"})

    @functools.partial(jax.jit, **QUICK)
    def compute(example):
        variables = objective.init(jax.random.key(0), example)["network"]
        output, _ = objective.forward(variables, example)
        terms = objective.terms({}, {}, example)
        slopes = {k: jax.grad(lambda o, t=t: t.values(o).sum())(output) for k, t in terms.items()}
        values = {name: term.values(output) for name, term in terms.items()}
        same = {k: t.values(output[..., :3]) for k, t in plain.terms({}, {}, example).items()}
        return output, objective.probe(variables, example), slopes, values, same

    output, probed, slopes, values, same = compute(example_of(rng, MAPS))
    assert (output.shape[-1], probed.shape[-1]) == (6, 3)
    for name, slope in slopes.items():
        assert float(jnp.abs(slope[..., :3]).max()) > 0
        assert (float(jnp.abs(slope[..., 3:]).max()) > 0) == (name == "laplace")
    assert values.keys() - same.keys() == {"laplace"}
    for name, expected in same.items():
        np.testing.assert_allclose(values[name], expected, rtol=1e-5)


def test_consistency_with_the_fast_scan_is_in_its_own_units(rng):
    """With a margin: the middle slice of three, and only the inner part of the crop."""
    task = dataclasses.replace(MAPS, margin=2)
    example = example_of(rng, task)
    objective = Regression(task, network_of(task), {"measurement": TermOptions(1.0)})
    weights = jnp.pad(jnp.ones((2, 12, 12, 1)), ((0, 0), (2, 2), (2, 2), (0, 0)))

    @functools.partial(jax.jit, **QUICK)
    def compute(example):
        (term,) = objective.terms({}, {}, example).values()
        fine, coarse = (task.in_units(x) for x in (example.target, example.inputs["lr"]))
        given = {"names": task.names, "alignment": "corner"}
        expected = losses.measurement_consistency(fine, coarse, weights, **given)
        return term.values(example.target), expected

    found, expected = compute(example)
    assert float(found.min()) > 0
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_spread_without_likelihood_and_the_reverse_are_refused():
    task, pixels = small_task(), {"mae": TermOptions()}
    both = pixels | {"gaussian": TermOptions()}
    with pytest.raises(ValueError, match="loss.terms.gaussian needs a network that tells its spr"):
        Regression(task, network_of(task), both)
    with pytest.raises(
        ValueError, match="no loss teaches a spread: weigh one of laplace, gaussian"
    ):
        Regression(task, network_of(task, spread=True), pixels)
    with pytest.raises(ValueError, match="loss.terms.gaussian is a loss of likelihood, which this"):
        small_srgan(None, table=both)
    unet = build_model("unet", scale=1, channels=1, features=4, depth=1, blocks=1, spread=True)
    with pytest.raises(ValueError, match="objective 'denoising' makes maps alone"):
        Denoising(task, unet, both)


def test_a_comparison_without_a_discriminator_is_refused():
    experiment = Experiment(
        objective=ObjectiveOptions(name="regression", relativistic=True),
        discriminator=None,
        vgg=None,
        loss=LossOptions({"mae": TermOptions()}),
    )
    with pytest.raises(OptionError, match="objective 'regression' has no discriminator: set it to"):
        objective_of(experiment, small_task())
