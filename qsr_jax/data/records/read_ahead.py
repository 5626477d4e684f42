"""Calls answered in order, here or by several processes that work ahead."""

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any

Run = Callable[..., concurrent.futures.Future]
"""Starts a call and returns its future."""


def in_order(run: Run, calls: Sequence[tuple[Any, ...]], *, ahead: int) -> Iterator[Any]:
    """Results of ``run(*call)`` in the order of ``calls``, at most ``ahead`` of them waiting."""
    waiting: collections.deque[concurrent.futures.Future] = collections.deque()
    todo = iter(calls)
    for _ in calls:
        while len(waiting) < ahead:
            call = next(todo, None)
            if call is None:
                break
            waiting.append(run(*call))
        yield waiting.popleft().result()


@contextlib.contextmanager
def workers(count: int) -> Iterator[Run]:
    """Yields what starts calls: here, for a count of 1, else in that many processes.

    Processes are spawned, because a forked JAX would hang, and end when this process does.
    """
    if count == 1:
        yield _at_once
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        count, mp_context=context, initializer=_end_with_parent
    ) as pool:
        try:
            yield pool.submit
        finally:
            pool.shutdown(cancel_futures=True)


def _at_once(function: Callable, *arguments: Any) -> concurrent.futures.Future:
    """Runs the call here and now; errors wait in the future, as those of a process do."""
    future: concurrent.futures.Future = concurrent.futures.Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:
        future.set_exception(error)
    return future


def _end_with_parent() -> None:
    """Ends this process when its parent does, killed or not."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
