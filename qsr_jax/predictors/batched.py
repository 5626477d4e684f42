"""One compiled program per model: whole slices, a batch at a time, physical units in and out.

The program is kept by JAX under (network, task, shape), so that a second volume, a second call and
another training of the same network find it compiled. The last batch is filled up with copies of
the last slice, which are thrown away: every batch has one shape. On a CPU of several devices each
takes an even part of a batch, whole slices, and so the same bits as one device.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from qsr_jax.maps import MAPS
from qsr_jax.objectives.objective import output_of
from qsr_jax.ops.devices import even_devices
from qsr_jax.tasks import JointMaps

BATCH = 4
"""Slices at a time. On CPU cores a slice costs the same alone or among others (0.15 s on 2 cores
with 64 features); the activations of 4 slices of 256 x 256 take 67 MB per layer."""

FLOAT32, TF32 = "float32", "tf32"
PRECISIONS: Mapping[str, str] = {FLOAT32: "highest", TF32: "high"}
"""How a prediction's products may round their factors, and what JAX calls it. "tf32" is
TensorFloat-32 (10 bits of mantissa, sums in float32) on NVIDIA GPUs that have it; elsewhere it is
float32, bit for bit."""

SLICES = "slices"
"""Axis of the devices among which a batch is shared."""

Variables = Mapping[str, Any]
"""{"params": ..., and running statistics} of one network."""


@functools.partial(jax.jit, static_argnames=("network", "task", "precision"))
def super_resolve(
    variables: Variables,
    slices: jax.Array,
    *,
    network: nn.Module,
    task: JointMaps,
    precision: str = FLOAT32,
) -> jax.Array:
    """Physical maps of a batch of slices, in full float32 unless TF32 is asked for.

    GPUs would multiply in TF32 by default, which moves T1 in tissue by 0.2 ms RMS (docs/speed.md).
    The precision is set here, inside what is compiled, so that no caller can forget it.

    Args:
        variables: of the network.
        slices: (n + context - 1, h, w, c) physical units; the slices beside the batch stand before
            and after it.
        network: maps (n, h, w, c * context) to (n, scale*h, scale*w, c) in network scale.
        task: what its numbers mean.
        precision: key of :data:`PRECISIONS`.

    Returns:
        (n, scale*h, scale*w, c) physical units, not clamped; behind them their standard deviations
        where the network tells them, (…, 2 c).
    """
    beside, count = task.context // 2, len(task.names)
    with jax.default_matmul_precision(PRECISIONS[precision]):
        seen = task.inputs(slices)["lr"][beside : len(slices) - beside]
        output = output_of(network, variables, seen, train=False)
        maps, log_spread = output[..., :count], output[..., count:]
        if not log_spread.size:
            return task.physical(maps)
        return jnp.concatenate([task.physical(maps), task.physical_spread(maps, log_spread)], -1)


@functools.partial(jax.jit, static_argnames=("mesh", "network", "task", "precision"))
def _in_parts(variables: Variables, parts: jax.Array, *, mesh: Mesh, **how: Any) -> jax.Array:
    """(parts, n + context - 1, h, w, c) to (parts, n, …): each device runs one part."""

    def one(variables: Variables, parts: jax.Array) -> jax.Array:
        return super_resolve(variables, parts[0], **how)[None]

    return jax.shard_map(one, mesh=mesh, in_specs=(P(), P(SLICES)), out_specs=P(SLICES))(
        variables, parts
    )


def predict_maps(
    network: nn.Module,
    variables: Variables,
    task: JointMaps,
    maps: np.ndarray,
    *,
    batch: int,
    precision: str = FLOAT32,
) -> np.ndarray:
    """Runs a whole stack of slices through :func:`super_resolve`, ``batch`` slices at a time.

    Args:
        network: see :func:`super_resolve`.
        variables: of the network.
        task: what its numbers mean.
        maps: (z, h, w, c) physical units.
        batch: slices at a time, 1 or more.
        precision: key of :data:`PRECISIONS`.

    Returns:
        (z, scale*h, scale*w, c) float32, or 2 c, see :func:`super_resolve`.
    """
    beside, last = task.context // 2, len(maps) - 1
    run, count = _runner(variables, batch, network=network, task=task, precision=precision)
    made = []
    for start in range(0, len(maps), batch):
        begins = np.arange(start, start + batch, batch // count)[:, None]
        places = begins + np.arange(-beside, batch // count + beside)
        # Beyond the stack its end is repeated, as in training.
        made.append(run(maps[np.clip(places, 0, last)].astype(np.float32)))
    whole = [np.asarray(one) for one in made]
    return np.concatenate([one.reshape(batch, *one.shape[-3:]) for one in whole])[: len(maps)]


def _runner(
    variables: Variables, batch: int, **how: Any
) -> tuple[Callable[[np.ndarray], jax.Array], int]:
    """What runs a batch (parts, n + context - 1, h, w, c), and into how many parts it is cut."""
    devices = even_devices(batch)
    if devices[0].platform != "cpu" or len(devices) == 1:
        whole = functools.partial(super_resolve, variables, **how)
        return lambda parts: whole(jnp.asarray(parts[0])), 1
    mesh = Mesh(np.asarray(devices), (SLICES,))
    everywhere = jax.device_put(variables, NamedSharding(mesh, P()))

    def run(parts: np.ndarray) -> jax.Array:
        here = jax.device_put(parts, NamedSharding(mesh, P(SLICES)))
        return _in_parts(everywhere, here, mesh=mesh, **how)

    return run, len(devices)


def clamp(maps: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Sets what no such map can be to the nearer end of its range, and counts it.

    The range is 0 to ``network_max`` of the map: the range of the network scale itself. Every
    target of training lies inside (``scanner_max`` is smaller), so that clamping moves no value
    away from what is true; SRGAN's tanh cannot leave it, so its numbers stay as they are; and every
    file and reader of the house can hold it. Values that are not numbers stay, and the writers
    refuse them.

    Args:
        maps: (..., c) physical units.
        names: c keys of :data:`qsr_jax.maps.MAPS`.

    Returns:
        The maps, and the number of values that were set, for each map.

    Example:
        >>> values, counts = clamp(np.array([[-2.0, 10.0], [50.0, 190.0]]), ("t1", "pd"))
        >>> values.tolist(), counts
        ([[0.0, 10.0], [50.0, 180.0]], (1, 1))
    """
    high = np.array([MAPS[name].network_max for name in names], maps.dtype)
    outside = (maps < 0) | (maps > high)
    counts = np.count_nonzero(outside.reshape(-1, len(names)), axis=0)
    clipped = np.clip(maps, 0, high) if outside.any() else maps
    return clipped, tuple(int(count) for count in counts)


def clamp_spread(std: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Standard deviations, none above the range of its map.

    A value that lies in a range of :func:`clamp` cannot stray further than the range is wide; what
    a network says beyond that, in a few voxels of fluid, no file of the house would hold.

    Args:
        std: (..., c) physical units. Values that are not numbers stay.
        names: c keys of :data:`qsr_jax.maps.MAPS`.

    Example:
        >>> clamp_spread(np.array([[40.0, 13088.0]]), ("t1", "t2")).tolist()
        [[40.0, 2200.0]]
    """
    return np.minimum(std, np.array([MAPS[name].network_max for name in names], std.dtype))
