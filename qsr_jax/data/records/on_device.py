"""Records loaded once, for a device to keep; afterwards a batch is a list of indices."""

from collections.abc import Iterator

import numpy as np

from qsr_jax.data.records.batches import IMAGES, batch_ids, load_batch, part_of
from qsr_jax.data.records.open import Records
from qsr_jax.types import Batch

CHUNK = 64
"""Records read at a time, so that no second copy of all of them is ever held."""


def resident_bytes(records: Records) -> int:
    """Bytes that all records of a split take on a device, stored values and masks."""
    if not len(records):
        return 0
    return len(records) * sum(records[0][name].nbytes for name in IMAGES)


def load_resident(records: Records) -> dict[str, np.ndarray]:
    """Every record of a split, stacked: ``lr``, ``hr`` uint16 and ``mask`` uint8, (N, h, w, 1)."""
    stacks = {
        name: np.empty((len(records), *records[0][name].shape), records[0][name].dtype)
        for name in IMAGES
    }
    for start in range(0, len(records), CHUNK):
        ids = np.arange(start, min(start + CHUNK, len(records)))
        for name, images in load_batch(records, ids).items():
            if name in stacks:
                stacks[name][start : start + len(ids)] = images
    return stacks


def index_batches(
    records: Records, *, batch_size: int, seed: int, start_step: int, part: int, parts: int
) -> Iterator[Batch]:
    """The batches of :func:`qsr_jax.data.records.batches.batches`, named by ``sample_id`` alone."""
    step = start_step
    while True:
        ids = batch_ids(len(records), batch_size=batch_size, seed=seed, step=step)
        yield {"sample_id": part_of(ids, part=part, parts=parts)}
        step += 1
