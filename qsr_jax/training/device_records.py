"""Steps whose records lie on the device, with the frozen features of the routine images.

Every device of every process holds *all* records of its split: an epoch is one permutation of all
of them, so any device may need any of them; 2900 pairs of the paper's size are 2.7 GB with masks.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from qsr_jax.maps import MapSpec
from qsr_jax.tasks.crops import to_scale
from qsr_jax.training.compute_options import Computing
from qsr_jax.training.state import GanState, Networks
from qsr_jax.training.steps import Step
from qsr_jax.training.terms import FEATURES_HR
from qsr_jax.types import Batch

FEATURES, RECORDS = "features", "records"
"""Keys of what a resident step gets as its frozen argument."""


def from_resident(step: Step) -> Step:
    """A step whose batch is ``sample_id`` and whose frozen argument also holds the records.

    The records are picked inside the compiled program, so nothing but indices travels. What the
    step then sees, and does, is what it does with batches that carry the records, bit for bit.
    """

    def resident(state: GanState, frozen: Mapping[str, Any], batch: Batch) -> tuple:
        ids = batch["sample_id"]
        picked = {name: jnp.take(stack, ids, axis=0) for name, stack in frozen[RECORDS].items()}
        # The barrier keeps the picking out of the fusions behind it, which could round otherwise.
        picked = jax.lax.optimization_barrier(picked)
        return step(state, frozen[FEATURES], {**picked, **batch})

    return resident


def routine_features(
    networks: Networks,
    features_params: Any,
    hr: jax.Array,
    *,
    spec: MapSpec,
    computing: Computing,
    batch_size: int,
) -> jax.Array:
    """Features of every routine slice (N, h', w', c), computed once, in the network's precision.

    Valid for whole slices that are not mirrored: a crop's features see a border of zeros that a
    slice's do not.
    """
    network = computing.applied_to(networks).features

    @jax.jit
    def compute(params: Any, stored: jax.Array) -> jax.Array:
        with jax.default_matmul_precision(computing.matmul):
            features = network.apply({"params": params}, to_scale(stored, spec))
        return features.astype(computing.precision)

    starts = range(0, len(hr), batch_size)
    return jnp.concatenate([compute(features_params, hr[s : s + batch_size]) for s in starts])


def with_features(records: Mapping[str, jax.Array], features: jax.Array) -> dict[str, jax.Array]:
    """Records that also carry their routine images' features."""
    return {**records, FEATURES_HR: features}
