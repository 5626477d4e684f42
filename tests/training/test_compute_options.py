"""How a step computes must not change what it computes: parts, loops, precision, recomputation."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import optimizers, restarted, small_srgan, small_task

from qsr_jax.checkpoint import FORMAT_VERSION, REQUIRED, Checkpoints
from qsr_jax.maps import MAPS, from_network
from qsr_jax.training.compute_options import PLAIN, ComputeOptions
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.step import make_step

quick_jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
"""For programs that run once: they compile in half the time."""


def step_of(*, options=PLAIN, batch_size=8, axis_name=None, transformation=None, **stage):
    return make_step(
        small_task(),
        small_srgan(axis_name, precision=options.precision, **stage),
        optimizers(transformation),
        batch_size=batch_size,
        average_decay=0.05,
        axis_name=axis_name,
        options=options,
    )


def how(**changes) -> ComputeOptions:
    return dataclasses.replace(PLAIN, **changes)


def largest_difference(a, b) -> float:
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.abs(x - y).max()), a, b)))


@pytest.fixture
def in_float64(small_state, vgg_parameters):
    """State and frozen features in float64, with plain gradient descent to show gradients."""
    with jax.enable_x64(True):
        state, frozen = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64 if x.dtype == np.float32 else x.dtype),
            (small_state, vgg_parameters),
        )
        yield restarted(state, optimizers(optax.sgd(0.1))), frozen


# --- a batch in parts -----------------------------------------------------------------------------

SGD = {"transformation": optax.sgd(0.1)}


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_are_the_whole_where_statistics_are_frozen(parts, in_float64, random_batch):
    """Written out, as on a CPU, and as a loop, as on a GPU."""
    state, frozen = in_float64
    same = {"adversarial": False, "frozen_norm": True, **SGD}
    whole = quick_jit(step_of(**same))(state, frozen, random_batch)
    for unroll in (True, False) if parts == 2 else (True,):
        split = how(parts=parts, unroll=unroll)
        pieces = quick_jit(step_of(options=split, **same))(state, frozen, random_batch)
        assert largest_difference(pieces, whole) < 1e-6  # the images themselves are float32
        statistics = [s.players["generator"].variables["batch_stats"] for s in (pieces[0], state)]
        assert largest_difference(*statistics) == 0.0, "frozen to the bit"
    assert largest_difference(whole[0].players, state.players) > 1e-4


def test_equal_parts_are_the_whole_with_both_networks_in_training(in_float64, random_batch):
    """Batch statistics of (A, A) are those of A, so both updates and all statistics must agree."""
    state, frozen = in_float64
    twice = {name: np.concatenate([x[:4], x[:4]]) for name, x in random_batch.items()}
    whole = quick_jit(step_of(**SGD))(state, frozen, twice)
    split = how(parts=2, unroll=False)
    pieces = quick_jit(step_of(options=split, **SGD))(state, frozen, twice)
    assert largest_difference(pieces[0].players, whole[0].players) < 1e-6
    for name, value in whole[1].items():
        if not name.endswith("_gradient_size"):  # each part has an output of its own
            assert float(pieces[1][name]) == pytest.approx(float(value), rel=1e-5), name


def test_parts_that_do_not_divide_are_refused(small_state, vgg_parameters, random_batch):
    step = step_of(options=how(parts=3))
    with pytest.raises(ValueError, match="memory.accumulate is 3, which does not divide the 8"):
        jax.eval_shape(step, small_state, vgg_parameters, random_batch)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "float16"}, "precision of the computation is 'float16'; known: "),
        ({"matmul": "fast"}, "matmul of the computation is 'fast'; known: "),
        ({"parts": 0}, "cannot be taken in 0 parts"),
        ({"batch_norm": "none"}, "batch_norm of the computation is 'none'; known: "),
    ],
)
def test_computations_that_do_not_exist_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        how(**wrong)


# --- precision ------------------------------------------------------------------------------------


def convolutions(step, *arguments) -> list[str]:
    """The lines of the traced step that hold a convolution, forward or backward."""
    jaxpr = str(jax.make_jaxpr(step)(*arguments))
    return re.findall(r"(\w+):(\w+)\[[\d,]*\] = conv_general_dilated\[(.*?)\]\s", jaxpr, re.DOTALL)


def test_bfloat16_is_for_convolutions_alone(small_state, vgg_parameters, random_batch):
    """Parameters, statistics, optimiser, losses and the map's own layers stay float32."""
    step = step_of(options=how(precision="bfloat16"))
    state, metrics = jax.eval_shape(step, small_state, vgg_parameters, random_batch)
    kinds = {leaf.dtype for leaf in jax.tree.leaves((state, metrics))}
    assert kinds == {jnp.dtype("float32"), jnp.dtype("int32")}
    found = [kind for _, kind, _ in convolutions(step, small_state, vgg_parameters, random_batch)]
    assert found.count("bf16") > 20
    # 9x9 forward and weight gradient; 1x1 forward, input and weight gradient
    assert found.count("f32") == 5
    plain = step_of()
    kinds = {kind for _, kind, _ in convolutions(plain, small_state, vgg_parameters, random_batch)}
    assert kinds == {"f32"}


