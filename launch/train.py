"""Trains one model for one map, and goes on where a killed run stopped."""

import argparse
import importlib.metadata
import json
import platform
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
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
from qsr_jax import __version__
from qsr_jax.checkpoint import CheckpointError, Checkpoints
from qsr_jax.data.pipeline import batches, in_order
from qsr_jax.data.records import Records, open_records
from qsr_jax.maps import MapSpec, from_network, spec_of, to_network
from qsr_jax.ops.resample import upsample
from qsr_jax.train.loop import Cadence, fit
from qsr_jax.train.parallel import replicate
from qsr_jax.train.record import Recorder
from qsr_jax.train.state import GanState, Networks, init_state
from qsr_jax.train.validate import make_scorer, validation_scores

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
    threading.excepthook = _tell_in_one_line
    try:
        arguments, config = parse_with_config(parser, argv)
        train(config, data_dir=arguments.data_dir, workdir=arguments.workdir)
    except (ValueError, OSError) as error:
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # a save cut short
        raise SystemExit(f"error: {error}") from error


def _tell_in_one_line(failure: threading.ExceptHookArgs) -> None:
    """Background writers (checkpoints, TensorBoard) raise again where the loop can see it."""
    first = str(failure.exc_value).strip().split("\n")[0]
    print(f"background writer: {failure.exc_type.__name__}: {first[:300]}", file=sys.stderr)


def train(config: ConfigDict, *, data_dir: Path, workdir: Path) -> None:
    """Runs (or resumes) the experiment of a config page in ``workdir``.

    Raises:
        ConfigError: a value cannot be used, or the workdir belongs to another config.
        CheckpointError: the workdir was trained on other data.
        DatasetError: the records are missing, incomplete or of another map.
    """
    spec = spec_of(config.map)
    records = open_records(data_dir, spec.name, "train")
    networks = build_networks(config, scale=records.scale)
    total_steps, warmup_steps = planned_steps(config, len(records))
    check_sizes(config, records)
    frozen = replicate(features_parameters(config))
    checkpoints = Checkpoints(workdir, keep=config.cadence.keep)
    claim_workdir(workdir, config, begun=checkpoints.newest_step is not None)
    document = describe(config, spec, records)
    state, first_step = start_state(networks, records, config.seed, checkpoints, document)
    title = f"{spec.label} on {jax.device_count()} x {jax.devices()[0].device_kind}"
    if first_step >= total_steps:
        print(f"{workdir}: already trained, {first_step} steps; nothing to do")
        return
    if first_step:
        print(f"{workdir}: goes on after step {first_step} of {total_steps}")
    with Recorder(workdir, first_step=first_step, total_steps=total_steps, title=title) as recorder:
        fit(
            state,
            first_step=first_step,
            step_of=steps_by_stage(config, networks, spec, warmup_steps),
            frozen=frozen,
            batches=batches(
                records,
                batch_size=config.data.batch_size,
                seed=config.seed,
                start_step=first_step,
                num_threads=config.data.threads,
            ),
            cadence=Cadence(
                total_steps=total_steps,
                log_every=config.cadence.log_every,
                validate_every=config.cadence.validate_every,
                save_every=config.cadence.save_every,
            ),
            recorder=recorder,
            validate=validator(config, networks, spec, data_dir, recorder),
            save=lambda step, state: checkpoints.save(step, state, state.generator, document),
        )
        checkpoints.close()
    print(f"{workdir}: trained to step {total_steps}")


def start_state(
    networks: Networks,
    records: Records,
    seed: int,
    checkpoints: Checkpoints,
    document: dict[str, Any],
) -> tuple[GanState, int]:
    """A fresh state, or the newest checkpoint's; placed on all devices."""

    def fresh() -> GanState:
        return init_state(jax.random.key(seed), networks, lr_shape=records.lr_shape)

    if checkpoints.newest_step is None:
        return replicate(jax.jit(fresh)()), 0
    step, state, found = checkpoints.restore(replicate(jax.jit(fresh)()))
    if found["data_fingerprint"] != document["data_fingerprint"]:
        raise CheckpointError(
            f"the checkpoint was trained on data {found['data_fingerprint'][:12]}…, --data_dir "
            f"holds {document['data_fingerprint'][:12]}…; use another --workdir"
        )
    return state, step


def validator(
    config: ConfigDict, networks: Networks, spec: MapSpec, data_dir: Path, recorder: Recorder
) -> Callable[[int, GanState], None]:
    """A callback that scores the generator on validation people, beside bicubic interpolation."""
    records = open_records(data_dir, spec.name, "validation")
    if len(records) == 0:
        return lambda *_: None

    def bicubic(_: Any, lr: jax.Array) -> jax.Array:
        alignment = records.grid_alignment
        return upsample(lr, scale=records.scale, alignment=alignment, method="cubic")

    @jax.jit
    def network(variables: Any, lr: jax.Array) -> jax.Array:
        return networks.generator.apply(variables, lr, train=False)

    def score(upsampler: Callable, variables: Any) -> dict[str, float]:
        one_pass = in_order(records, batch_size=config.data.batch_size)
        return validation_scores(make_scorer(upsampler, spec), variables, one_pass, spec)

    baseline = {f"bicubic_{name}": value for name, value in score(bicubic, {}).items()}
    middle = records[len(records) // 2]

    def validate(step: int, state: GanState) -> None:
        recorder.scalars(step, "validation", score(network, state.generator) | baseline)
        lr = to_network(middle["lr"][None] * np.float32(spec.slope), spec)
        sr = from_network(network(state.generator, lr)[0, ..., 0], spec)
        coarse = np.kron(middle["lr"][..., 0] * spec.slope, np.ones((records.scale,) * 2))
        panels = (coarse, np.asarray(sr), middle["hr"][..., 0] * spec.slope)
        recorder.picture(step, "fast_dl_routine", np.hstack(panels) / spec.scanner_max)

    return validate


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
            "qsr_jax": __version__,
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        },
    }


if __name__ == "__main__":
    main()
