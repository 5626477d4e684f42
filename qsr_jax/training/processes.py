"""Several processes that train as one: how they meet, agree, share and part.

Every process holds the whole state on its own devices and reads its own part of each batch. What
is done once (writing checkpoints, logs and tables) is done by process 0, and the others learn
whether it went well, so that nobody waits for a process that has failed. Alone, a process is
process 0 and every function here does the obvious thing at no cost.

All of them are collective: every process must call them in the same order.
"""

import dataclasses
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from qsr_jax.training.parallel import add_over_processes

HEARTBEAT_S = 20
"""A peer that has not been heard of for this long is dead, and the others end."""

PARTING_S = 300
"""How long a finished process waits for the others."""

Result = TypeVar("Result")


class PeerError(ValueError):
    """Another process failed, or does something else than this one."""


@dataclasses.dataclass(frozen=True)
class Membership:
    """Where the processes meet and which of them this is.

    Attributes:
        coordinator: HOST:PORT of process 0, or None to learn all three from Slurm.
        processes: how many there are.
        process: which one this is, from 0.
    """

    coordinator: str | None
    processes: int | None
    process: int | None


def join(member: Membership) -> None:
    """Waits for all processes; must come before anything that asks JAX for its devices.

    Raises:
        RuntimeError: the others did not come within five minutes.
    """
    # JAX's own handler would swallow a SIGTERM that comes before qsr_jax.training.stopping's.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(
        member.coordinator,
        member.processes,
        member.process,
        cluster_detection_method="slurm" if member.coordinator is None else "deactivate",
        heartbeat_timeout_seconds=HEARTBEAT_S,
        shutdown_timeout_seconds=PARTING_S,
    )
    jax.devices()  # asks every process for its own, and so waits for all of them
    add_over_processes(np.zeros(1, np.uint8))


def leave() -> None:
    """Waits until every process has come this far; nothing if alone."""
    jax.distributed.shutdown()


def alone() -> bool:
    """Whether this is the only process."""
    return jax.process_count() == 1


def is_first() -> bool:
    """Whether this process writes what is written once."""
    return jax.process_index() == 0


def check_same(values: Mapping[str, Any]) -> None:
    """Compares what every process must have in common.

    Args:
        values: by name; compared as text.

    Raises:
        PeerError: naming what differs and where.
    """
    digests = np.array([zlib.crc32(str(value).encode()) for value in values.values()], np.uint32)
    everyone = _gathered(digests)
    names = list(values)
    for process, theirs in enumerate(everyone):
        differing = [names[i] for i in np.flatnonzero(theirs != everyone[0])]
        if differing:
            raise PeerError(
                f"process {process} has another {', '.join(differing)} than process 0; start all "
                "processes with the same command, code, data and number of devices"
            )


def on_first(action: Callable[[], Result]) -> Result | None:
    """Runs ``action`` in process 0 while the others wait.

    Returns:
        Its result in process 0, None elsewhere.

    Raises:
        PeerError: elsewhere, if it failed in process 0 (which raises what the action raised).
    """
    result, failure = None, None
    if is_first():
        try:
            result = action()
        except Exception as error:
            failure = error
    failed = _gathered(np.array(failure is not None))[0]
    if failure is not None:
        raise failure
    if failed:
        raise PeerError("process 0 failed; its own message says why")
    return result


def from_first(tree: Any) -> Any:
    """Process 0's arrays, bit for bit, in every process.

    Args:
        tree: pytree of arrays; elsewhere only its shapes and types count.

    Returns:
        The same pytree, as host arrays unless alone.
    """
    if alone():
        return tree
    leaves, structure = jax.tree.flatten(tree)
    hosts = [np.asarray(leaf) for leaf in leaves]
    # As bytes: a sum with the zeros of the others would lose the sign of -0.0.
    sent = np.concatenate([host.reshape(-1).view(np.uint8) for host in hosts])
    received = add_over_processes(sent if is_first() else np.zeros_like(sent))
    ends = np.cumsum([host.nbytes for host in hosts])[:-1]
    parts = zip(np.split(received, ends), hosts, strict=True)
    return jax.tree.unflatten(
        structure, [p.copy().view(h.dtype).reshape(h.shape) for p, h in parts]
    )


def in_turn(rows: np.ndarray) -> np.ndarray:
    """Puts rows that were dealt in turn (the I-th, I+N-th, … to process I of N) back in order.

    Args:
        rows: (n, k) float32 of this process; n may differ by one between processes.

    Returns:
        (N, k) of all processes, the same in each.
    """
    counts = _gathered(np.array(len(rows)))
    padded = np.zeros((counts.max(), *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    everyone = _gathered(padded)
    return everyone.swapaxes(0, 1).reshape(-1, *rows.shape[1:])[: counts.sum()]


def _gathered(array: np.ndarray) -> np.ndarray:
    """(processes, …) of arrays of one shape and type."""
    if alone():
        return array[None]
    sent = np.zeros((jax.process_count(), _room(array.nbytes)), np.uint8)
    sent[jax.process_index(), : array.nbytes] = array.reshape(-1).view(np.uint8)
    received = add_over_processes(sent.reshape(-1)).reshape(sent.shape)[:, : array.nbytes]
    return received.copy().view(array.dtype).reshape(-1, *array.shape)


def _room(size: int) -> int:
    """The next power of two, so that few sizes are compiled."""
    return max(64, 1 << (size - 1).bit_length())


def say(text: str) -> None:
    """Tells a person something, once, however many processes there are."""
    if is_first():
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