def test_the_precision_of_products_is_what_the_config_says(
    small_state, vgg_parameters, random_batch
):
    step = step_of(options=how(matmul="highest"))
    options = [o for *_, o in convolutions(step, small_state, vgg_parameters, random_batch)]
    assert len(options) > 20
    assert all("HIGHEST" in option for option in options)


STEPS = 60
GATE = {"t1": (4.0, 3.0), "t2": (1.0, 0.3), "pd": (0.1, 0.03)}
"""What bfloat16 may move a map by, mean and bias: ms, ms and % (0.5, 0.4 % of white matter's T1).

The quickstart's trained networks (32 features) moved a simulated head by 2.5 ms and 0.4 ms (T1),
0.5 ms and -0.1 ms (T2), 0.03 % and 0.000 % (PD). Eight trainings of this small one (four draws,
jaxlib 0.10.2 and 0.11.2) moved T1 by 2.3 to 3.7 ms, with a bias of -2.2 to +1.1. Predictions are
always made in float32.
"""


def smooth_maps(rng, name: str, n: int = 8, side: int = 24) -> dict[str, np.ndarray]:
    """Records of a made-up tissue: plateaus around the map's brain value, fine and coarse."""
    spec, middle = MAPS[name], {"t1": 900.0, "t2": 90.0, "pd": 75.0}[name]
    blocks = middle * rng.uniform(0.7, 1.5, (n, side // 4, side // 4, 1))
    hr = blocks.repeat(8, 1).repeat(8, 2)
    lr = hr.reshape(n, side, 2, side, 2, 1).mean((2, 4))
    stored = {k: np.round(x / spec.slope).astype(np.uint16) for k, x in (("lr", lr), ("hr", hr))}
    mask = np.ones(hr.shape, np.uint8)
    return stored | {"mask": mask, "sample_id": np.arange(n, dtype=np.int32)}


@pytest.fixture(scope="module")
def taught():
    """Teaches the small generator a map in bfloat16: (lr, hr, variables) -> (variables, losses)."""
    exact = small_srgan(None).generator
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-2, STEPS))
    student = small_srgan(None, precision="bfloat16").generator

    @jax.jit
    def improve(variables, opt, lr, hr):
        def loss(params):
            given = {"params": params, "batch_stats": variables["batch_stats"]}
            sr, updates = student.apply(given, lr, train=True, mutable=["batch_stats"])
            return jnp.abs(sr - hr).mean(), updates

        (value, updates), gradients = jax.value_and_grad(loss, has_aux=True)(variables["params"])
        changes, opt = optimizer.update(gradients, opt)
        return {"params": optax.apply_updates(variables["params"], changes), **updates}, opt, value

    def teach(variables, lr, hr):
        opt, losses = optimizer.init(variables["params"]), []
        for _ in range(STEPS):
            variables, opt, value = improve(variables, opt, lr, hr)
            losses.append(float(value))
        return variables, losses

    def both(variables, lr):
        return [network.apply(variables, lr, train=False) for network in (exact, student)]

    return teach, jax.jit(both)


