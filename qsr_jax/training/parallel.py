"""The one place that says how a step runs on several devices.

``jax.pmap`` with unmapped state (``in_axes=None``, ``out_axes=None``): no leading device axis, so
the state is saved as it is and restored on any number of devices. Since JAX 0.8 this is
``jit(shard_map)`` underneath. A value that differs between devices would silently come back as
device 0's; the law "four devices do what one does" is therefore a test.

With several processes (:mod:`qsr_jax.training.processes`) the axis runs over the devices of all of
them; every process passes its own part of the batch and holds the state on its own devices.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from qsr_jax.ops.devices import even_devices, is_count_told
from qsr_jax.training.state import TrainState
from qsr_jax.training.step import Metrics, Step
from qsr_jax.types import Batch

AXIS = "batch"

STOP_FLAG = "asked_to_stop"
"""In a batch, (devices,) int32: 1 where this process was asked to stop; in the metrics of its
step, the sum over all processes, so that all of them stop after the same step."""


def compile_step(step: Step, *, devices: Sequence[jax.Device] | None = None) -> Step:
    """Compiles a step over all devices; its state is donated (do not touch it again).

    Args:
        step: of one device.
        devices: others than all there are, e.g. described ones that are only compiled for.
    """

    def with_flag(state: TrainState, frozen: Any, batch: Batch) -> tuple[TrainState, Metrics]:
        if STOP_FLAG not in batch:
            return step(state, frozen, batch)
        rest = {name: array for name, array in batch.items() if name != STOP_FLAG}
        state, metrics = step(state, frozen, rest)
        return state, metrics | {STOP_FLAG: jax.lax.psum(batch[STOP_FLAG], AXIS)}

    return jax.pmap(
        with_flag,
        axis_name=AXIS,
        in_axes=(None, None, 0),
        out_axes=(None, None),
        donate_argnums=(0,),
        devices=devices,
    )


@functools.cache
def _adder() -> Callable[..., Any]:
    def step(state: Any, _: Any, batch: Batch) -> tuple[Any, Metrics]:
        return state, {"sum": jax.lax.psum(batch["rows"], AXIS)}

    return compile_step(step)


def add_over_processes(row: np.ndarray) -> np.ndarray:
    """The sum of every process' (n,) row, in every process, by the same psum as the step's.

    On CPUs the first sum of several processes waits 30 s for the slowest and fails; later ones
    wait for minutes. So the first is due when all have just met, not when one still compiles.
    """
    rows = np.zeros((jax.local_device_count(), *row.shape), row.dtype)
    rows[0] = row
    return np.asarray(_adder()(np.float32(0), np.float32(0), {"rows": rows})[1]["sum"])


def step_devices(samples: int) -> list[jax.Device]:
    """The devices of this process that a step runs on.

    On CPUs as many as share a batch evenly; all there are on GPUs, with several processes, and
    where the environment says how many a CPU is: a batch that does not divide is refused there.

    Args:
        samples: of a batch that have to be shared.
    """
    if jax.process_count() > 1 or is_count_told(os.environ):
        return jax.local_devices()
    return even_devices(samples)


def replicate(tree: Any, *, devices: Sequence[jax.Device] | None = None) -> Any:
    """Places a pytree on every device of this process, as the compiled step returns it.

    Doing this once before the first step spares a second trace.

    Args:
        tree: pytree of arrays.
        devices: others than all of this process.
    """
    return jax.device_put(tree, NamedSharding(_mesh(devices), PartitionSpec()))


def spread_samples(batch: Batch, *, devices: Sequence[jax.Device]) -> dict[str, Any]:
    """Places a batch in even parts on devices, for programs of a process on its own."""
    return dict(jax.device_put(dict(batch), NamedSharding(_mesh(devices), PartitionSpec(AXIS))))


def _mesh(devices: Sequence[jax.Device] | None) -> Mesh:
    return Mesh(np.asarray(jax.local_devices() if devices is None else devices), (AXIS,))


def attach_stop_flag(batch: Batch, *, asked: bool) -> dict[str, np.ndarray]:
    """A batch split over devices, and on every device whether this process was asked to stop."""
    return {**batch, STOP_FLAG: np.full(jax.local_device_count(), asked, np.int32)}


def split_over_devices(batch: Batch, *, devices: int | None = None) -> dict[str, np.ndarray]:
    """Adds the device axis to this process' part: (n, …) to (devices, n / devices, …).

    The compiled step runs on the first of the devices, as many as there are parts.

    Args:
        batch: of this process.
        devices: how many, if not all of this process.

    Raises:
        ValueError: the batch does not divide by the number of devices. (pmap would otherwise
            run on fewer devices without a word.)
    """
    devices = devices or jax.local_device_count()
    sizes = {name: len(array) for name, array in batch.items()}
    if any(size % devices for size in sizes.values()):
        raise ValueError(f"batch {sizes} does not divide by {devices} devices; set data.batch_size")
    return {
        name: array.reshape(devices, len(array) // devices, *array.shape[1:])
        for name, array in batch.items()
    }
