"""Devices of a machine without a GPU: one for each of its cores, as many as share a batch evenly.

XLA's CPU compiler runs many kernels of a convolutional network on one thread, so that one device
leaves cores idle; each of several virtual devices has a thread of its own (docs/speed.md).
"""

import os
import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import jax

COUNT_VARIABLE = "JAX_NUM_CPU_DEVICES"
COUNT_FLAG = "xla_force_host_platform_device_count"
COUNT_SETTING = "jax_num_cpu_devices"
NOT_TOLD = -1
"""JAX's setting where nobody has set it."""

Made = TypeVar("Made")


def usable_cores() -> int:
    """Cores that this process may use, as its system and (from 3.13 on) Python's own limits say.

    Example:
        >>> usable_cores() >= 1
        True
    """
    if hasattr(os, "process_cpu_count"):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def even_share(samples: int, most: int) -> int:
    """The largest number up to ``most`` into which a number of samples divides.

    Raises:
        ValueError: either is below 1.

    Example:
        >>> even_share(8, 6), even_share(12, 6), even_share(7, 6)
        (4, 6, 1)
    """
    if samples < 1 or most < 1:
        raise ValueError(f"{samples} samples among {most}; expected 1 or more of both")
    return next(count for count in range(min(samples, most), 0, -1) if samples % count == 0)


def is_count_told(environment: Mapping[str, str]) -> bool:
    """Whether an environment says how many devices a CPU is: that wins over everything here.

    Example:
        >>> is_count_told({"JAX_NUM_CPU_DEVICES": "2"}), is_count_told({})
        (True, False)
    """
    return COUNT_VARIABLE in environment or COUNT_FLAG in environment.get("XLA_FLAGS", "")


def start_cpu_devices(samples: int) -> None:
    """Makes the CPU as many devices as its cores, as far as they share a batch evenly.

    Nothing changes where somebody has told a number, or where JAX has begun to compute: what is
    there is used then. GPUs are not touched.

    Args:
        samples: of a batch.

    Example:
        >>> start_cpu_devices(8)
        >>> 8 % len(even_devices(8))
        0
    """
    if is_count_told(os.environ) or jax.config.values[COUNT_SETTING] != NOT_TOLD:
        return
    try:
        jax.config.update(COUNT_SETTING, even_share(samples, usable_cores()))
    except RuntimeError:
        return  # JAX has begun to compute


def even_devices(samples: int) -> list[jax.Device]:
    """The devices of this process over which a batch is shared evenly: on a CPU as many as can.

    Args:
        samples: of a batch.

    Returns:
        On GPUs all there are, whatever divides.

    Example:
        >>> len(even_devices(1)) if jax.local_devices()[0].platform == "cpu" else 1
        1
    """
    devices = jax.local_devices()
    if devices[0].platform != "cpu":
        return devices
    return devices[: even_share(samples, len(devices))]


def on_every_device(work: Callable[[int], Made], count: int, *, worth: int = 1) -> Iterator[Made]:
    """Results of ``work(0) .. work(count - 1)`` in order, as many at a time as there are devices.

    Each is called in a thread of its own, with a device of its own as JAX's default. The first
    error ends it: what has not begun by then is not begun.

    Args:
        work: takes a number; what it needs from JAX is not committed to a device.
        count: of the numbers.
        worth: numbers for which a device is worth compiling its own programs.

    Example:
        >>> list(on_every_device(lambda number: number**2, 3))
        [0, 1, 4]
    """
    devices = jax.local_devices()[: max(count // worth, 1)]
    if len(devices) == 1:
        yield from map(work, range(count))
        return
    free: queue.SimpleQueue[jax.Device] = queue.SimpleQueue()
    for device in devices:
        free.put(device)

    def on_one(number: int) -> Made:
        device = free.get()
        try:
            with jax.default_device(device):
                return work(number)
        finally:
            free.put(device)

    with ThreadPoolExecutor(len(devices)) as pool:
        try:
            yield from pool.map(on_one, range(count))
        finally:
            pool.shutdown(cancel_futures=True)
