"""Records loaded once, for a device to keep; afterwards a batch is a list of indices."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from qsr_jax.data.records.batches import arrays_in, batch_ids, load_batch, part_of
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.types import Batch

NEIGHBOURS = "neighbours"
"""Key of the indices of the slices beside each record, where a network sees more than one."""
CHUNK = 64
"""Records read at a time, so that no second copy of all of them is ever held."""


def resident_bytes(records: JointRecords) -> int:
    """Bytes that all records of a split take on a device, stored values and masks."""
    if not len(records):
        return 0
    first = dataclasses.replace(records, context=1)[0]
    return len(records) * sum(first[name].nbytes for name in arrays_in(first))


def load_resident(records: JointRecords) -> dict[str, np.ndarray]:
    """Every record of a split, stacked.

    Returns:
        ``lr`` (N, h, w, c) of the slice itself, ``hr`` (N, H, W, c) uint16, ``mask`` (N, H, W, 1)
        uint8, and ``acquisition_ms`` (N, 7) where records have it; where a network sees
        neighbouring slices also :data:`NEIGHBOURS` (N, context) int32.
    """
    own = dataclasses.replace(records, context=1)
    first = own[0]
    stacks = {
        name: np.empty((len(own), *first[name].shape), first[name].dtype)
        for name in arrays_in(first)
    }
    for start in range(0, len(own), CHUNK):
        ids = np.arange(start, min(start + CHUNK, len(own)))
        for name, images in load_batch(own, ids).items():
            if name in stacks:
                stacks[name][start : start + len(ids)] = images
    return stacks | ({NEIGHBOURS: records.neighbours} if records.context > 1 else {})


def index_batches(
    records: JointRecords, *, batch_size: int, seed: int, start_step: int, part: int, parts: int
) -> Iterator[Batch]:
    """The batches of :func:`qsr_jax.data.records.batches.batches`, named by ``sample_id`` alone."""
    step = start_step
    while True:
        ids = batch_ids(len(records), batch_size=batch_size, seed=seed, step=step)
        yield {"sample_id": part_of(ids, part=part, parts=parts)}
        step += 1
