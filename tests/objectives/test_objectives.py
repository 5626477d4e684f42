"""Laws of every objective and of every loss term: what is learned, from what, and at what cost."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import optimizers, restarted, small_srgan, small_task

from qsr_jax import losses
from qsr_jax.losses import LOSSES
from qsr_jax.models import build_model
from qsr_jax.models.vgg19 import Vgg19Features
from qsr_jax.objectives import Denoising, Regression, TermOptions
from qsr_jax.objectives.weighted_terms import HEAD_PIXELS, region_weights
from qsr_jax.training.step import make_step

SGD = optax.sgd(1.0)
quick = {"compiler_options": {"xla_backend_optimization_level": 0}}


def step_with(task, objective, transformations, batch_size=8):
    return make_step(
        task,
        objective,
        transformations,
        batch_size=batch_size,
        average_decay=0.0,
        axis_name=None,
    )


def learned(name, weight, small_state, vgg_parameters, random_batch):
    """What one step of plain descent takes from G for one term alone, and its metrics."""
    objective = small_srgan(None, table={name: TermOptions(weight)})
    step = step_with(small_task(), objective, optimizers(SGD))
    state = restarted(small_state, optimizers(SGD))
    new, metrics = jax.jit(step, **quick)(state, vgg_parameters, random_batch)
    before, after = (s.players["generator"].variables["params"] for s in (state, new))
    return jax.tree.map(lambda a, b: a - b, before, after), metrics, new


FORMULAS = {
    "mae": lambda sr, hr, d, phi: jnp.abs(sr - hr).mean((1, 2, 3)),
    "mse": lambda sr, hr, d, phi: ((sr - hr) ** 2).mean((1, 2, 3)),
    "charbonnier": lambda sr, hr, d, phi: (jnp.sqrt((sr - hr) ** 2 + 1e-6) - 1e-3).mean((1, 2, 3)),
    "gan": lambda sr, hr, d, phi: -jnp.log(jax.nn.sigmoid(d(sr))),
    "vgg": lambda sr, hr, d, phi: ((phi(sr) - phi(hr)) ** 2).mean((1, 2, 3)),
}
"""Each loss of one map written out once more."""


@pytest.mark.parametrize("name", FORMULAS)
def test_g_learns_from_each_term_alone_what_its_formula_says(
    name, small_state, vgg_parameters, random_batch
):
    """With all other weights 0 the gradient is not 0 and is that of the formula.

    ``stop_gradient`` at the output of G, in any term, fails here.
    """
    got, metrics, new = learned(name, 0.5, small_state, vgg_parameters, random_batch)
    objective = small_srgan(None)
    example = small_task().example(random_batch, step=jnp.int32(0))
    judge = new.players["discriminator"].variables  # G is judged by the updated D
    variables = small_state.players["generator"].variables

    def formula(params):
        sr, _ = objective.forward({**variables, "params": params}, example)
        d = lambda x: objective.discriminator.apply(judge, x)  # noqa: E731
        phi = lambda x: objective.features.apply({"params": vgg_parameters}, x)  # noqa: E731
        return 0.5 * FORMULAS[name](sr, example.target, d, phi).mean()

    expected = jax.jit(jax.grad(formula), **quick)(variables["params"])
    size = float(optax.tree.norm(expected))
    assert size > 1e-6
    assert float(metrics["generator_gradient_norm"]) == pytest.approx(size, rel=1e-3)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3 * size), got, expected
    )


def test_every_loss_of_the_table_has_its_formula_here():
    """Those of one map in network scale; the others have theirs in tests/losses."""
    alone = {name for name, loss in LOSSES.items() if loss.kind not in ("maps", "measured")}
    assert alone - {"regions", "laplace", "gaussian"} == set(FORMULAS)


def test_d_learns_from_both_images(small_state, vgg_parameters, random_batch):
    objective = small_srgan(None)
    step = step_with(small_task(), objective, optimizers(SGD))
    state = restarted(small_state, optimizers(SGD))
    new, _ = jax.jit(step, **quick)(state, vgg_parameters, random_batch)
    example = small_task().example(random_batch, step=jnp.int32(0))
    judge = state.players["discriminator"].variables

    def formula(params):
        sr, _ = objective.forward(state.players["generator"].variables, example)
        logits = [
            objective.discriminator.apply({"params": params}, x) for x in (example.target, sr)
        ]
        return losses.discriminator(*logits).mean()

    expected = jax.jit(jax.grad(formula), **quick)(judge["params"])
    got = jax.tree.map(
        lambda a, b: a - b, judge["params"], new.players["discriminator"].variables["params"]
    )
    size = float(optax.tree.norm(expected))
    assert size > 1e-4
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-3 * size), got, expected
    )


def convolutions(objective, small_state, vgg_parameters, random_batch):
    step = step_with(small_task(), objective, optimizers(optax.adam(1e-3)))
    jaxpr = str(jax.make_jaxpr(step)(small_state, vgg_parameters, random_batch))
    return len(re.findall(r"= conv_general_dilated\[", jaxpr))


def test_a_term_of_weight_0_costs_nothing(small_state, vgg_parameters, random_batch):
    """Not a convolution of D or VGG is left, and no parameter of VGG is asked for."""
    given = (small_state, {}, random_batch)
    alone = convolutions(small_srgan(None, table={"mae": TermOptions(1.0)}), *given)
    silent = {"mae": TermOptions(1.0), "gan": TermOptions(0.0), "vgg": TermOptions(0.0)}
    assert convolutions(small_srgan(None, table=silent), *given) == alone
    whole = convolutions(small_srgan(None), small_state, vgg_parameters, random_batch)
    assert whole > 2 * alone
    assert small_srgan(None, table=silent).turns == ("generator",), "D waits"


# --- regions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("margin", [0, 3])
def test_regions_are_the_frame_the_head_and_the_brain_without_the_margin(margin):
    task = small_task(crop=0, margin=margin)
    side = 2 * 40
    mask = np.zeros((1, side, side, 1), np.uint8)
    mask[0, 39:41, 39:41] = 1
    batch = {
        "lr": np.zeros((1, side // 2, side // 2, 1), np.uint16),
        "hr": np.zeros((1, side, side, 1), np.uint16),
        "mask": mask,
        "sample_id": np.zeros(1, np.int32),
    }
    example = task.whole(batch)
    frame, head, brain = (region_weights(example, r) for r in ("frame", "head", "brain"))
    assert float(brain.sum()) == 4
    reach = min(2 + 2 * HEAD_PIXELS, side)
    assert float(head.sum()) == reach**2
    if margin:
        assert float(frame.sum()) == side**2
        assert not frame[:, : 2 * margin].any()
    else:
        assert frame is None


def test_a_brain_loss_is_blind_to_what_lies_outside(small_state, vgg_parameters, random_batch):
    mask = np.zeros_like(random_batch["mask"])
    mask[:, 16:32, 16:32] = 1
    results = []
    for air in (0, 9999):
        hr = np.where(mask, random_batch["hr"], np.uint16(air))
        batch = random_batch | {"hr": hr, "mask": mask}
        table = {"mae": TermOptions(1.0, region="brain")}
        task = small_task(crop=0)
        objective = small_srgan(None, task=task, table=table)
        step = step_with(task, objective, optimizers(SGD))
        state = restarted(small_state, optimizers(SGD))
        results.append(jax.jit(step, **quick)(state, vgg_parameters, batch)[1])
    assert float(results[0]["mae"]) == pytest.approx(float(results[1]["mae"]), rel=1e-6)


# --- refused tables -------------------------------------------------------------------------------

REFUSED = {
    "loss.terms.mea: no such loss; known: mae": {"mea": {}},
    "every weight is 0": {"mae": {"weight": 0.0}},
    "loss.terms.gan has no pixels; its region can only be 'frame'": {
        "gan": {"region": "brain"},
        "mae": {},
    },
    "loss weight is -1": {"mae": {"weight": -1}},
    "loss weight is nan": {"mae": {"weight": float("nan")}},
    "loss region is 'skull'; expected one of": {"mae": {"region": "skull"}},
    "loss reduction is 'max'; expected 'sum'": {"mae": {"reduction": "max"}},
}


@pytest.mark.parametrize("message", REFUSED)
def test_tables_that_cannot_be_minimised_are_refused(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        small_srgan(None, table={k: TermOptions(**v) for k, v in REFUSED[message].items()})


@pytest.mark.parametrize("name", ["gan", "vgg"])
def test_a_regression_refuses_terms_it_has_nothing_for(name):
    network = build_model("residual", scale=2, channels=1, features=4, blocks=1)
    with pytest.raises(ValueError, match=f"loss.terms.{name} is a loss of .* does not have"):
        Regression(small_task(), network, {"mae": TermOptions(), name: TermOptions()})
    Regression(small_task(), network, {"mae": TermOptions(), name: TermOptions(0.0)})
    if name == "vgg":
        features = Vgg19Features("conv1_1")
        Regression(small_task(), network, {"vgg": TermOptions()}, features=features)
    with pytest.raises(ValueError, match="a regression has no role 'judge'"):
        Regression(small_task(), network, {"mae": TermOptions()}).opposed("judge", {}, None, None)


@pytest.mark.parametrize("sigma", [0.0, -1.0, 3.0, float("nan")])
def test_a_noise_that_cannot_be_is_refused(sigma):
    network = build_model("unet", scale=1, channels=1, features=4, depth=1, blocks=1)
    with pytest.raises(ValueError, match="objective.sigma_max is"):
        Denoising(small_task(), network, {"mae": TermOptions()}, sigma_max=sigma)
