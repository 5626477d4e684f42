"""Whether an experiment can run on these records and devices, told before anything is compiled."""

import jax

from qsr_jax.data.records.joint import JointRecords
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.feed import is_resident
from qsr_jax.training.options import OptionError
from qsr_jax.training.parallel import step_devices
from qsr_jax.types import CORNER, REPEAT


def planned_steps(experiment: Experiment, n_records: int) -> int:
    """Steps in all; durations are given in epochs or steps, never both.

    Raises:
        OptionError: both or neither, fewer records than a batch, or a stage longer than all.
    """
    schedule, batch_size = experiment.schedule, experiment.data.batch_size
    if (schedule.epochs > 0) == (schedule.steps > 0):
        raise OptionError(
            f"schedule.epochs is {schedule.epochs:g} and schedule.steps is {schedule.steps}; "
            "give exactly one of them and set the other to 0"
        )
    if batch_size > n_records:
        raise OptionError(f"data.batch_size is {batch_size}, the data set has {n_records} records")
    total = schedule.steps or int(schedule.epochs * (n_records // batch_size))
    if total < 1:
        raise OptionError(f"schedule.epochs is {schedule.epochs:g}: not one step of {batch_size}")
    for key in ("warmup_steps", "frozen_norm_steps"):
        if not 0 <= getattr(schedule, key) <= total:
            value = getattr(schedule, key)
            raise OptionError(f"schedule.{key} is {value}; expected 0 to {total} (all)")
    return total


def samples_shared(experiment: Experiment) -> int:
    """Of a batch, what devices must be able to share: samples, or heaps of one for every part."""
    size, parts = experiment.data.batch_size, experiment.memory.accumulate
    return size if size % parts else size // parts


def devices_of(experiment: Experiment) -> list[jax.Device]:
    """The devices of this process that its steps run on."""
    return step_devices(samples_shared(experiment))


def check_runs_here(experiment: Experiment, records: JointRecords) -> None:
    """Refuses what the devices cannot share, what leaves the image, what would mean another thing.

    Raises:
        OptionError: which keys, and what to do.
    """
    data, memory = experiment.data, experiment.memory
    devices = len(devices_of(experiment)) * jax.process_count()
    if data.batch_size % devices:
        raise OptionError(
            f"data.batch_size is {data.batch_size}, which does not divide by {devices} devices"
        )
    if data.crop > min(records.lr_shape):
        raise OptionError(
            f"data.crop is {data.crop}; expected 0 (whole slices) to {min(records.lr_shape)}"
        )
    share = data.batch_size // devices
    if share % memory.accumulate:
        raise OptionError(
            f"memory.accumulate is {memory.accumulate}; expected a divisor of the {share} samples "
            "of each device"
        )
    if data.flip and records.grid_alignment != CORNER:
        raise OptionError(
            f"data.flip needs grids aligned by {CORNER!r}, these records are aligned by "
            f"{records.grid_alignment!r}: a mirrored pair would not match; set data.flip to False"
        )
    _check_cached(experiment, records)


def _check_cached(experiment: Experiment, records: JointRecords) -> None:
    if experiment.vgg is None or not experiment.vgg.cached:
        return
    if experiment.data.crop or experiment.data.flip:
        raise OptionError("vgg.cached holds features of whole slices; set data.crop=0, flip=False")
    task = experiment.task
    if task.target == REPEAT or task.remap_scale or task.remap_power or task.remap_field:
        raise OptionError(
            f"vgg.cached holds features of targets that never change; task.target is "
            f"{task.target!r} and task.remap_* move values: set vgg.cached=False"
        )
    if not is_resident(experiment, records):
        raise OptionError("vgg.cached needs the records on the devices; set data.resident=yes")
