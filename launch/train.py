"""Trains one model for one map, and goes on where a killed run stopped."""

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from launch.configuration import (
    ConfigError,
    add_config_argument,
    flatten,
    parse_with_config,
)
from launch.experiment import (
    build_networks,
    check_sizes,
    describe_features,
    features_parameters,
    planned_steps,
    steps_by_stage,
)
from launch.status import RUN_JSON
from launch.validation import BestCheckpoint, make_inspector, make_validator, with_alarms
from qsr_jax import __version__
from qsr_jax.checkpoint import CheckpointError, Checkpoints
from qsr_jax.data.pipeline import batches
from qsr_jax.data.records import Records, open_records
from qsr_jax.maps import MapSpec, spec_of
from qsr_jax.train.loop import Cadence, Callbacks, fit
from qsr_jax.train.parallel import replicate
from qsr_jax.train.record import Recorder
from qsr_jax.train.state import GanState, Networks, init_state
from qsr_jax.train.stopping import STOPPED, StopRequest

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.train --help``."""
    parser = argparse.ArgumentParser(prog="python -m launch.train", description=__doc__)
    add_config_argument(parser)
    parser.add_argument(
        "--data_dir", type=Path, required=True, help="folder made by data_tools.build_dataset"
    )
    parser.add_argument(
        "--workdir",
        type=Path,
        required=True,
        help="folder of this run: checkpoints, metrics.jsonl, TensorBoard; an unfinished run in it "
        "is resumed, bit for bit on the same machine and devices",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse a damaged or unfinished checkpoint instead of going back to the one before",
    )
    threading.excepthook = _tell_in_one_line
    try:
        arguments, config = parse_with_config(parser, argv)
        train(
            config,
            data_dir=arguments.data_dir,
            workdir=arguments.workdir,
            strict=arguments.strict,
        )
    except (ValueError, OSError) as error:
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # a save cut short
        raise SystemExit(f"error: {error}") from error


def _tell_in_one_line(failure: threading.ExceptHookArgs) -> None:
    """Background writers (checkpoints, TensorBoard) raise again where the loop can see it."""
    first = str(failure.exc_value).strip().split("\n")[0]
    print(f"background writer: {failure.exc_type.__name__}: {first[:300]}", file=sys.stderr)


def train(config: ConfigDict, *, data_dir: Path, workdir: Path, strict: bool) -> None:
    """Runs (or resumes) the experiment of a config page in ``workdir``.

    Raises:
        ConfigError: a value cannot be used, or the workdir belongs to another config.
        CheckpointError: the workdir was trained on other data, or, if ``strict``, its newest
            checkpoint is damaged or unfinished.
        DatasetError: the records are missing, incomplete or of another map.
        NonFiniteError: a step made NaN or infinity.
        SystemExit: with :data:`STOPPED`, after a signal and a save.
    """
    spec = spec_of(config.map)
    records = open_records(data_dir, spec.name, "train", fold=config.data.fold or None)
    networks = build_networks(config, scale=records.scale)
    total_steps = planned_steps(config, len(records))
    check_sizes(config, records)
    frozen = replicate(features_parameters(config))
    checkpoints = Checkpoints(workdir, keep=config.cadence.keep)
    claim_workdir(workdir, config, begun=checkpoints.newest_step is not None)
    document = describe(config, spec, records)
    state, first_step = start_state(networks, records, config, checkpoints, document, strict=strict)
    if first_step >= total_steps:
        print(f"{workdir}: already trained, {first_step} steps; nothing to do")
        return
    tell_status(workdir, config, total_steps, document)
    title = f"{spec.label} on {jax.device_count()} x {jax.devices()[0].device_kind}"
    best = BestCheckpoint(workdir, document, bias_percent=config.best.bias_percent)
    with (
        StopRequest() as request,
        Recorder(workdir, first_step=first_step, total_steps=total_steps, title=title) as recorder,
    ):
        people = open_records(data_dir, spec.name, "validation", fold=config.data.fold or None)
        validate = make_validator(config, networks, spec, people, recorder, best)
        _, done = fit(
            state,
            first_step=first_step,
            step_of=steps_by_stage(config, networks, spec, total_steps),
            frozen=frozen,
            batches=batches(
                records,
                batch_size=config.data.batch_size,
                seed=config.seed,
                start_step=first_step,
                num_threads=config.data.threads,
            ),
            cadence=cadence_of(config, total_steps),
            recorder=recorder,
            call=Callbacks(
                validate=with_alarms(config, workdir, recorder, validate),
                save=lambda step, state: checkpoints.save(step, state, state.served, document),
                inspect=make_inspector(records),
                stop=lambda: request.name is not None,
            ),
        )
        checkpoints.close()
        best.close()
    tell_end(workdir, done, total_steps, request.name)


def cadence_of(config: ConfigDict, total_steps: int) -> Cadence:
    """When a config logs, validates and saves."""
    return Cadence(
        total_steps=total_steps,
        log_every=config.cadence.log_every,
        validate_every=config.cadence.validate_every,
        save_every=config.cadence.save_every,
    )


def tell_end(workdir: Path, done: int, total_steps: int, signal_name: str | None) -> None:
    """Says how a run ended; one that was stopped early ends with :data:`STOPPED`."""
    if done < total_steps:
        print(
            f"{workdir}: stopped by {signal_name} after step {done} of {total_steps}, which is "
            "saved; the same command goes on"
        )
        raise SystemExit(STOPPED)
    print(f"{workdir}: trained to step {total_steps}")


def start_state(
    networks: Networks,
    records: Records,
    config: ConfigDict,
    checkpoints: Checkpoints,
    document: dict[str, Any],
    *,
    strict: bool,
) -> tuple[GanState, int]:
    """A fresh state, or the newest whole checkpoint's; placed on all devices."""

    def fresh() -> GanState:
        return init_state(
            jax.random.key(config.seed),
            networks,
            lr_shape=records.lr_shape,
            averaged=config.average.decay > 0.0,
        )

    for told in checkpoints.set_damaged_aside(strict=strict):
        print(told)
    state = replicate(jax.jit(fresh)())
    if checkpoints.newest_step is None:
        return state, 0
    step, state, found = checkpoints.restore(state)
    if found["data_fingerprint"] != document["data_fingerprint"]:
        raise CheckpointError(
            f"the checkpoint was trained on data {found['data_fingerprint'][:12]}…, --data_dir "
            f"holds {document['data_fingerprint'][:12]}…; use another --workdir"
        )
    print(
        f"goes on after step {step}, {how_exactly(found['environment'], document['environment'])}"
    )
    return state, step


def how_exactly(then: dict[str, Any], now: dict[str, Any]) -> str:
    """What a resumed run may promise, from where it ran and where it runs."""
    changed = [key for key in sorted(then.keys() | now.keys()) if then.get(key) != now.get(key)]
    if not changed:
        return "bit for bit"
    return f"within rounding only: {', '.join(changed)} differ from when it was saved"


def claim_workdir(workdir: Path, config: ConfigDict, *, begun: bool) -> None:
    """Writes the config into a workdir; refuses one in which another config has begun."""
    path, mine = workdir / "config.json", flatten(config)
    if begun and path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        for key in sorted(mine.keys() | theirs.keys()):
            if mine.get(key) != theirs.get(key):
                raise ConfigError(
                    f"{workdir} belongs to a run with {key} = {theirs.get(key)!r}, this config "
                    f"says {mine.get(key)!r}; use another --workdir or the same config"
                )
        return
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
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
            "xla_flags": os.environ.get("XLA_FLAGS", ""),
            "qsr_jax": __version__,
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }


if __name__ == "__main__":
    try:
        main()
    except SystemExit:
        # A save that was cut short leaves coroutines behind, which complain as the process ends.
        sys.unraisablehook = lambda _: None
        raise
