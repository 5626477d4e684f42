"""What the compiled step gets beside the state: its frozen argument, and the batches."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax

from qsr_jax.data.records.batches import batches
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.data.records.on_device import index_batches, load_resident, resident_bytes
from qsr_jax.objectives import FEATURES_HR
from qsr_jax.tasks import JointMaps
from qsr_jax.training.assemble import features_of
from qsr_jax.training.device_records import FEATURES, RECORDS, features_bytes, routine_features
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.options import AUTO, YES
from qsr_jax.training.parallel import replicate
from qsr_jax.types import Batch

RESIDENT_SHARE = 0.4
"""Of a device's memory that records may fill before "auto" leaves them on the host."""
RESIDENT_BYTES = 4 * 2**30
"""The same where devices do not tell their memory (a CPU's share the machine's), for all copies."""


def is_resident(experiment: Experiment, records: JointRecords) -> bool:
    """Whether the records are to be kept on the devices.

    "auto" says yes where the records, with the features kept beside them, fill less than
    :data:`RESIDENT_SHARE` of a device's memory (GPUs tell theirs), or where the copies of all
    devices take less than :data:`RESIDENT_BYTES` together (a CPU).
    """
    wanted = experiment.data.resident
    if wanted != AUTO:
        return wanted == YES
    devices = jax.local_devices()
    memory = devices[0].memory_stats() or {}
    needed = resident_bytes(records)
    if experiment.vgg is not None and experiment.vgg.cached:
        side = [s * records.scale for s in records.lr_shape]
        needed += len(records) * features_bytes(features_of(experiment), side, len(records.names))
    if "bytes_limit" in memory:
        return needed < RESIDENT_SHARE * memory["bytes_limit"]
    return needed * len(devices) < RESIDENT_BYTES


def feed(
    experiment: Experiment,
    task: JointMaps,
    records: JointRecords,
    frozen: Any,
    *,
    first_step: int,
    devices: Sequence[jax.Device] | None = None,
) -> tuple[Any, Iterator[Batch]]:
    """The frozen argument on every device, and this process' part of the batches.

    Resident records change neither the order nor a bit of the result.

    Args:
        experiment: its data section.
        task: makes examples, for the features of the routine slices.
        records: of the training split.
        frozen: parameters of the frozen feature network.
        first_step: of the first batch.
        devices: that the steps run on; all of this process without them.
    """
    order = {
        "batch_size": experiment.data.batch_size,
        "seed": experiment.seed,
        "start_step": first_step,
        "part": jax.process_index(),
        "parts": jax.process_count(),
    }
    if not is_resident(experiment, records):
        threads = experiment.data.threads
        return replicate(frozen, devices=devices), batches(records, num_threads=threads, **order)
    kept = load_resident(records)
    if experiment.vgg is not None and experiment.vgg.cached:
        kept[FEATURES_HR] = routine_features(
            features_of(experiment),
            frozen,
            kept,
            task=task,
            matmul=experiment.precision.matmul,
            batch_size=experiment.data.batch_size,
        )
    given = {FEATURES: frozen, RECORDS: kept}
    return replicate(given, devices=devices), index_batches(records, **order)
