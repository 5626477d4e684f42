"""Trains one model for one map, and goes on where a killed run stopped."""

import argparse
import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

import jax
from ml_collections import ConfigDict

from launch.changes import Claim
from launch.config.build import (
    build_networks,
    check_sizes,
    features_parameters,
    planned_steps,
    steps_by_stage,
)
from launch.config.compute import check_computing, feed, is_resident, use_compile_cache
from launch.config.page import (
    add_config_argument,
    parse_with_config,
)
from launch.processes import add_process_arguments, say, taking_part
from qsr_jax.checkpoint import Checkpoints, finishing
from qsr_jax.data.records.open import Records, open_records
from qsr_jax.maps import MapSpec, spec_of
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import Recorder, Silence
from qsr_jax.training.parallel import replicate
from qsr_jax.training.processes import check_same, from_first, is_first, on_first
from qsr_jax.training.state import GanState, Networks, init_state
from qsr_jax.training.stopping import STOPPED, StopRequest
from qsr_jax.training.validation import BestCheckpoint, make_inspector, make_validator, with_alarms
from qsr_jax.training.workdir import (
    adopt,
    claim_workdir,
    common,
    describe,
    how_exactly,
    tell_status,
)


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
    parser.add_argument(
        "--allow-changed",
        action="append",
        default=[],
        metavar="KEY",
        help="go on although this key of the config changed since the run began, or 'data', or "
        "'version'; may be repeated; the workdir keeps both values",
    )
    add_process_arguments(parser)
    threading.excepthook = _tell_in_one_line
    try:
        arguments, config = parse_with_config(parser, argv)
        with taking_part(arguments):
            train(
                config,
                data_dir=arguments.data_dir,
                workdir=arguments.workdir,
                strict=arguments.strict,
                allowed=arguments.allow_changed,
            )
    except (ValueError, OSError) as error:
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # a save cut short
        raise SystemExit(f"error: {error}") from error


def _tell_in_one_line(failure: threading.ExceptHookArgs) -> None:
    """Background writers (checkpoints, TensorBoard) raise again where the loop can see it."""
    first = str(failure.exc_value).strip().split("\n")[0]
    print(f"background writer: {failure.exc_type.__name__}: {first[:300]}", file=sys.stderr)


def _tell_but_for_cut_saves(failure: Any) -> None:
    """A save that was cut short leaves callbacks and coroutines behind, each with a complaint."""
    cut = ("Event loop is closed", "was never awaited")
    if not any(words in str(failure.exc_value) for words in cut):
        sys.__unraisablehook__(failure)


def train(
    config: ConfigDict,
    *,
    data_dir: Path,
    workdir: Path,
    strict: bool,
    allowed: Collection[str] = (),
) -> None:
    """Runs (or resumes) the experiment of a config page in ``workdir``.

    Of several processes, process 0 writes there; the others need not see the folder.

    Raises:
        ConfigError: a value cannot be used, or the workdir belongs to another config.
        CheckpointError: the workdir was trained on other data, or, if ``strict``, its newest
            checkpoint is damaged or unfinished.
        DatasetError: the records are missing, incomplete or of another map.
        NonFiniteError: a step made NaN or infinity.
        PeerError: another process failed, or trains something else.
        SystemExit: with :data:`STOPPED`, after a signal and a save.
    """
    with StopRequest() as request:
        _train(config, data_dir, workdir, strict=strict, allowed=allowed, request=request)


