"""GPUs that programs are planned for without having one, and what their numbers promise.

XLA compiles for a described device. What it would time there to choose between libraries' kernels
(autotuning) is off, and so are Triton's matrix products, which need it.
"""

import dataclasses
import importlib.util
import os
from collections.abc import Mapping, Sequence

import jax
from jax.experimental import topologies

OPTIONS: Mapping[str, str | bool] = {
    "xla_gpu_autotune_level": "0",
    "xla_gpu_enable_triton_gemm": False,
}
"""Of the compiler; all else is as on a GPU."""

PLUGINS = ("jax_plugins.xla_cuda12", "jax_plugins.xla_cuda13")


class NoCompilerError(ValueError):
    """XLA's compiler for GPUs is not installed."""


@dataclasses.dataclass(frozen=True)
class Target:
    """One GPU.

    Attributes:
        title: as its maker calls it.
        memory_bytes: of the device.
        bytes_per_s: of its memory.
        flop_per_s: of dense products by the numbers they compute in.
    """

    title: str
    memory_bytes: int
    bytes_per_s: float
    flop_per_s: dict[str, float] = dataclasses.field(
        default_factory=lambda: {
            "bf16": 989e12,
            "f16": 989e12,
            "tf32": 494e12,
            "f32": 67e12,
            "f64": 67e12,
        }  # fmt: skip
    )


TARGETS = {
    "h100": Target("NVIDIA H100 80GB HBM3", 84942979072, 3.35232e12),
    "h200": Target("NVIDIA H200", 141 * 10**9, 4.8e12),
}
"""H100 SXM and H200: one chip (Hopper, 132 multiprocessors), two memories; figures of NVIDIA's data
sheets. 67 TFLOP/s of float32 are the plain units', 494 of TF32 the tensor cores'."""

_CHIP = """
gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_core: 233472
  threads_per_core_limit: 2048
  core_count: 132
  fpus_per_core: 128
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  memory_bandwidth: {bytes_per_s}
  l2_cache_size: 52428800
  clock_rate_ghz: 1.98
  device_memory_size: {memory}
  shared_memory_per_block_optin: 232448
  cuda_compute_capability {{ major: 9 }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
device_description_str: "{title}"
"""


def devices_of(target: Target, count: int) -> Sequence[jax.Device]:
    """So many devices to compile for; nothing can run on them.

    Raises:
        NoCompilerError: the extra is not installed.
    """
    if not compiler_installed():
        raise NoCompilerError(
            "--what plan needs XLA's compiler for NVIDIA GPUs, which is not installed; it needs "
            'no GPU: pip install "qsr_jax[cuda12]"'
        )
    os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")  # no driver need be here
    told = _CHIP.format(
        bytes_per_s=int(target.bytes_per_s), memory=target.memory_bytes, title=target.title
    )
    found = topologies.get_topology_desc("gpu", "cuda", topology=f"1x1x{count}", target_config=told)
    return found.devices


def compiler_installed() -> bool:
    """Whether programs can be planned here."""
    if importlib.util.find_spec("jax_plugins") is None:
        return False
    return any(importlib.util.find_spec(plugin) for plugin in PLUGINS)
