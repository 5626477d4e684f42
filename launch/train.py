"""Trains one model for one map, and goes on where a killed run stopped."""

import argparse
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from launch.config.build import experiment_of
from launch.config.page import Config, add_config_argument, parse_with_config
from launch.processes import add_process_arguments, taking_part
from qsr_jax.cli import program
from qsr_jax.training.processes import say
from qsr_jax.training.run import TrainingResult, train
from qsr_jax.training.stopping import STOPPED


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.train --help``."""
    parser = argparse.ArgumentParser(prog=program("launch.train"), description=__doc__)
    add_config_argument(parser)
    add_run_arguments(parser)
    run(lambda: parse_with_config(parser, argv))


def run(read: Callable[[], tuple[argparse.Namespace, Config]]) -> TrainingResult:
    """Trains what a command line asks for, and says how it ended.

    Args:
        read: gives the flags of :func:`add_run_arguments` and the page.
    """
    threading.excepthook = _tell_in_one_line
    try:
        arguments, config = read()
        with taking_part(arguments):
            result = train(
                experiment_of(config),
                data_dir=arguments.data_dir,
                workdir=arguments.workdir,
                strict=arguments.strict,
                allowed=arguments.allow_changed,
            )
            _tell_end(result)
            return result
    except (ValueError, OSError) as error:
        warnings.filterwarnings("ignore", "coroutine .* was never awaited")  # a save cut short
        raise SystemExit(f"error: {error}") from error


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Every flag of a training but its page."""
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


def _tell_in_one_line(failure: threading.ExceptHookArgs) -> None:
    """Background writers (checkpoints, TensorBoard) raise again where the loop can see it."""
    first = str(failure.exc_value).strip().split("\n")[0]
    print(f"background writer: {failure.exc_type.__name__}: {first[:300]}", file=sys.stderr)


def _tell_but_for_cut_saves(failure: Any) -> None:
    """A save that was cut short leaves callbacks and coroutines behind, each with a complaint."""
    cut = ("Event loop is closed", "was never awaited")
    if not any(words in str(failure.exc_value) for words in cut):
        sys.__unraisablehook__(failure)


def _tell_end(result: TrainingResult) -> None:
    """Says how a run ended; one that was stopped early ends with :data:`STOPPED`."""
    if result.is_finished:
        say(f"{result.workdir}: trained to step {result.total_steps}")
        return
    say(
        f"{result.workdir}: stopped by {result.stopped_by} after step {result.step} of "
        f"{result.total_steps}, which is saved; the same command goes on"
    )
    raise SystemExit(STOPPED)


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


def as_program(door: Callable[[], None]) -> None:
    """Runs a door that trains as the process."""
    sys.unraisablehook = _tell_but_for_cut_saves
    try:
        door()
    except SystemExit as ending:
        leave(ending)


if __name__ == "__main__":
    as_program(main)