def _train(
    config: ConfigDict,
    data_dir: Path,
    workdir: Path,
    *,
    strict: bool,
    allowed: Collection[str],
    request: StopRequest,
) -> None:
    spec = spec_of(config.map)
    records = open_records(data_dir, spec.name, "train", fold=config.data.fold or None)
    networks = build_networks(config, scale=records.scale)
    total_steps = steps_to_take(config, records, workdir)
    features = features_parameters(config)
    document = describe(config, spec, records)
    check_same(common(document))
    checkpoints, claim = on_first(lambda: open_workdir(workdir, config, allowed)) or (None, None)
    older = functools.partial(newest_state, checkpoints, document, claim, strict=strict)
    state, first_step = start_state(networks, records, config, older)
    if first_step >= total_steps:
        say(f"{workdir}: already trained, {first_step} steps; nothing to do")
        return
    on_first(lambda: tell_status(workdir, config, total_steps, document))
    best = on_first(
        lambda: BestCheckpoint(workdir, document, bias_percent=config.best.bias_percent)
    )
    with (
        finishing(checkpoints),
        recorder_of(workdir, spec, first_step, total_steps) as recorder,
    ):
        subjects = open_records(data_dir, spec.name, "validation", fold=config.data.fold or None)
        validate = make_validator(config, networks, spec, subjects, recorder, best)
        frozen, stream = feed(config, networks, spec, records, features, first_step=first_step)
        _, done = fit(
            state,
            first_step=first_step,
            step_of=steps_by_stage(
                config, networks, spec, total_steps, resident=is_resident(config, records)
            ),
            frozen=frozen,
            batches=stream,
            per_call=config.compile.steps_per_dispatch,
            cadence=cadence_of(config, total_steps),
            recorder=recorder,
            call=Callbacks(
                validate=with_alarms(config, workdir, recorder, validate),
                save=lambda step, state: on_first(
                    lambda: checkpoints.save(step, state, state.served, document)
                ),
                inspect=make_inspector(
                    records, batch_size=config.data.batch_size, seed=config.seed
                ),
                stop=lambda: request.name is not None,
            ),
        )
        on_first(lambda: (checkpoints.close(), best.close()))
    tell_end(workdir, done, total_steps, request.name)


def steps_to_take(config: ConfigDict, records: Records, workdir: Path) -> int:
    """Steps in all, of a config that can run here on these records."""
    total_steps = planned_steps(config, len(records))
    check_sizes(config, records)
    check_computing(config, records, total_steps)
    use_compile_cache(config, workdir)
    return total_steps


def recorder_of(
    workdir: Path, spec: MapSpec, first_step: int, total_steps: int
) -> Recorder | Silence:
    """What the first process records; the others are silent."""
    if not is_first():
        return Silence()
    title = f"{spec.label} on {jax.device_count()} x {jax.devices()[0].device_kind}"
    return Recorder(workdir, first_step=first_step, total_steps=total_steps, title=title)


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
        say(
            f"{workdir}: stopped by {signal_name or 'a signal to another process'} after step "
            f"{done} of {total_steps}, which is saved; the same command goes on"
        )
        raise SystemExit(STOPPED)
    say(f"{workdir}: trained to step {total_steps}")


def start_state(
    networks: Networks,
    records: Records,
    config: ConfigDict,
    older: Callable[[GanState], tuple[GanState, int]],
) -> tuple[GanState, int]:
    """A fresh state, or the newest whole checkpoint's; process 0's, on all devices of all."""

    def fresh() -> GanState:
        return init_state(
            jax.random.key(config.seed),
            networks,
            lr_shape=records.lr_shape,
            averaged=config.average.decay > 0.0,
        )

    state = replicate(jax.jit(fresh)())
    found = on_first(lambda: older(state))
    state, step = from_first((state, 0) if found is None else found)
    return replicate(state), int(step)


def newest_state(
    checkpoints: Checkpoints,
    document: dict[str, Any],
    claim: Claim,
    state: GanState,
    *,
    strict: bool,
) -> tuple[GanState, int]:
    """The newest whole checkpoint's state and step, or ``state`` and 0 if there is none."""
    for told in checkpoints.set_damaged_aside(strict=strict):
        print(told)
    if checkpoints.newest_step is None:
        return state, 0
    step, state, found = checkpoints.restore(state)
    changes = adopt(claim, found, document, step=step)
    how = how_exactly(found["environment"], document["environment"])
    new = f"; changed and allowed: {', '.join(changes)}" if changes else ""
    print(f"goes on after step {step}, {how}{new}")
    return state, step


def open_workdir(
    workdir: Path, config: ConfigDict, allowed: Collection[str]
) -> tuple[Checkpoints, Claim]:
    """The checkpoints of a workdir that belongs to this config, or to none yet."""
    checkpoints = Checkpoints(workdir, keep=config.cadence.keep)
    begun = checkpoints.newest_step is not None
    return checkpoints, claim_workdir(workdir, config, begun=begun, allowed=allowed)


def leave(ending: SystemExit) -> NoReturn:
    """Ends the process with its status; after an error at once.

    Orbax's threads of a save that failed wait minutes for each other, and the process for them.
    """
    if not isinstance(ending.code, str):
        raise ending
    print(ending.code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    sys.unraisablehook = _tell_but_for_cut_saves
    try:
        main()
    except SystemExit as ending:
        leave(ending)
