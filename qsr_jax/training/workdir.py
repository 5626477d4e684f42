"""What a training run says of itself: its config, where it stands, what its numbers mean."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Collection
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from launch.changes import (
    Changes,
    Claim,
    check_config,
    check_document,
    check_keys,
    differences,
    record,
)
from launch.config.build import describe_features
from launch.config.page import flatten
from launch.status import RUN_JSON
from qsr_jax import __version__
from qsr_jax.data.records.open import Records
from qsr_jax.maps import MapSpec

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def claim_workdir(
    workdir: Path, config: ConfigDict, *, begun: bool, allowed: Collection[str]
) -> Claim:
    """Writes the config into a workdir; refuses one in which another config has begun.

    What changed in a run that has begun, and may, is written by :func:`adopt`.
    """
    path, mine = workdir / "config.json", flatten(config)
    check_keys(allowed, mine)
    if begun and path.exists():
        changes = differences(json.loads(path.read_text(encoding="utf-8")), mine)
        check_config(workdir, changes, allowed)
        return Claim(workdir, config, allowed, changes)
    _write_config(workdir, config)
    return Claim(workdir, config, allowed, {})


def adopt(claim: Claim, found: dict[str, Any], document: dict[str, Any], *, step: int) -> Changes:
    """Goes on from a checkpoint with what changed and may; refuses other data and versions.

    Args:
        claim: the workdir and what may change.
        found: the checkpoint's document.
        document: the document of the run that starts now.
        step: of the checkpoint.

    Returns:
        What changed; the workdir's config is the new one from here on.

    Raises:
        CheckpointError: the data or the version changed, which was not allowed.
    """
    changes = claim.changes | check_document(found, document, claim.allowed)
    if changes:
        record(claim.workdir, changes, step=step)
        _write_config(claim.workdir, claim.config)
    return changes


def _write_config(workdir: Path, config: ConfigDict) -> None:
    path, mine = workdir / "config.json", flatten(config)
    workdir.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(mine, indent=1), encoding="utf-8")
    temporary.replace(path)


def tell_status(
    workdir: Path, config: ConfigDict, total_steps: int, document: dict[str, Any]
) -> None:
    """Leaves what ``launch.status`` cannot know from the log."""
    run = {
        "map": config.map,
        "total_steps": total_steps,
        "batch_size": config.data.batch_size,
        "data_fingerprint": document["data_fingerprint"],
        "environment": document["environment"],
    }
    (workdir / RUN_JSON).write_text(json.dumps(run, indent=1), encoding="utf-8")


def describe(config: ConfigDict, spec: MapSpec, records: Records) -> dict[str, Any]:
    """The checkpoint's document: what its numbers mean and where they come from."""
    return {
        "map": spec.name,
        "unit": spec.unit,
        "network_max": spec.network_max,
        "scale": records.scale,
        "grid_alignment": records.grid_alignment,
        "lr_shape": list(records.lr_shape),
        "lr_spacing_mm": list(records.lr_spacing_mm),
        "generator": config.generator.to_dict(),
        "config": flatten(config),
        "data_fingerprint": records.fingerprint,
        "train_slices": len(records),
        "notes": [describe_features(config)],
        "environment": {
            "python": platform.python_version(),
            "devices": [device.device_kind for device in jax.devices()],
            "processes": jax.process_count(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "qsr_jax": __version__,
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }


def common(document: dict[str, Any]) -> dict[str, Any]:
    """What the processes of one run must have in common."""
    environment = document["environment"]
    return {
        "config": document["config"],
        "data set": document["data_fingerprint"],
        "version": (environment["qsr_jax"], environment["packages"]),
        "number of devices": jax.local_device_count(),
    }


def how_exactly(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What a resumed run may promise, from where it ran and where it runs."""
    changed = [key for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)]
    if not changed:
        return "bit for bit"
    return f"within rounding only: {', '.join(changed)} differ from when it was saved"
