"""Steps whose records lie on the device, with the frozen features of the routine images.

Every device of every process holds *all* records of its split: an epoch is one permutation of all
of them, so any device may need any of them; 2900 pairs of the paper's size are 2.7 GB with masks.
Neighbouring slices are picked, not kept twice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from qsr_jax.data.records.on_device import NEIGHBOURS
from qsr_jax.objectives.objective import output_of
from qsr_jax.tasks import JointMaps
from qsr_jax.training.state import TrainState
from qsr_jax.training.step import Metrics, Step
from qsr_jax.types import Batch

FEATURES, RECORDS = "features", "records"
"""Keys of what a resident step gets as its frozen argument."""


def from_resident(step: Step) -> Step:
    """A step whose batch is ``sample_id`` and whose frozen argument also holds the records.

    The records are picked inside the compiled program, so nothing but indices travels. What the
    step then sees, and does, is what it does with batches that carry the records, bit for bit.
    """

    def resident(
        state: TrainState, frozen: Mapping[str, Any], batch: Batch
    ) -> tuple[TrainState, Metrics]:
        # The barrier keeps the picking out of the fusions behind it, which could round otherwise.
        picked = jax.lax.optimization_barrier(pick(frozen[RECORDS], batch["sample_id"]))
        return step(state, frozen[FEATURES], {**picked, **batch})

    return resident


def pick(records: Mapping[str, ArrayLike], ids: ArrayLike) -> dict[str, jax.Array]:
    """The records ``ids`` of stacks (N, ...), the slices beside them in the channels of ``lr``."""
    stacks = {name: stack for name, stack in records.items() if name != NEIGHBOURS}
    ids = jnp.asarray(ids)
    picked = {name: jnp.take(jnp.asarray(stack), ids, axis=0) for name, stack in stacks.items()}
    if NEIGHBOURS in records:
        places = jnp.take(jnp.asarray(records[NEIGHBOURS]), ids, axis=0)
        beside = [jnp.take(jnp.asarray(records["lr"]), column, axis=0) for column in places.T]
        picked["lr"] = jnp.concatenate(beside, -1)
    return picked


def routine_features(
    network: nn.Module | None,
    frozen: Any,
    records: Mapping[str, np.ndarray],
    *,
    task: JointMaps,
    matmul: str,
    batch_size: int,
) -> np.ndarray:
    """Features of every routine slice (N, h', w', c), computed once, in the network's precision.

    Valid for whole slices that are not mirrored: a crop's features see a border of zeros that a
    slice's do not. They are gathered on the host, so that a device never holds them twice.

    Args:
        network: the frozen network.
        frozen: its parameters.
        records: stacks of all records.
        task: makes targets of them.
        matmul: precision of float32 products.
        batch_size: slices at a time.
    """
    assert network is not None
    precision = network.dtype or jnp.float32

    @jax.jit
    def compute(params: Any, batch: Batch) -> jax.Array:
        with jax.default_matmul_precision(matmul):
            features = output_of(network, {"params": params}, task.whole(batch).target)
        return features.astype(precision)

    count = len(records["hr"])
    found: np.ndarray | None = None
    for start in range(0, count, batch_size):
        ids = np.arange(start, start + batch_size) % count  # one shape, one program
        batch = pick(records, ids) | {"sample_id": ids.astype(np.int32)}
        features = np.asarray(compute(frozen, batch))
        if found is None:
            found = np.empty((count, *features.shape[1:]), features.dtype)
        found[start : start + batch_size] = features[: count - start]
    assert found is not None
    return found


def features_bytes(network: nn.Module | None, side: Sequence[int], channels: int) -> int:
    """Bytes of the features of one routine slice of (rows, columns)."""
    assert network is not None
    image = jax.ShapeDtypeStruct((1, *side, channels), jnp.float32)
    shape = jax.eval_shape(lambda x: network.init_with_output(jax.random.key(0), x)[0], image)
    return shape.size * jnp.dtype(network.dtype or jnp.float32).itemsize
