"""Everything of a training that is decided before its first step."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from qsr_jax.acquisition import parse_bands
from qsr_jax.data.records.joint import JointRecords, open_joint
from qsr_jax.data.records.weighted import open_weighted
from qsr_jax.data.records.weighted_images import open_images
from qsr_jax.objectives import Objective
from qsr_jax.tasks import Example, JointMaps, WeightedImages, WeightedToMaps
from qsr_jax.training.assemble import Stage, compute_options_of, stages_of, task_of
from qsr_jax.training.checks import check_runs_here, devices_of, planned_steps
from qsr_jax.training.device_records import from_resident
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.feed import is_resident
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.options import OptionError
from qsr_jax.training.parallel import AXIS, compile_step
from qsr_jax.training.start import Start, read_start
from qsr_jax.training.state import Optimizers
from qsr_jax.training.step import Step, make_step
from qsr_jax.training.workdir import describe


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything of a training that is decided before its first step."""

    experiment: Experiment
    task: JointMaps
    stages: tuple[Stage, ...]
    total_steps: int
    records: JointRecords
    document: dict[str, Any]
    start: Start | None = None

    @functools.cached_property
    def optimizers(self) -> Optimizers:
        """One for every role that has a state."""
        drawn = jax.eval_shape(lambda: self.last.init(jax.random.key(0), sample_example(self.task)))
        return make_optimizers(
            tuple(drawn),
            self.experiment.optimizer,
            total_steps=self.total_steps,
            warmup_steps=self.experiment.schedule.warmup_steps,
            hold={self.last.served: self.experiment.start.hold},
        )

    @property
    def devices(self) -> list[jax.Device]:
        """The devices of this process that its steps run on."""
        return devices_of(self.experiment)

    @property
    def last(self) -> Objective:
        """The objective of the last stage."""
        return self.stages[-1].objective


def sample_example(task: JointMaps) -> Example:
    """One made-up example, small: no parameter's shape depends on its size."""
    return task.whole(task.blank())


def make_plan(experiment: Experiment, data_dir: Path) -> Plan:
    """Opens the records and decides everything, or refuses it; nothing is compiled or written."""
    records = open_split(experiment, data_dir, "train")
    task = task_of(experiment, scale=records.scale, alignment=records.grid_alignment)
    total_steps = planned_steps(experiment, len(records))
    stages = stages_of(experiment, task, total_steps)
    check_runs_here(experiment, records)
    document = describe(experiment, task, records)
    start = read_start(
        experiment.start, document, lambda: served_shapes(stages[-1].objective, task)
    )
    if start is not None:
        document = start.added_to(document)
    return Plan(experiment, task, stages, total_steps, records, document, start)


def served_shapes(objective: Objective, task: JointMaps) -> Any:
    """Shapes of the variables of the network that predicts."""
    return jax.eval_shape(
        lambda: objective.init(jax.random.key(0), sample_example(task))[objective.served]
    )


def open_split(experiment: Experiment, data_dir: Path, split: str) -> JointRecords:
    """The records of a split that an experiment uses.

    Raises:
        OptionError: a fold of records that have none.
    """
    if experiment.task.name in (WeightedToMaps.KIND, WeightedImages.KIND):
        if experiment.data.fold:
            raise OptionError(
                f"data.fold is {experiment.data.fold!r}; weighted records have no folds: set it "
                "to ''"
            )
        if experiment.weighted is None:
            return open_images(data_dir, split)
        bands = parse_bands(experiment.weighted.held_out)
        return open_weighted(data_dir, split, without=bands)
    return open_joint(
        data_dir,
        experiment.names,
        split,
        fold=experiment.data.fold or None,
        context=experiment.task.context,
        target=experiment.task.target,
    )


def steps_by_stage(plan: Plan) -> Callable[[int], Step]:
    """The compiled step of each step number; each stage is compiled when its first step is due."""
    resident = is_resident(plan.experiment, plan.records)

    @functools.cache
    def compiled(stage: int) -> Step:
        step = make_step(
            plan.task,
            plan.stages[stage].objective,
            plan.optimizers,
            batch_size=plan.experiment.data.batch_size,
            average_decay=plan.experiment.average.decay,
            axis_name=AXIS,
            options=compute_options_of(plan.experiment),
        )
        return compile_step(from_resident(step) if resident else step)

    def step_of(number: int) -> Step:
        begun = [i for i, stage in enumerate(plan.stages) if number >= stage.first_step]
        return compiled(begun[-1])

    return step_of
