"""What a training run says of itself: its settings, where it stands, what its numbers mean."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jax

from qsr_jax import __version__
from qsr_jax.checkpoint import DRAWN, FORMAT_VERSION
from qsr_jax.data.records.card import registration_notes
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.data.studies.learned import LEARNED
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.maps import spec_of
from qsr_jax.tasks import JointMaps
from qsr_jax.training.assemble import describe_features
from qsr_jax.training.changes import (
    Changes,
    Claim,
    check_config,
    check_document,
    check_keys,
    differences,
    record,
)
from qsr_jax.training.experiment import Experiment

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
RUN_JSON, CONFIG_JSON = "run.json", "config.json"


def claim_workdir(
    workdir: Path, experiment: Experiment, *, begun: bool, allowed: Collection[str]
) -> Claim:
    """Writes the settings into a workdir; refuses one in which others have begun.

    What changed in a run that has begun, and may, is written by :func:`adopt`.

    Raises:
        OptionError: a setting changed and is not allowed to, or ``allowed`` names none.
    """
    path, mine = workdir / CONFIG_JSON, experiment.leaves()
    check_keys(allowed, mine)
    if begun and path.exists():
        changes = differences(json.loads(path.read_text(encoding="utf-8")), mine)
        check_config(workdir, changes, allowed)
        return Claim(workdir, experiment, allowed, changes)
    _write_config(workdir, experiment)
    return Claim(workdir, experiment, allowed, {})


def adopt(
    claim: Claim, found: Mapping[str, Any], document: Mapping[str, Any], *, step: int
) -> Changes:
    """Goes on from a checkpoint with what changed and may; refuses other data and versions.

    Args:
        claim: the workdir and what may change.
        found: the checkpoint's document.
        document: the document of the run that starts now.
        step: of the checkpoint.

    Returns:
        What changed; the workdir's settings are the new ones from here on.

    Raises:
        CheckpointError: the data or the version changed, which was not allowed.
    """
    changes = claim.changes | check_document(found, document, claim.allowed)
    if changes:
        record(claim.workdir, changes, step=step)
        _write_config(claim.workdir, claim.experiment)
    return changes


def _write_config(workdir: Path, experiment: Experiment) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    write_text_atomically(workdir / CONFIG_JSON, json.dumps(experiment.leaves(), indent=1))


def tell_status(
    workdir: Path, experiment: Experiment, total_steps: int, document: Mapping[str, Any]
) -> None:
    """Leaves what ``launch.status`` cannot know from the log."""
    run = {
        "map": experiment.map,
        "total_steps": total_steps,
        "batch_size": experiment.data.batch_size,
        "data_fingerprint": document["data_fingerprint"],
        "environment": document["environment"],
    }
    write_text_atomically(workdir / RUN_JSON, json.dumps(run, indent=1))


def describe(experiment: Experiment, task: JointMaps, records: JointRecords) -> dict[str, Any]:
    """The checkpoint's document: what its numbers mean and where they come from."""
    specs = [spec_of(name) for name in task.names]
    return {
        "version": FORMAT_VERSION,
        "maps": list(task.names),
        "unit": [spec.unit for spec in specs],
        "network_max": [spec.network_max for spec in specs],
        "scale": records.scale,
        "grid_alignment": records.grid_alignment,
        "lr_shape": list(records.lr_shape),
        "lr_spacing_mm": list(records.lr_spacing_mm),
        "model": dict(experiment.model),
        "task": task.describe(),
        "objective": experiment.objective.name,
        "config": experiment.leaves(),
        "data_fingerprint": records.fingerprint,
        "train_slices": len(records),
        DRAWN: dict(records.settings),
        LEARNED: dict(records.learned),
        "notes": [describe_features(experiment), *registration_notes(records.registration)],
        "environment": environment(),
    }


def environment() -> dict[str, Any]:
    """Everything that may change the last bit of a result."""
    return {
        "python": platform.python_version(),
        "devices": [device.device_kind for device in jax.devices()],
        "platform": jax.devices()[0].client.platform_version,
        "processes": jax.process_count(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "qsr_jax": __version__,
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "gpu_packages": _gpu_packages(),
        "gpu_driver": _gpu_driver(),
    }


def _gpu_packages() -> dict[str, str]:
    """Versions of the CUDA libraries that pip installed: cuDNN chooses how a convolution rounds."""
    found = {d.metadata["Name"]: d.version for d in importlib.metadata.distributions()}
    return {
        name: v for name, v in sorted(found.items()) if name.startswith(("nvidia-", "jax-cuda"))
    }


NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def _gpu_driver() -> str:
    """What the kernel says of NVIDIA's driver, or nothing."""
    try:
        return NVIDIA_DRIVER.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return ""


def common(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the processes of one run must have in common."""
    environment = document["environment"]
    return {
        "config": document["config"],
        "data set": document["data_fingerprint"],
        "version": (environment["qsr_jax"], environment["packages"]),
        "number of devices": jax.local_device_count(),
    }


DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def how_exactly(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What a resumed run may promise, from where it ran and where it runs."""
    changed = [key for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)]
    if changed:
        return f"within rounding only: {', '.join(changed)} differ from when it was saved"
    if jax.default_backend() == "gpu" and DETERMINISTIC not in now["xla_flags"]:
        return f"within rounding only: bit for bit on a GPU needs XLA_FLAGS={DETERMINISTIC}"
    return "bit for bit"
