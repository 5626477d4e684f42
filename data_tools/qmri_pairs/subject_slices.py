"""The records of one subject, and several subjects read at the same time by processes."""

import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from typing import Any, NamedTuple

import numpy as np

from qsr_jax.data.studies.case import read_listed, read_mask
from qsr_jax.data.studies.manifest import FAST, ROUTINE, Manifest, Subject
from qsr_jax.maps import spec_of, to_stored

Run = Callable[..., concurrent.futures.Future]
"""Starts a call and returns its future."""


class Slices(NamedTuple):
    """What one subject adds to a dataset.

    Attributes:
        records: one per slice, feet to head.
        owners: PatientIDs that the files name; must not be another subject's.
        mask: packed bits of the tissue mask, for the builders of the subject's other maps.
    """

    records: list[dict[str, Any]]
    owners: frozenset[str]
    mask: np.ndarray


def subject_slices(
    manifest: Manifest, subject: Subject, map_name: str, known_mask: np.ndarray | None
) -> Slices:
    """Reads both scans of one map and makes one record per slice.

    Raises:
        ManifestError, DicomInputError, BidsError: a series cannot be used.
    """
    spec = spec_of(map_name)
    scans = [read_listed(manifest, subject, map_name, side) for side in (FAST, ROUTINE)]
    fast, routine = (series.volume for series in scans)
    if known_mask is None:
        known_mask = np.packbits(read_mask(manifest, subject, known={map_name: routine}))
    bits = np.unpackbits(known_mask, count=routine.maps[..., 0].size)
    mask = bits.reshape(*routine.geometry.shape, 1)
    lr, hr = (to_stored(v.maps, spec, where=subject.subject) for v in (fast, routine))
    depths = fast.geometry.slice_positions_mm() @ fast.geometry.normal
    records = [
        {
            "lr": lr[index],
            "hr": hr[index],
            "mask": mask[index],
            "slope": spec.slope,
            "subject": subject.subject,
            "slice_index": index,
            "slice_mm": depths[index],
            "spacing_mm": np.asarray(fast.geometry.spacing_mm, np.float32),
            "map": map_name,
            "grid_alignment": subject.grid_alignment,
        }
        for index in range(len(lr))
    ]
    return Slices(records, frozenset(series.patient_id for series in scans), known_mask)


def in_order(run: Run, calls: Sequence[tuple], *, ahead: int) -> Iterator[Any]:
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

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