@pytest.mark.parametrize("name", MAPS)
def test_bfloat16_moves_a_map_by_less_than_the_gate(name, small_state, taught, rng):
    """The same trained weights predict in both precisions; the difference in the map's unit."""
    (teach, both), spec = taught, MAPS[name]
    example = small_task(names=(name,)).whole(smooth_maps(rng, name))
    lr, hr = example.inputs["lr"], example.target
    variables, losses = teach(small_state.players["generator"].variables, lr, hr)
    assert losses[-1] < 0.3 * losses[0]  # trained, in bfloat16
    exact, rounded = (np.asarray(from_network(sr, spec)) for sr in both(variables, lr))
    difference, (mean, bias) = rounded - exact, GATE[name]
    assert 0.0 < np.abs(difference).mean() < mean
    assert abs(difference.mean()) < bias


# --- recomputation --------------------------------------------------------------------------------


def test_computing_blocks_again_changes_no_gradient(small_state, vgg_parameters, random_batch):
    example = small_task(crop=8).example(random_batch, step=jnp.int32(0))
    lr, hr = example.inputs["lr"], example.target
    variables = small_state.players["generator"].variables

    def gradient(remat: bool):
        srgan = small_srgan(None, remat=remat)

        def loss(params):
            sr = srgan.generator.apply({**variables, "params": params}, lr, train=False)
            return jnp.square(srgan.features.apply({"params": vgg_parameters}, sr - hr)).mean()

        return jax.grad(loss)

    params = variables["params"]
    got, expected = (quick_jit(gradient(remat))(params) for remat in (True, False))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-3), got, expected)
    # one residual block, and the one block of VGG that the small networks use
    assert str(jax.make_jaxpr(gradient(True))(params)).count("remat2[") == 2
    assert "remat2[" not in str(jax.make_jaxpr(gradient(False))(params))


# --- what a step may not do -----------------------------------------------------------------------


def test_a_step_takes_nothing_from_the_device_and_is_traced_once(
    small_state, vgg_parameters, random_batch, tmp_path
):
    """Ten steps and a restored state: one trace; inside, no way back to the host."""
    traces = []
    step = step_of(axis_name=AXIS, adversarial=False)

    def counted(*arguments):
        traces.append(1)
        return step(*arguments)

    compiled = compile_step(counted)
    state, frozen = replicate(small_state), replicate(vgg_parameters)
    mesh = jax.tree.leaves(state)[0].sharding.mesh
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))
    batch = jax.device_put(split_over_devices(random_batch), rows)
    with jax.transfer_guard("disallow"):  # neither way: batch and state lie on the devices
        for _ in range(10):
            state, metrics = compiled(state, frozen, batch)
    assert len(traces) == 1
    checkpoints = Checkpoints(tmp_path, keep=1)
    document = dict.fromkeys(REQUIRED, "x") | {"version": FORMAT_VERSION}
    checkpoints.save(10, state, state.served, document)
    checkpoints.wait()
    _, state, _ = checkpoints.restore(state)
    checkpoints.close()
    state, _ = compiled(state, frozen, batch)
    assert int(state.step) == 11
    assert len(traces) == 1
    with jax.transfer_guard_host_to_device("disallow"), pytest.raises(Exception, match="isallowed"):
        compiled(state, frozen, split_over_devices(random_batch))  # the guard does watch
    text = compiled.lower(state, frozen, batch).as_text()
    assert not re.search("callback|infeed|outfeed|host_compute|SendToHost", text)
