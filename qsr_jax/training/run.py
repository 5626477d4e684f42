"""One training, from an experiment and records to checkpoints: begun, or gone on with."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax

from qsr_jax.checkpoint import finishing
from qsr_jax.files.lock import workdir_lock
from qsr_jax.training.assemble import frozen_parameters
from qsr_jax.training.compile_cache import use_compile_cache
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.feed import feed
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import NullLogger, Recorder
from qsr_jax.training.plan import Plan, make_plan, open_split, steps_by_stage
from qsr_jax.training.processes import check_same, is_first, on_first, say
from qsr_jax.training.resume import newest_state, open_workdir, start_state
from qsr_jax.training.state import TrainState
from qsr_jax.training.stopping import StopRequest
from qsr_jax.training.validation import (
    BestCheckpoint,
    make_inspector,
    make_validator,
    with_alarms,
)
from qsr_jax.training.workdir import common, tell_status

Opened = TypeVar("Opened")


@dataclasses.dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Attributes:
        workdir: holds its checkpoints; :func:`qsr_jax.load_predictor` reads it.
        step: steps finished and saved.
        total_steps: steps in all.
        stopped_by: the signal that ended it early, or None.
    """

    workdir: Path
    step: int
    total_steps: int
    stopped_by: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether every step was taken."""
        return self.step >= self.total_steps


def train(
    experiment: Experiment,
    *,
    data_dir: Path,
    workdir: Path,
    strict: bool = False,
    allowed: Collection[str] = (),
) -> TrainingResult:
    """Runs (or resumes) an experiment in ``workdir``.

    Of several processes, process 0 writes there; the others need not see the folder. SIGTERM and
    SIGINT end the run at the next step, with a checkpoint; the same call goes on.

    Args:
        experiment: what to train.
        data_dir: folder made by ``data_tools.build_dataset``.
        workdir: folder of this run.
        strict: refuse a damaged or unfinished checkpoint instead of going back to the one before.
        allowed: keys of settings that may differ from when the run began, or "data", "version".

    Raises:
        OptionError: a value cannot be used, or the workdir belongs to other settings.
        LockedError: another process trains in the workdir.
        CheckpointError: the workdir was trained on other data, or, if ``strict``, its newest
            checkpoint is damaged or unfinished.
        DatasetError: the records are missing, incomplete or of another map.
        NonFiniteError: a step made NaN or infinity.
        PeerError: another process failed, or trains something else.
    """
    plan = make_plan(experiment, Path(data_dir))
    use_compile_cache(experiment.compile.cache_dir, Path(workdir))
    frozen = frozen_parameters(experiment)
    check_same(common(plan.document))
    with StopRequest() as request, held(Path(workdir)):
        return _train(plan, Path(data_dir), Path(workdir), frozen, strict, allowed, request)


@contextlib.contextmanager
def held(workdir: Path) -> Iterator[None]:
    """Holds the workdir against other runs, in the first process."""
    with contextlib.ExitStack() as stack:
        on_first(lambda: stack.enter_context(workdir_lock(workdir, tell=say)))
        yield


def _train(
    plan: Plan,
    data_dir: Path,
    workdir: Path,
    frozen: Any,
    strict: bool,
    allowed: Collection[str],
    request: StopRequest,
) -> TrainingResult:
    experiment, document = plan.experiment, plan.document
    opened = on_first(lambda: open_workdir(workdir, experiment, allowed))
    checkpoints, claim = opened or (None, None)

    def older(fresh: TrainState) -> tuple[TrainState, int]:
        return newest_state(known(checkpoints), document, known(claim), fresh, strict=strict)

    state, first_step = start_state(plan, older)
    if first_step >= plan.total_steps:
        say(f"{workdir}: already trained, {first_step} steps; nothing to do")
        return TrainingResult(workdir, first_step, plan.total_steps)
    on_first(lambda: tell_status(workdir, experiment, plan.total_steps, document))
    best = on_first(
        lambda: BestCheckpoint(
            workdir, document, bias_percent=experiment.best.bias_percent, say=say
        )
    )
    with finishing(checkpoints), recorder_of(workdir, plan, first_step) as recorder:
        _, done = fit(
            state,
            first_step=first_step,
            step_of=steps_by_stage(plan),
            **feed_of(plan, frozen, first_step),
            cadence=cadence_of(experiment, plan.total_steps),
            recorder=recorder,
            call=Callbacks(
                validate=validator_of(plan, data_dir, workdir, recorder, best),
                save=lambda step, state: on_first(
                    lambda: known(checkpoints).save(step, state, state.served, document)
                ),
                inspect=make_inspector(
                    plan.records, batch_size=experiment.data.batch_size, seed=experiment.seed
                ),
                stop=lambda: request.name is not None,
            ),
        )
        on_first(lambda: known(checkpoints).close())
        on_first(lambda: known(best).close())
    stopped = None if done >= plan.total_steps else request.name or "a signal to another process"
    return TrainingResult(workdir, done, plan.total_steps, stopped)


def known(value: Opened | None) -> Opened:
    """What the first process has opened; only it asks."""
    assert value is not None
    return value


def feed_of(plan: Plan, frozen: Any, first_step: int) -> dict[str, Any]:
    """The frozen argument and the batches, as :func:`fit` takes them."""
    given, stream = feed(plan.experiment, plan.task, plan.records, frozen, first_step=first_step)
    return {"frozen": given, "batches": stream}


def validator_of(
    plan: Plan,
    data_dir: Path,
    workdir: Path,
    recorder: Recorder | NullLogger,
    best: BestCheckpoint | None,
) -> Callable[[int, TrainState], None]:
    """Scores on validation subjects, keeps the best, raises alarms."""
    validate = make_validator(
        plan.task,
        plan.last,
        open_split(plan.experiment, data_dir, "validation"),
        batch_size=plan.experiment.data.batch_size,
        recorder=recorder,
        best=best,
    )
    return with_alarms(plan.experiment.alarms, workdir, recorder, validate)


def recorder_of(workdir: Path, plan: Plan, first_step: int) -> Recorder | NullLogger:
    """What the first process records; the others are silent."""
    if not is_first():
        return NullLogger()
    labels = plan.experiment.map.upper()
    title = f"{labels} on {jax.device_count()} x {jax.devices()[0].device_kind}"
    return Recorder(workdir, first_step=first_step, total_steps=plan.total_steps, title=title)


def cadence_of(experiment: Experiment, total_steps: int) -> Cadence:
    """When an experiment logs, validates and saves."""
    cadence = experiment.cadence
    return Cadence(total_steps, cadence.log_every, cadence.validate_every, cadence.save_every)
