"""From kernels to numbers: what a program costs on a described GPU, and how that was reckoned."""

import collections
from collections.abc import Sequence
from typing import Any

from launch.bench.plan_kernels import Kernel
from launch.bench.plan_target import Target

SHARES = {"bf16": 0.55, "f16": 0.55, "tf32": 0.45, "f32": 0.7, "f64": 0.7}
"""Of a device's products per second that libraries' convolutions are taken to reach."""

OF_MEMORY = 0.8
"""Share of a memory's bytes per second that kernels are taken to reach."""

KERNEL_US = 2.0
"""What starting a kernel takes, or waiting for the one before; told apart, not in the roofline."""

SMALL_BYTES = 10**6
"""A kernel that moves less is over before it has started well."""

SMALL_REDUCTION_BYTES = 10**5
"""Statistics of batch norms are smaller; gradients, gathered by XLA, are larger."""


def assumptions(target: Target) -> dict[str, Any]:
    """All that a time of :func:`cost` rests on."""
    return {
        "device": target.title,
        "tb_per_s": target.bytes_per_s / 1e12,
        "share_of_memory": OF_MEMORY,
        "tflop_per_s": {number: rate / 1e12 for number, rate in target.flop_per_s.items()},
        "share_of_tflop": SHARES,
        "kernel_us": KERNEL_US,
        "said": "a kernel takes the longer of its products and its bytes; never measured, "
        "no autotuning, no cache between kernels",
    }


def cost(kernels: Sequence[Kernel], target: Target, *, calls: int = 1) -> dict[str, Any]:
    """Sums over the kernels of a program that runs ``calls`` times.

    Returns:
        Numbers by name: kernels and how many of them are small, TFLOP by number, GB, all-reduces,
        and milliseconds by roofline.
    """
    flop: collections.defaultdict[str, float] = collections.defaultdict(float)
    for kernel in kernels:
        if kernel.flop:
            flop[kernel.number] += calls * kernel.times * kernel.flop / 1e12

    def count(chosen: Sequence[Kernel]) -> int:
        return calls * sum(kernel.times for kernel in chosen)

    reduced = [kernel for kernel in kernels if kernel.kind == "all-reduce"]
    return {
        "kernels": count(kernels),
        "kernels_small": count([k for k in kernels if k.moved < SMALL_BYTES]),
        "tflop": dict(flop),
        "gb": calls * sum(k.times * k.moved for k in kernels) / 1e9,
        "all_reduces": count(reduced),
        "all_reduces_small": count([k for k in reduced if k.moved < 2 * SMALL_REDUCTION_BYTES]),
        "roofline_ms": calls * 1e3 * sum(k.times * seconds(k, target) for k in kernels),
        "starts_ms": count(kernels) * KERNEL_US / 1e3,
    }


def seconds(kernel: Kernel, target: Target) -> float:
    """The longer of a kernel's products and its bytes."""
    moving = kernel.moved / (target.bytes_per_s * OF_MEMORY)
    if not kernel.flop:
        return moving
    return max(moving, kernel.flop / (target.flop_per_s[kernel.number] * SHARES[kernel.number]))


def added(costs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The cost of several programs one after the other."""
    total: dict[str, Any] = {}
    for one in costs:
        for name, value in one.items():
            if isinstance(value, dict):
                sums = collections.Counter(total.get(name, {}))
                sums.update(value)
                total[name] = dict(sums)
            else:
                total[name] = total.get(name, 0) + value
    return total
