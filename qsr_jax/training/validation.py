"""What a training run does beside its steps: validate, keep the best, raise alarms, refuse NaN."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qsr_jax.checkpoint import BEST, Checkpoints, DamageError, load_document
from qsr_jax.data.records.batches import batch_ids, in_order, load_batch
from qsr_jax.data.records.joint import JointRecords
from qsr_jax.maps import spec_of
from qsr_jax.objectives import Denoising, Objective
from qsr_jax.tasks import JointMaps
from qsr_jax.training.guards import (
    bias_drift,
    check_denoises,
    check_finite,
    long_gradient,
    saturation,
)
from qsr_jax.training.metric_log import NullLogger, Recorder, read_metrics
from qsr_jax.training.options import AlarmOptions
from qsr_jax.training.parallel import spread_samples
from qsr_jax.training.processes import alone, is_first, on_first
from qsr_jax.training.scores import SelectionScore, make_scorer, validation_scores
from qsr_jax.training.state import TrainState
from qsr_jax.types import Batch

Validate = Callable[[int, TrainState], None]
Logger = Recorder | NullLogger


class BestCheckpoint:
    """``workdir/best``: one checkpoint, replaced when a validation beats it."""

    def __init__(
        self,
        workdir: Path,
        document: Mapping[str, Any],
        *,
        bias_percent: float,
        say: Callable[[str], None],
    ) -> None:
        """Opens the best of an earlier run; a damaged one is told and set aside."""
        self._checkpoints = Checkpoints(workdir, keep=1, which=BEST)
        try:
            self._checkpoints.set_damaged_aside(strict=False)
        except DamageError as error:
            say(f"best checkpoint lost: {error}")
        self._document, self._bias_percent = document, bias_percent
        self._score: SelectionScore | None = None
        if self._checkpoints.newest_step is not None:
            self._score = SelectionScore.of(load_document(workdir, which=BEST)[1]["validation"])

    def offer(self, step: int, state: TrainState, scores: Mapping[str, float]) -> None:
        """Saves the state if its scores beat the best so far; a step taken again is kept as is."""
        newest = self._checkpoints.newest_step
        if newest is not None and step <= newest:
            return
        score = SelectionScore.of(scores)
        if score.beats(self._score, bias_percent=self._bias_percent):
            document = dict(self._document) | {"validation": dict(scores)}
            self._checkpoints.save(step, state, state.served, document)
            self._score = score

    def close(self) -> None:
        """Waits until the last save is on disk."""
        self._checkpoints.close()


def make_validator(
    task: JointMaps,
    objective: Objective,
    records: JointRecords,
    *,
    batch_size: int,
    devices: Sequence[jax.Device] | None = None,
    recorder: Logger,
    best: BestCheckpoint | None,
) -> Validate:
    """A callback that scores the served network on validation subjects, beside the baseline.

    Every process scores its share of the slices; the first offers the state to ``best``. Each
    program is compiled once: the last batch is filled up with records that count nothing. On
    several devices of one process each scores its part of a batch, not all of it once more.
    """
    if len(records) == 0:
        return lambda *_: None
    share = {"part": jax.process_index(), "parts": jax.process_count()}

    def scores_of(score: Callable, variables: Any) -> dict[str, float]:
        read = in_order(records, batch_size=batch_size, **share)
        one_pass = (_shared(filled(batch, batch_size), devices) for batch in read)
        return validation_scores(score, variables, one_pass, task.names)

    network = make_scorer(objective.probe, task)
    untrained = make_scorer(lambda _, example: objective.baseline(task, example), task)
    baseline = {f"baseline_{name}": v for name, v in scores_of(untrained, {}).items()}
    picture = make_picture(task, objective, records)

    def validate(step: int, state: TrainState) -> None:
        scores = scores_of(network, state.served)
        recorder.scalars(step, "validation", scores | baseline)
        if isinstance(objective, Denoising):
            for key in (key for key in scores if "mae_" in key):
                check_denoises(step, scores[key], baseline[f"baseline_{key}"])
        if best is not None:
            on_first(lambda: best.offer(step, state, scores))
        if is_first():
            recorder.picture(step, "fast_dl_routine", picture(state.served))

    return validate


def _shared(batch: Batch, devices: Sequence[jax.Device] | None) -> Batch:
    """A batch in even parts on the devices of a process on its own."""
    if devices is None or not alone():
        return batch
    return spread_samples(batch, devices=devices)


def filled(batch: Mapping[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """A batch of ``size`` records, the missing ones with a mask of nothing."""
    missing = size - len(batch["sample_id"])
    if not missing:
        return dict(batch)

    def fill(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)])

    return {name: fill(np.asarray(array)) for name, array in batch.items()}


def make_picture(
    task: JointMaps, objective: Objective, records: JointRecords
) -> Callable[[Any], np.ndarray]:
    """(variables) to the middle slice of every map, fast, made and routine side by side, 0..1."""
    batch = load_batch(records, np.array([len(records) // 2]))
    probe = jax.jit(lambda variables, batch: _shown(task, objective, variables, batch))

    def picture(variables: Any) -> np.ndarray:
        parts = [np.asarray(part)[0] for part in probe(variables, batch)]
        rows = [np.hstack([part[..., i] for part in parts]) for i in range(len(task.names))]
        limits = [spec_of(name).scanner_max for name in task.names]
        return np.vstack([row / limit for row, limit in zip(rows, limits, strict=True)])

    return picture


def _shown(task: JointMaps, objective: Objective, variables: Any, batch: Any) -> tuple:
    example = task.whole(batch)
    coarse = jax.numpy.repeat(
        jax.numpy.repeat(task.middle(example.inputs["lr"]), task.scale, 1), task.scale, 2
    )
    made = (coarse, objective.probe(variables, example), example.target)
    return tuple(task.physical(image) for image in made)


def with_alarms(options: AlarmOptions, workdir: Path, recorder: Logger, then: Validate) -> Validate:
    """Looks at the logged lines after every validation and says what a person should know."""

    def validate(step: int, state: TrainState) -> None:
        then(step, state)
        if not is_first():
            return
        lines, scores = (read_metrics(workdir, group) for group in ("train", "validation"))
        since = scores[-2]["step"] if len(scores) > 1 else 0
        told = (
            saturation(lines, share=options.certain, window=options.window),
            long_gradient([line for line in lines if line["step"] >= since]),
            bias_drift(scores, percent=options.drift_percent),
        )
        for text in told:
            if text is not None:
                recorder.alarm(step, text)

    return validate


def make_inspector(
    records: JointRecords, *, batch_size: int, seed: int
) -> Callable[[int, Mapping[str, float], Sequence[int]], None]:
    """The guard of the loop, which names records by pseudonym and slice.

    It names those of the whole batch, of which the loop of one process knows its part.
    """

    def describe(index: int) -> str:
        record = records[index]
        return f"{record['subject']} slice {record['slice_index']}"

    def inspect(done: int, metrics: Mapping[str, float], _: Sequence[int]) -> None:
        ids = batch_ids(len(records), batch_size=batch_size, seed=seed, step=done - 1)
        check_finite(done, metrics, [int(i) for i in ids], describe)

    return inspect
