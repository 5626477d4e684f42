"""One call for each of many subjects, in this process or in several."""

import concurrent.futures
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def each_in_processes(
    call: Callable[..., object], arguments: Sequence[tuple[Any, ...]], *, workers: int
) -> Iterator[None]:
    """Calls ``call(*one)`` for every one of ``arguments`` and yields after each, in any order.

    Raises:
        ValueError: ``workers`` is below 1; and whatever a call raises.
    """
    if workers < 1:
        raise ValueError(f"--workers must be at least 1; got {workers}")
    if workers == 1 or len(arguments) < 2:
        for one in arguments:
            call(*one)
            yield
        return
    context = multiprocessing.get_context("spawn")  # a forked JAX would hang
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [pool.submit(call, *one) for one in arguments]
        for job in concurrent.futures.as_completed(jobs):
            job.result()
            yield
