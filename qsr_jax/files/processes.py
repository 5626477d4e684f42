"""One call for each of many subjects, in this process or in several."""

import concurrent.futures
import itertools
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import connection
from typing import Any

CPU_DEVICES = "JAX_NUM_CPU_DEVICES"

AHEAD = 4
"""Calls that wait for each process, so that none is idle and memory does not grow with a cohort."""


class LostProcessError(OSError):
    """A process ended without an answer."""


def in_processes(
    call: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], *, workers: int
) -> Iterator[Any]:
    """Yields what ``call(*one)`` returns for every one of ``arguments``, as they are done.

    Processes are spawned, because a forked JAX would hang, and end when this process does.

    Raises:
        ValueError: ``workers`` is below 1; and whatever a call raises.
        LostProcessError: a process was killed, as systems do when memory runs out.
    """
    if workers < 1:
        raise ValueError(f"--workers must be at least 1; got {workers}")
    if workers == 1:
        return (call(*one) for one in arguments)
    return _spawned(call, arguments, workers)


def _spawned(
    call: Callable[..., Any], arguments: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=_begin
    ) as pool:
        try:
            yield from _answers(pool, call, iter(arguments), window=AHEAD * workers)
        except concurrent.futures.BrokenExecutor:
            raise LostProcessError(
                f"one of {workers} processes ended without an answer; out of memory? Give fewer "
                "--workers; the same command goes on"
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _answers(
    pool: concurrent.futures.Executor,
    call: Callable[..., Any],
    arguments: Iterator[tuple[Any, ...]],
    *,
    window: int,
) -> Iterator[Any]:
    """Keeps ``window`` calls on their way."""
    waiting = {pool.submit(call, *one) for one in itertools.islice(arguments, window)}
    while waiting:
        done, waiting = concurrent.futures.wait(
            waiting, return_when=concurrent.futures.FIRST_COMPLETED
        )
        for job in done:
            yield job.result()
            waiting |= {pool.submit(call, *one) for one in itertools.islice(arguments, 1)}


def _begin() -> None:
    """One of several processes: the others have cores of their own."""
    os.environ.setdefault(CPU_DEVICES, "1")
    _end_with_parent()


def _end_with_parent() -> None:
    """Ends this process when its parent does, killed or not."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
