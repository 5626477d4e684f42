"""Several devices that each normalise by the statistics of their own samples."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from small_networks import optimizers, restarted, small_srgan, small_task

from launch.config.build import experiment_of
from launch.config.page import load_config
from qsr_jax.training.assemble import compute_options_of, discriminator_of
from qsr_jax.training.compute_options import PLAIN
from qsr_jax.training.options import OptionError
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.step import make_step

pytestmark = pytest.mark.usefixtures("compiled_quickly")

SGD = optax.sgd(0.1)
"""Shows gradients as they are."""
MOST = 8
"""All-reduces of a step."""


def step_of(batch_norm, *, axis_name=AXIS, parts=1, **stage):
    shared = axis_name if batch_norm == "all" else None
    return make_step(
        small_task(),
        small_srgan(shared, **stage),
        optimizers(SGD),
        batch_size=8,
        average_decay=0.05,
        axis_name=axis_name,
        options=dataclasses.replace(PLAIN, parts=parts, batch_norm=batch_norm),
    )


def largest_difference(a, b) -> float:
    return max(jax.tree.leaves(jax.tree.map(lambda x, y: float(np.abs(x - y).max()), a, b)))


def test_four_devices_do_what_four_parts_of_a_batch_do(small_state, vgg_parameters, random_batch):
    """Parts have statistics of their own too; running statistics follow the mean of either."""
    assert jax.local_device_count() == 4
    with jax.enable_x64(True):
        state, frozen = jax.tree.map(
            lambda x: jnp.asarray(x, jnp.float64 if x.dtype == np.float32 else x.dtype),
            (small_state, vgg_parameters),
        )
        state = jax.device_get(restarted(state, optimizers(SGD)))
        parts = jax.jit(step_of("all", axis_name=None, parts=4))
        expected, expected_metrics = parts(state, frozen, random_batch)
        given = replicate(state), replicate(frozen), split_over_devices(random_batch)
        compiled = compile_step(step_of("device")).lower(*given).compile()
        assert 1 <= len(re.findall(r" all-reduce(?:-start)?\(", compiled.as_text())) <= MOST
        got, metrics = compiled(*given)
        assert largest_difference(metrics, expected_metrics) < 2e-6
        assert largest_difference(got.players, expected.players) < 2e-6
        statistics = got.players["generator"].variables["batch_stats"]
        before = state.players["generator"].variables["batch_stats"]
        assert largest_difference(statistics, before) > 1e-3
        for leaf in jax.tree.leaves(statistics):
            held = [np.asarray(shard.data) for shard in leaf.addressable_shards]
            assert len(held) == 4
            assert all(np.array_equal(one, held[0]) for one in held)


def test_one_device_does_the_same_under_both_choices(small_state, vgg_parameters, random_batch):
    state = jax.device_get(restarted(small_state, optimizers(SGD)))
    batch = {name: array[None] for name, array in random_batch.items()}
    found = [
        compile_step(step_of(choice, adversarial=False), devices=jax.devices()[:1])(
            state, vgg_parameters, batch
        )
        for choice in ("all", "device")
    ]
    assert largest_difference(*found) < 1e-6  # running means are rounded in another place


def test_the_choice_of_a_page_reaches_networks_and_step():
    words = ["--config.vgg.weights=random", "--config.devices.batch_norm=device"]
    experiment = experiment_of(load_config("srgan", words))
    assert discriminator_of(experiment).axis_name is None
    assert compute_options_of(experiment).batch_norm == "device"


@pytest.mark.parametrize(
    ("page", "words", "said"),
    [
        ("srgan", ["objective.relativistic=True"], "compares with the batch of all devices"),
        ("default", [], "model 'unet' has no batch norm: set it to 'all'"),
        ("srgan", ["devices.batch_norm=none"], "devices.batch_norm is 'none'; known: all, device"),
    ],
)
def test_what_has_no_statistics_of_its_own_is_refused(page, words, said):
    words = [f"--config.{word}" for word in ("devices.batch_norm=device", *words)]
    with pytest.raises(OptionError, match=said):
        experiment_of(load_config(page, words))
