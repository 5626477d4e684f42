"""What stops a run, what makes it speak, and which checkpoint counts as the best."""

import json
import math
import os
import signal

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import optimizers, small_srgan, small_task

from qsr_jax.training.guards import (
    NonFiniteError,
    StalledError,
    bias_drift,
    check_denoises,
    check_finite,
    long_gradient,
    saturation,
)
from qsr_jax.training.metric_log import METRICS_JSONL
from qsr_jax.training.options import AlarmOptions
from qsr_jax.training.scores import SelectionScore
from qsr_jax.training.step import make_step
from qsr_jax.training.stopping import StopRequest
from qsr_jax.training.validation import with_alarms

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
    bad = dict.fromkeys(("network_norm", "t2w_weighted", "charbonnier_gradient_size"), math.inf)
    with pytest.raises(NonFiniteError, match="step 7: t2w_weighted is inf"):
        check(GOOD | bad)


# --- injected into a real step: everything that is not finite shows in a metric ------------------

PLACES = {
    "generator": {"mae", "generator_norm"},
    "discriminator": {"discriminator", "gan", "discriminator_norm"},
    "generator's optimiser": {"generator_norm"},
    "discriminator's optimiser": {"gan"},
    "average": {"average_norm"},
    "features": {"vgg"},
}
"""The part of the state, and the terms that may be named first: which depends on the leaf."""


@pytest.fixture(scope="module")
def step():
    return jax.jit(
        make_step(
            small_task(),
            small_srgan(None),
            optimizers(),
            batch_size=8,
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


def with_part(state, where, change):
    """The state with a part of it changed: a role, "role's optimiser" or "average"."""
    if where == "average":
        return state.replace(average=change(state.average))
    role, _, opt = where.partition("'s ")
    player, field = state.players[role], "opt" if opt else "variables"
    new = player.replace(**{field: change(getattr(player, field))})
    return state.replace(players=dict(state.players) | {role: new})


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", PLACES)
def test_injected_values_stop_the_same_step(
    where, value, step, small_state, vgg_parameters, random_batch
):
    for place in (0, 3, 11):
        state, frozen = small_state, vgg_parameters
        if where == "features":
            frozen = frozen | poisoned({"conv1_1": frozen["conv1_1"]}, value, place)
        else:
            state = with_part(state, where, lambda part, place=place: poisoned(part, value, place))
        _, metrics = step(state, frozen, random_batch)
        with pytest.raises(NonFiniteError, match=rf"step 1: ({'|'.join(PLACES[where])}) is "):
            check_finite(1, jax.device_get(metrics), [0], str)


def test_a_healthy_step_passes_and_moves_the_average(
    step, small_state, vgg_parameters, random_batch
):
    new, metrics = step(small_state, vgg_parameters, random_batch)
    check_finite(1, jax.device_get(metrics), [0], str)
    kept = 0.1  # (1 + t) / (10 + t) at t = 0, below the decay asked for
    wanted = jax.tree.map(
        lambda old, made: kept * old + (1 - kept) * made,
        small_state.average,
        new.players["generator"].variables,
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), new.average, wanted)
    assert new.served is new.average


def test_a_state_without_average_serves_its_generator(small_state):
    alone = small_state.replace(average={})
    assert alone.served is alone.players["generator"].variables


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


def logged(*moments, first=4000, every=100, **more):
    """Lines of a role: weights and moments, and two counts of steps beside them."""
    steps = [first + every * i for i in range(len(moments))]
    norms = [math.hypot(m, math.sqrt(2.0) * s) for m, s in zip(moments, steps, strict=True)]
    return [{"step": s, "network_norm": n} | more for s, n in zip(steps, norms, strict=True)]


BROKEN = logged(46.8, 494.6, 529.5, 6112356.1, 5530420.0, first=3900)
"""As logged by the second successor of docs/weighted.md."""


@pytest.mark.parametrize(
    ("lines", "steps"),
    [
        (BROKEN, "between steps 3900 and 4000"),
        (BROKEN[1:], "between steps 4100 and 4200"),
        (BROKEN[3:], None),
        (logged(1.0, 3.1), "between steps 4000 and 4100"),
        (logged(1.0, 2.9), None),
        (logged(40.0, 41.0, 45.0, first=50, every=50), None),
        (logged(9.0, 9.0, network_gradient_norm=1.0)
         + logged(9.0, first=4200, network_gradient_norm=900.0, average_norm=1e9), None),
        ([{"step": 1.0, "discriminator_norm": 12.0}, {"step": 700.0, "discriminator_norm": 12.0},
          {"step": 800.0, "discriminator_norm": 142.0}], None),
        ([{"step": 1.0, "mae": 1.0}] * 9, None),
        ([], None),
    ],
)  # fmt: skip
def test_a_gradient_that_outgrows_the_weights_is_said(lines, steps):
    told = long_gradient(lines)
    assert (told is None) == (steps is None)
    assert steps is None or steps in told


@pytest.mark.parametrize("jump", range(1000, 4000, 100))
def test_it_is_said_once_wherever_between_two_validations_it_was(jump, tmp_path):
    said = []

    class Listener:
        def alarm(self, step, text):
            said.append((step, text))

    heard = with_alarms(AlarmOptions(), tmp_path, Listener(), lambda step, state: None)
    lines = logged(*(40.0 if step <= jump else 900.0 for step in range(100, 4001, 100)), first=100)
    for end in range(1000, 4001, 1000):
        train = [json.dumps(line | {"group": "train"}) for line in lines if line["step"] <= end]
        scores = [
            json.dumps({"step": step, "group": "validation", "relative_bias_percent": 0.1})
            for step in range(1000, end + 1, 1000)
        ]
        (tmp_path / METRICS_JSONL).write_text("\n".join([*train, *scores]) + "\n")
        heard(end, None)
    assert [step for step, _ in said] == [jump - jump % 1000 + 1000]
    assert f"between steps {jump} and {jump + 100}" in said[0][1]


# --- the best -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "wins"),
    [
        (SelectionScore(1.0, 30.0), None, True),
        (SelectionScore(1.0, 30.0), SelectionScore(-0.1, 29.0), True),  # both right enough: PSNR
        (SelectionScore(2.5, 35.0), SelectionScore(1.9, 25.0), False),  # sharp but wrong
        (SelectionScore(-3.0, 25.0), SelectionScore(4.0, 35.0), True),  # both wrong: less so
        (SelectionScore(1.0, 30.0), SelectionScore(1.0, 30.0), False),
    ],
)
def test_bias_comes_before_sharpness(one, other, wins):
    assert one.beats(other, bias_percent=2.0) == wins
    if other is not None:
        assert not (one.beats(other, bias_percent=2.0) and other.beats(one, bias_percent=2.0))


