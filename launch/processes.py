"""How a door becomes one of several processes, and how it leaves them.

Slurm's steps of several tasks are recognised by themselves; elsewhere every process is told where
they meet (``launch/multiprocess.sh`` does that on one machine).
"""

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Iterator, Mapping

import jax

from qsr_jax.training.processes import Membership, alone, join, leave
from qsr_jax.training.stopping import STOPPED

FLAGS = {
    "coordinator": ("JAX_COORDINATOR_ADDRESS", str, "HOST:PORT", "where process 0 listens"),
    "processes": ("JAX_NUM_PROCESSES", int, "N", "how many processes train as one"),
    "process": ("JAX_PROCESS_ID", int, "I", "which of them this is, from 0"),
}
"""Flag to (environment variable with its default, type, placeholder, what it is)."""

SLURM_STEP = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID")


def add_process_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares ``--coordinator``, ``--processes`` and ``--process``."""
    group = parser.add_argument_group(
        "several processes", "all three, in every process; not needed under Slurm's srun"
    )
    for flag, (variable, kind, metavar, what) in FLAGS.items():
        group.add_argument(
            f"--{flag}",
            type=kind,
            default=os.environ.get(variable),
            metavar=metavar,
            help=f"{what} (default: ${variable})",
        )


def membership(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Membership | None:
    """What the flags or Slurm say; None for a process on its own.

    Raises:
        ValueError: only some of the flags are given, or they do not fit together.
    """
    given = {flag: getattr(arguments, flag) for flag in FLAGS}
    missing = [f"--{flag} (or {FLAGS[flag][0]})" for flag in FLAGS if given[flag] is None]
    if not missing:
        if not 0 <= given["process"] < given["processes"]:
            raise ValueError(
                f"--process is {given['process']}; expected 0 to {given['processes'] - 1}, as "
                f"--processes is {given['processes']}"
            )
        return Membership(**given)
    if len(missing) < len(FLAGS):
        raise ValueError(f"{' and '.join(missing)} missing; give all of them or none")
    step = all(name in environment for name in SLURM_STEP)
    if step and int(environment["SLURM_NTASKS"]) > 1:
        return Membership(None, None, None)
    return None


@contextlib.contextmanager
def taking_part(arguments: argparse.Namespace) -> Iterator[None]:
    """Joins the others, if there are any, and parts from them when all are done.

    A process that fails leaves at once: the others wait for it in the middle of a step, and end
    when they miss its heartbeat, with a status that is not 0.
    """
    member = membership(arguments, os.environ)
    if member is None:
        yield
        return
    join(member)
    try:
        yield
    except SystemExit as ending:
        if ending.code != STOPPED:
            _leave_at_once(ending)
        leave()
        raise
    except BaseException as error:
        _leave_at_once(error)
    leave()


def _leave_at_once(error: BaseException) -> None:
    who = "" if alone() else f"process {jax.process_index()} of {jax.process_count()}: "
    if isinstance(error, (ValueError, OSError, SystemExit)):
        print(f"error: {who}{error}", file=sys.stderr)
    elif isinstance(error, jax.errors.JaxRuntimeError):
        print(f"error: {who}lost the others: {str(error).splitlines()[0]}", file=sys.stderr)
    else:
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)  # not through JAX's parting, which would wait for processes that wait for this one
