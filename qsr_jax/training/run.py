"""One training, from an experiment and records to checkpoints: begun, or gone on with."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax

from qsr_jax.checkpoint import Checkpoints, finishing
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.files.lock import workdir_lock
from qsr_jax.ops.devices import start_cpu_devices
from qsr_jax.training.assemble import frozen_parameters
from qsr_jax.training.checks import samples_shared
from qsr_jax.training.compile_cache import use_compile_cache
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.familiarity import keep_familiar
from qsr_jax.training.feed import feed
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import NullLogger, Recorder
from qsr_jax.training.plan import Plan, make_plan, open_split, steps_by_stage
from qsr_jax.training.processes import check_same, is_first, on_first, say
from qsr_jax.training.resume import newest_state, open_workdir, start_state
from qsr_jax.training.spread import calibrate_spreads
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
        """Whether nothing is left to do."""
        return self.step >= self.total_steps and self.stopped_by is None


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
    start_cpu_devices(samples_shared(experiment))
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
    """Finds where to begin, and takes the steps that are left."""
    opened = on_first(lambda: open_workdir(workdir, plan.experiment, allowed))
    checkpoints, claim = opened or (None, None)

    def older(fresh: TrainState) -> tuple[TrainState, int]:
        return newest_state(known(checkpoints), plan.document, known(claim), fresh, strict=strict)

    state, first_step = start_state(plan, older)

    def validation() -> JointRecords:
        return open_split(plan.experiment, data_dir, "validation")

    if first_step >= plan.total_steps:
        if not _calibrated(workdir, plan, validation, request):
            return TrainingResult(workdir, first_step, plan.total_steps, request.name)
        say(f"{workdir}: already trained, {first_step} steps; nothing to do")
        return TrainingResult(workdir, first_step, plan.total_steps)
    on_first(lambda: tell_status(workdir, plan.experiment, plan.total_steps, plan.document))
    if plan.start is not None and first_step == 0:
        say("\n".join(plan.start.notes(plan.document)))
    begun = _Begun(plan, workdir, state, first_step, checkpoints)
    done = begun.take_steps(frozen, validation(), request)
    ended = done >= plan.total_steps
    finished = ended and _calibrated(workdir, plan, validation, request)
    stopped_by = None if finished else request.name or "a signal to another process"
    return TrainingResult(workdir, done, plan.total_steps, stopped_by)


def _calibrated(
    workdir: Path, plan: Plan, validation: Callable[[], JointRecords], request: StopRequest
) -> bool:
    """Whether what comes after the last step is done and was not stopped.

    The first process does it and hears its own signals; the others wait for it.
    """

    def calibrate() -> bool:
        made = calibrate_spreads(
            workdir, plan, validation, stopped=lambda: request.name is not None
        )
        if made:
            keep_familiar(workdir, plan, validation)
        return made

    return on_first(calibrate) is not False


@dataclasses.dataclass(frozen=True)
class _Begun:
    """A training at a step; the first process has its checkpoints open."""

    plan: Plan
    workdir: Path
    state: TrainState
    first_step: int
    checkpoints: Checkpoints | None

    def take_steps(self, frozen: Any, validation: JointRecords, request: StopRequest) -> int:
        """Steps until the end or a request to stop; the number that is finished and saved."""
        plan, experiment = self.plan, self.plan.experiment
        best = on_first(
            lambda: BestCheckpoint(
                self.workdir, plan.document, bias_percent=experiment.best.bias_percent, say=say
            )
        )
        given, stream = feed(
            experiment,
            plan.task,
            plan.records,
            frozen,
            first_step=self.first_step,
            devices=plan.devices,
        )
        with finishing(self.checkpoints), recorder_of(self, plan) as recorder:
            validate = self.validator(validation, recorder, best)
            if plan.start is not None and self.first_step == 0:
                validate(0, self.state)  # the model itself, which may stay the best
            _, done = fit(
                self.state,
                first_step=self.first_step,
                step_of=steps_by_stage(plan),
                frozen=given,
                batches=stream,
                cadence=cadence_of(experiment, plan.total_steps),
                recorder=recorder,
                devices=len(plan.devices),
                call=Callbacks(
                    validate=validate,
                    save=self.save,
                    inspect=make_inspector(
                        plan.records, batch_size=experiment.data.batch_size, seed=experiment.seed
                    ),
                    stop=lambda: request.name is not None,
                ),
            )
            on_first(lambda: known(self.checkpoints).close())
            on_first(lambda: known(best).close())
        return done

    def save(self, step: int, state: TrainState) -> None:
        """Saves a state, in the first process."""
        on_first(
            lambda: known(self.checkpoints).save(step, state, state.served, self.plan.document)
        )

    def validator(
        self, records: JointRecords, recorder: Recorder | NullLogger, best: BestCheckpoint | None
    ) -> Callable[[int, TrainState], None]:
        """Scores on validation subjects, keeps the best, raises alarms."""
        validate = make_validator(
            self.plan.task,
            self.plan.last,
            records,
            batch_size=self.plan.experiment.data.batch_size,
            devices=self.plan.devices,
            recorder=recorder,
            best=best,
        )
        return with_alarms(self.plan.experiment.alarms, self.workdir, recorder, validate)


def known(value: Opened | None) -> Opened:
    """What the first process has opened; only it asks."""
    assert value is not None
    return value


def recorder_of(begun: _Begun, plan: Plan) -> Recorder | NullLogger:
    """What the first process records; the others are silent."""
    if not is_first():
        return NullLogger()
    count = len(plan.devices) * jax.process_count()
    title = f"{plan.experiment.map.upper()} on {count} x {jax.devices()[0].device_kind}"
    return Recorder(
        begun.workdir, first_step=begun.first_step, total_steps=plan.total_steps, title=title
    )


def cadence_of(experiment: Experiment, total_steps: int) -> Cadence:
    """When an experiment logs, validates and saves."""
    cadence = experiment.cadence
    return Cadence(total_steps, cadence.log_every, cadence.validate_every, cadence.save_every)