def test_selection_reads_validation_scores():
    scores = {"relative_bias_percent": -1.5, "pooled_psnr_db": 30.0, "mae_ms": 4.0}
    assert SelectionScore.of(scores) == SelectionScore(-1.5, 30.0)


@pytest.mark.parametrize("bad", [SelectionScore(np.nan, 30.0), SelectionScore(0.1, -np.inf)])
def test_what_is_not_finite_is_never_the_best_and_never_stays(bad):
    """A NaN of an earlier version would compare as neither better nor worse, for ever."""
    good = SelectionScore(50.0, 3.0)
    assert good.beats(bad, bias_percent=2.0)
    assert not bad.beats(good, bias_percent=2.0)
    assert not bad.beats(None, bias_percent=2.0)
    assert not bad.beats(bad, bias_percent=2.0)


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
    parts = [small_state.average]
    for player in small_state.players.values():
        parts += [player.variables, player.opt]
    for tree in parts:
        n = len([x for x in jax.tree.leaves(tree) if np.issubdtype(x.dtype, np.floating)])
        for place in range(n):
            assert not jnp.isfinite(optax.tree.norm(poisoned(tree, np.nan, place)))


def test_a_denoiser_that_stays_at_the_identity_is_stopped_after_its_first_steps():
    check_denoises(199, 1.0, 1.0)
    check_denoises(200, 0.79, 1.0)
    for error in (0.8, math.nan):
        with pytest.raises(StalledError, match="step 200: the denoiser leaves an error of"):
            check_denoises(200, error, 1.0)
