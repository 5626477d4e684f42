"""What a training run does beside its steps: validate, keep the best, raise alarms, refuse NaN."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from qsr_jax.checkpoint import BEST, Checkpoints, DamageError, load_document
from qsr_jax.data.records.batches import batch_ids, in_order
from qsr_jax.data.records.open import Records
from qsr_jax.maps import MapSpec, from_network, to_network
from qsr_jax.ops.resample import upsample
from qsr_jax.training.best import merit_of
from qsr_jax.training.guards import bias_drift, check_finite, saturation
from qsr_jax.training.metric_log import Recorder, read_metrics
from qsr_jax.training.processes import is_first, on_first
from qsr_jax.training.state import GanState, Networks
from qsr_jax.training.validate import make_scorer, validation_scores

Validate = Callable[[int, GanState], None]


class BestCheckpoint:
    """``workdir/best``: one checkpoint, replaced when a validation beats it."""

    def __init__(self, workdir: Path, document: Mapping[str, Any], *, bias_percent: float) -> None:
        """Opens the best of an earlier run; a damaged one is told and set aside."""
        self._checkpoints = Checkpoints(workdir, keep=1, which=BEST)
        try:
            self._checkpoints.set_damaged_aside(strict=False)
        except DamageError as error:
            print(f"best checkpoint lost: {error}")
        self._document, self._bias_percent = document, bias_percent
        self._merit = None
        if self._checkpoints.newest_step is not None:
            self._merit = merit_of(load_document(workdir, which=BEST)[1]["validation"])

    def offer(self, step: int, state: GanState, scores: Mapping[str, float]) -> None:
        """Saves the state if its scores beat the best so far; a step taken again is kept as is."""
        newest = self._checkpoints.newest_step
        if newest is not None and step <= newest:
            return
        merit = merit_of(scores)
        if merit.beats(self._merit, bias_percent=self._bias_percent):
            document = dict(self._document) | {"validation": dict(scores)}
            self._checkpoints.save(step, state, state.served, document)
            self._merit = merit

    def close(self) -> None:
        """Waits until the last save is on disk."""
        self._checkpoints.close()


def make_validator(
    config: ConfigDict,
    networks: Networks,
    spec: MapSpec,
    records: Records,
    recorder: Recorder,
    best: BestCheckpoint | None,
) -> Validate:
    """A callback that scores the generator on validation subjects, beside bicubic interpolation.

    Every process scores its share of the slices; the first offers the state to ``best``.
    """
    if len(records) == 0:
        return lambda *_: None

    def bicubic(_: Any, lr: jax.Array) -> jax.Array:
        alignment = records.grid_alignment
        return upsample(lr, scale=records.scale, alignment=alignment, method="cubic")

    @jax.jit
    def network(variables: Any, lr: jax.Array) -> jax.Array:
        return networks.generator.apply(variables, lr, train=False)

    def score(upsampler: Callable, variables: Any) -> dict[str, float]:
        one_pass = in_order(
            records,
            batch_size=config.data.batch_size,
            part=jax.process_index(),
            parts=jax.process_count(),
        )
        return validation_scores(make_scorer(upsampler, spec), variables, one_pass, spec)

    baseline = {f"bicubic_{name}": value for name, value in score(bicubic, {}).items()}
    middle = records[len(records) // 2]

    def validate(step: int, state: GanState) -> None:
        scores = score(network, state.served)
        recorder.scalars(step, "validation", scores | baseline)
        on_first(lambda: best.offer(step, state, scores))
        if not is_first():
            return
        lr = to_network(middle["lr"][None] * np.float32(spec.slope), spec)
        sr = from_network(network(state.served, lr)[0, ..., 0], spec)
        coarse = np.kron(middle["lr"][..., 0] * spec.slope, np.ones((records.scale,) * 2))
        panels = (coarse, np.asarray(sr), middle["hr"][..., 0] * spec.slope)
        recorder.picture(step, "fast_dl_routine", np.hstack(panels) / spec.scanner_max)

    return validate


def with_alarms(config: ConfigDict, workdir: Path, recorder: Recorder, then: Validate) -> Validate:
    """Looks at the logged lines after every validation and says what a person should know."""

    def validate(step: int, state: GanState) -> None:
        then(step, state)
        if not is_first():
            return
        alarms = config.alarms
        told = (
            saturation(read_metrics(workdir, "train"), share=alarms.certain, window=alarms.window),
            bias_drift(read_metrics(workdir, "validation"), percent=alarms.drift_percent),
        )
        for text in told:
            if text is not None:
                recorder.alarm(step, text)

    return validate


def make_inspector(
    records: Records, *, batch_size: int, seed: int
) -> Callable[[int, Mapping[str, float], Sequence[int]], None]:
    """The guard of the loop, which names records by pseudonym and slice.

    It names those of the whole batch, of which the loop of one process knows its part.
    """

    def describe(index: int) -> str:
        record = records[index]
        return f"{record['subject']} slice {record['slice_index']}"

    def inspect(done: int, metrics: Mapping[str, float], _: Sequence[int]) -> None:
        ids = batch_ids(len(records), batch_size=batch_size, seed=seed, step=done - 1)
        check_finite(done, metrics, ids, describe)

    return inspect
