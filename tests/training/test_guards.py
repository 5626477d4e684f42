"""What stops a run, what makes it speak, and which checkpoint counts as the best."""

import math
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import small_networks

from qsr_jax.maps import MAPS
from qsr_jax.training.best import Merit, merit_of
from qsr_jax.training.guards import NonFiniteError, bias_drift, check_finite, saturation
from qsr_jax.training.steps import LossWeights, make_step
from qsr_jax.training.stopping import StopRequest

GOOD = {"mae": 1.0, "total": 1.0, "gan": 2.0, "generator_norm": 3.0}


def check(metrics):
    check_finite(7, metrics, [4, 9], lambda i: f"record {i}")


def test_finite_values_pass():
    check(GOOD)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", GOOD)
def test_any_value_that_is_not_finite_is_named_with_its_records(name, value):
    with pytest.raises(NonFiniteError, match=rf"step 7: {name} is .*record 4, record 9"):
        check(GOOD | {name: value})


def test_of_several_the_first_of_the_step_is_the_cause():
    with pytest.raises(NonFiniteError, match=r"step 7: gan is nan \(of 3 values"):
        check(GOOD | {"generator_norm": math.nan, "total": math.nan, "gan": math.nan})


# --- injected into a real step: everything that is not finite shows in a metric ------------------

PLACES = {
    "generator": ("generator", {"mae", "generator_norm"}),
    "discriminator": ("discriminator", {"discriminator", "gan", "discriminator_norm"}),
    "generator_opt": ("generator_opt", {"generator_norm"}),
    "discriminator_opt": ("discriminator_opt", {"gan"}),
    "average": ("average", {"average_norm"}),
    "features": (None, {"vgg"}),
}
"""The part of the state, and the terms that may be named first: which depends on the leaf."""


@pytest.fixture(scope="module")
def step():
    return jax.jit(
        make_step(
            small_networks(None),
            spec=MAPS["t1"],
            weights=LossWeights(mae=1.0, gan=1e-3, vgg=2e-6, gan_reduction="sum"),
            batch_size=8,
            crop=16,
            seed=0,
            adversarial=True,
            frozen_norm=False,
            average_decay=0.9,
            axis_name=None,
        )
    )


def poisoned(tree, value, place):
    """The tree with one number of its ``place``-th float leaf replaced."""
    leaves, shape = jax.tree.flatten(tree)
    floats = [i for i, leaf in enumerate(leaves) if np.issubdtype(leaf.dtype, np.floating)]
    index = floats[place % len(floats)]
    leaf = np.array(leaves[index])
    leaf.flat[place % leaf.size] = value
    leaves[index] = leaf
    return jax.tree.unflatten(shape, leaves)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", PLACES)
def test_injected_values_stop_the_same_step(
    where, value, step, small_state, vgg_parameters, random_batch
):
    field, terms = PLACES[where]
    for place in (0, 3, 11):
        state, frozen = small_state, vgg_parameters
        if field is None:
            frozen = poisoned({"conv1_1": frozen["conv1_1"]}, value, place)
            frozen = vgg_parameters | frozen
        else:
            state = state.replace(**{field: poisoned(getattr(state, field), value, place)})
        _, metrics = step(state, frozen, random_batch)
        with pytest.raises(NonFiniteError, match=rf"step 1: ({'|'.join(terms)}) is "):
            check_finite(1, jax.device_get(metrics), [0], str)


def test_a_healthy_step_passes_and_moves_the_average(
    step, small_state, vgg_parameters, random_batch
):
    new, metrics = step(small_state, vgg_parameters, random_batch)
    check_finite(1, jax.device_get(metrics), [0], str)
    kept = 0.1  # (1 + t) / (10 + t) at t = 0, below the decay asked for
    wanted = jax.tree.map(
        lambda old, made: kept * old + (1 - kept) * made, small_state.average, new.generator
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), new.average, wanted)
    assert new.served is new.average


def test_a_state_without_average_serves_its_generator(small_state):
    alone = small_state.replace(average={})
    assert alone.served is alone.generator


# --- alarms ---------------------------------------------------------------------------------------


def verdicts(real, fake, n):
    return [{"p_real": real, "p_fake": fake} for _ in range(n)]


@pytest.mark.parametrize(
    ("lines", "won"),
    [
        (verdicts(0.999, 0.001, 5), True),
        (verdicts(0.999, 0.001, 4), False),
        (verdicts(0.999, 0.02, 5), False),
        (verdicts(0.98, 0.001, 5), False),
        (verdicts(0.999, 0.001, 5) + verdicts(0.6, 0.4, 1), False),
        (verdicts(0.6, 0.4, 3) + verdicts(0.999, 0.001, 5), True),
        ([{"mae": 1.0}] * 9, False),
    ],
)
def test_saturation(lines, won):
    assert (saturation(lines, share=0.99, window=5) is not None) == won


@pytest.mark.parametrize(
    ("biases", "drifted"),
    [([], False), ([5.0], False), ([0.5, -3.4], False), ([0.5, -3.6], True), ([9, 1, 2], False)],
)
def test_bias_drift_counts_from_the_smallest(biases, drifted):
    lines = [{"relative_bias_percent": b} for b in biases]
    assert (bias_drift(lines, percent=3.0) is not None) == drifted


# --- the best -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "wins"),
    [
        (Merit(1.0, 30.0), None, True),
        (Merit(1.0, 30.0), Merit(-0.1, 29.0), True),  # both right enough: PSNR
        (Merit(2.5, 35.0), Merit(1.9, 25.0), False),  # sharp but wrong
        (Merit(-3.0, 25.0), Merit(4.0, 35.0), True),  # both wrong: less so
        (Merit(1.0, 30.0), Merit(1.0, 30.0), False),
    ],
)
def test_bias_comes_before_sharpness(one, other, wins):
    assert one.beats(other, bias_percent=2.0) == wins
    if other is not None:
        assert not (one.beats(other, bias_percent=2.0) and other.beats(one, bias_percent=2.0))


def test_merit_reads_validation_scores():
    scores = {"relative_bias_percent": -1.5, "psnr_db": 30.0, "mae_ms": 4.0}
    assert merit_of(scores) == Merit(-1.5, 30.0)


# --- being asked to stop --------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_a_request_and_the_second_is_not(number):
    before = signal.getsignal(number)
    caught = []
    signal.signal(number, lambda *_: caught.append(number))
    try:
        with StopRequest() as request:
            assert request.name is None
            os.kill(os.getpid(), number)
            assert request.name == signal.Signals(number).name
            assert caught == []
            os.kill(os.getpid(), number)
            assert caught == [number]
        assert signal.getsignal(number) is not request._note
    finally:
        signal.signal(number, before)


def test_norms_see_every_leaf(small_state):
    """The guard's claim: a norm is finite only if all it sums is."""
    for field in ("generator", "discriminator", "average", "generator_opt", "discriminator_opt"):
        tree = getattr(small_state, field)
        n = len([x for x in jax.tree.leaves(tree) if np.issubdtype(x.dtype, np.floating)])
        for place in range(n):
            assert not jnp.isfinite(optax.tree.norm(poisoned(tree, np.nan, place)))
