"""From records to batches: order is arithmetic, so any step can be asked for at any time."""

import itertools
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import grain
import numpy as np

from qsr_jax.data.records.joint import JointRecords
from qsr_jax.data.records.open import Records
from qsr_jax.types import Batch

IMAGES = ("lr", "hr", "mask")
ACQUISITION_MS = "acquisition_ms"
"""The times of a study, (7,) float32, where records have them."""
LARGE_BLOCK_BYTES = 31 * 2**20
"""Just below 32 MiB, above which glibc's thresholds no longer follow."""


def batch_ids(length: int, *, batch_size: int, seed: int, step: int) -> np.ndarray:
    """Indices of the records in batch ``step``, (batch_size,) int32: a pure function of its inputs.

    Every epoch is a new permutation; the rest that fills no batch is dropped.

    Raises:
        ValueError: there are fewer records than one batch needs.
    """
    per_epoch = length // batch_size
    if not per_epoch:
        raise ValueError(f"{length} records fill no batch of {batch_size}; lower the batch size")
    epoch, place = divmod(step, per_epoch)
    order = np.random.default_rng((seed, epoch)).permutation(length)
    return order[place * batch_size : (place + 1) * batch_size].astype(np.int32)


def part_of(ids: np.ndarray, *, part: int, parts: int) -> np.ndarray:
    """The ``part``-th of ``parts`` equal pieces, in order: what one of several processes reads.

    Raises:
        ValueError: the batch does not divide by the number of processes.
    """
    size, rest = divmod(len(ids), parts)
    if rest:
        raise ValueError(
            f"a batch of {len(ids)} does not divide by {parts} processes; set data.batch_size"
        )
    return ids[part * size : (part + 1) * size]


def arrays_in(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a record goes into batches."""
    return (*IMAGES, ACQUISITION_MS) if ACQUISITION_MS in record else IMAGES


def load_batch(records: Records | JointRecords, ids: np.ndarray) -> Batch:
    """Reads the records ``ids`` as arrays; see :data:`qsr_jax.types.Batch`.

    Raises:
        ValueError: a record of another shape than the first: one channel would fill three.
    """
    images: dict[str, np.ndarray] = {}
    for place, index in enumerate(ids):
        # Copied one by one: holding all records before stacking them halves the speed.
        record = records[int(index)]
        for key in arrays_in(record):
            if key not in images:
                images[key] = np.empty((len(ids), *record[key].shape), record[key].dtype)
            if record[key].shape != images[key].shape[1:]:
                raise ValueError(
                    f"{key} of record {index} has shape {record[key].shape}, of record {ids[0]} "
                    f"{images[key].shape[1:]}; expected records of one shape"
                )
            images[key][place] = record[key]
    return {**images, "sample_id": np.asarray(ids, np.int32)}


def batches(
    records: Records | JointRecords,
    *,
    batch_size: int,
    seed: int,
    start_step: int,
    num_threads: int = 2,
    part: int = 0,
    parts: int = 1,
) -> Iterator[Batch]:
    """Batches ``start_step``, ``start_step + 1``, ... without end, read ahead by threads.

    Started at k it gives exactly what a run from 0 gives at k.

    Args:
        records: one split of one map, or of several joined.
        batch_size: records per batch, of all parts together.
        seed: of the order.
        start_step: first batch to give.
        num_threads: threads that read; as many batches wait ready.
        part: which piece of every batch to read, see :func:`part_of`.
        parts: number of pieces, one per process.
    """

    def batch_at(step: int) -> Mapping[str, Any]:
        ids = batch_ids(len(records), batch_size=batch_size, seed=seed, step=step)
        return load_batch(records, part_of(ids, part=part, parts=parts))

    first = batch_ids(len(records), batch_size=batch_size, seed=seed, step=start_step)
    part_of(first, part=part, parts=parts)
    _keep_freed_memory()
    steps = grain.MapDataset.range(start_step, sys.maxsize).map(batch_at)
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=num_threads)
    return iter(steps.to_iter_dataset(options))


def _keep_freed_memory() -> None:
    """Makes glibc keep a few freed megabytes instead of giving them back after every record.

    Freeing one large block raises malloc's own thresholds for the life of the process; without
    it each record's pages are mapped anew, which was measured to halve the reading speed.
    """
    np.empty(LARGE_BLOCK_BYTES, np.uint8)


def in_order(
    records: Records | JointRecords, *, batch_size: int, part: int = 0, parts: int = 1
) -> Iterator[Batch]:
    """Every record once, in the order of the records; the last batch may be smaller.

    Args:
        records: what to read.
        batch_size: records per batch.
        part: of several processes, this one: it gets batches ``part``, ``part + parts``, …
        parts: number of processes.
    """
    for start in range(part * batch_size, len(records), parts * batch_size):
        yield load_batch(records, np.arange(start, min(start + batch_size, len(records))))


def whole_studies(records: JointRecords, *, at_most: int) -> Iterator[tuple[Batch, np.ndarray]]:
    """The records of weighted images, a few studies (draws of a subject) at a time, none cut.

    Args:
        records: what to read.
        at_most: records at a time; a larger study comes alone.

    Yields:
        Records, and the number of the study of each.
    """

    def study(index: int) -> tuple[str, int]:
        record = records[index]
        return record["subject"], int(record["draw"])

    ids: list[int] = []
    numbers: list[int] = []
    for number, (_, group) in enumerate(itertools.groupby(range(len(records)), study)):
        mine = list(group)
        if ids and len(ids) + len(mine) > at_most:
            yield load_batch(records, np.array(ids)), np.array(numbers)
            ids, numbers = [], []
        ids += mine
        numbers += [number] * len(mine)
    if ids:
        yield load_batch(records, np.array(ids)), np.array(numbers)
