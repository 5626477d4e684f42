"""What a network says of slices of weighted images that are not in a batch of records."""

import functools
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.objectives.objective import output_of, told_to
from qsr_jax.tasks import WeightedToMaps


def said_of(
    network: nn.Module,
    variables: Mapping[str, Any],
    task: WeightedToMaps,
    *slices: np.ndarray,
    common: bool,
    batch: int,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and the network's own standard deviations, (z, y, x, c) in physical units.

    Args:
        network: maps what the task shows to maps and, if it tells them, their spreads.
        variables: of the network.
        task: what its numbers mean.
        slices: images (z, y, x, 3), times (z, 7) and brain (z, y, x).
        common: whether the three contrasts share one gain.
        batch: slices at a time.
    """
    images, times, brain = slices
    parts = []
    for start in range(0, len(images), batch):
        places = np.clip(np.arange(start, start + batch), 0, len(images) - 1)
        part = (images[places], brain[places][..., None], times[places])
        given = [jnp.asarray(array, jnp.float32) for array in part]
        parts.append(_made(variables, *given, network=network, task=task, common=common))
    made = np.concatenate([np.asarray(part) for part in parts])[: len(images)]
    count = len(task.names)
    return made[..., :count], made[..., count:] if made.shape[-1] > count else None


@functools.partial(jax.jit, static_argnames=("network", "task", "common"))
def _made(
    variables: Mapping[str, Any],
    images: jax.Array,
    brain: jax.Array,
    acquisition_ms: jax.Array,
    *,
    network: nn.Module,
    task: WeightedToMaps,
    common: bool,
) -> jax.Array:
    """Maps of a batch of slices and, where the network tells them, their standard deviations."""
    count = len(task.names)
    with jax.default_matmul_precision("highest"):
        inputs = task.seen(images, brain, acquisition_ms, common=common)
        told = told_to(network, inputs)
        output = output_of(network, variables, inputs["lr"], train=False, **told)
        maps, log_spread = output[..., :count], output[..., count:]
        if not log_spread.size:
            return task.physical(maps)
        return jnp.concatenate([task.physical(maps), task.physical_spread(maps, log_spread)], -1)
