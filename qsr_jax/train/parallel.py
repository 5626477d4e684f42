"""The one place that says how a step runs on several devices.

``jax.pmap`` with unmapped state (``in_axes=None``, ``out_axes=None``): no leading device axis, so
the state is saved as it is and restored on any number of devices. Since JAX 0.8 this is
``jit(shard_map)`` underneath. A value that differs between devices would silently come back as
device 0's; the law "four devices do what one does" is therefore a test.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from qsr_jax.train.steps import Step
from qsr_jax.types import Batch

AXIS = "batch"


def compile_step(step: Step) -> Step:
    """Compiles a step over all local devices; its state is donated (do not touch it again)."""
    return jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, None, 0),
        out_axes=(None, None),
        donate_argnums=(0,),
    )


def replicate(tree: Any) -> Any:
    """Places a pytree on every local device, as the compiled step returns it.

    Doing this once before the first step spares a second trace.
    """
    mesh = Mesh(np.asarray(jax.local_devices()), (AXIS,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def split_over_devices(batch: Batch) -> dict[str, np.ndarray]:
    """Adds the device axis: (n, …) to (devices, n / devices, …).

    Raises:
        ValueError: the batch does not divide by the number of devices. (pmap would otherwise
            run on fewer devices without a word.)
    """
    devices = jax.local_device_count()
    sizes = {name: len(array) for name, array in batch.items()}
    if any(size % devices for size in sizes.values()):
        raise ValueError(f"batch {sizes} does not divide by {devices} devices; set data.batch_size")
    return {
        name: array.reshape(devices, len(array) // devices, *array.shape[1:])
        for name, array in batch.items()
    }
