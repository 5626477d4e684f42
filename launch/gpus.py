"""Which GPUs a machine has, and whose they are when several runs train side by side."""

import re
import subprocess
from collections.abc import Mapping

from qsr_jax.ops.devices import COUNT_VARIABLE, is_count_told

VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpu_shares(environment: Mapping[str, str], parallel: int) -> list[dict[str, str]]:
    """What each of several runs at a time adds to its environment: a GPU of its own.

    A run alone keeps all GPUs. Without the variable JAX would give every run all of them, and the
    second would find their memory taken. On CPUs several runs are one device each, if the
    environment says no other number: each would otherwise be as many as there are cores.

    Args:
        environment: of this process; ``CUDA_VISIBLE_DEVICES`` names the GPUs that may be used, or
            else ``nvidia-smi`` is asked; ``JAX_PLATFORMS=cpu`` uses none.
        parallel: runs at a time.

    Returns:
        One mapping per run at a time.

    Raises:
        ValueError: more runs at a time than GPUs.
    """
    gpus = visible_gpus(environment)
    if parallel == 1:
        return [{}]
    if not gpus:
        one = {} if is_count_told(environment) else {COUNT_VARIABLE: "1"}
        return [one] * parallel
    if parallel > len(gpus):
        raise ValueError(
            f"--parallel {parallel}: expected 1 to {len(gpus)}, as this machine lends "
            f"{len(gpus)} GPU(s) ({', '.join(gpus)}) and two runs do not fit on one. Set "
            "JAX_PLATFORMS=cpu to train on CPUs"
        )
    return [{VISIBLE: gpu} for gpu in gpus[:parallel]]


def visible_gpus(environment: Mapping[str, str]) -> list[str]:
    """Names of the GPUs that JAX would use, as ``CUDA_VISIBLE_DEVICES`` takes them.

    Asked of ``nvidia-smi``: JAX itself would take the GPUs' memory in asking.
    """
    if environment.get("JAX_PLATFORMS", "").split(",")[0] == "cpu":
        return []
    if VISIBLE in environment:
        names = [name.strip() for name in environment[VISIBLE].split(",")]
        return [name for name in names if name not in ("", "-1", "NoDevFiles")]
    try:
        asked = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return listed_gpus(asked.stdout)


def listed_gpus(listing: str) -> list[str]:
    r"""UUIDs in the answer of ``nvidia-smi -L``; of a GPU cut into MIG instances, theirs.

    >>> listed_gpus("GPU 0: NVIDIA H100 (UUID: GPU-1a)\nGPU 1: NVIDIA H100 (UUID: GPU-2b)")
    ['GPU-1a', 'GPU-2b']
    """
    found: list[str] = []
    for name in re.findall(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", listing):
        if name.startswith("MIG-") and found and found[-1].startswith("GPU-"):
            found.pop()  # the GPU that this instance is a part of
        found.append(name)
    return found
