"""The one training loop. Steps, batches and saving are passed in; it only keeps time and order."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from qsr_jax.training.metric_log import NullLogger, Recorder
from qsr_jax.training.parallel import STOP_FLAG, attach_stop_flag, split_over_devices
from qsr_jax.training.processes import alone
from qsr_jax.training.state import TrainState
from qsr_jax.training.step import Metrics, Step
from qsr_jax.types import Batch


@dataclasses.dataclass(frozen=True)
class Cadence:
    """How many steps in all, and after how many to log, to validate and to save."""

    total_steps: int
    log_every: int
    validate_every: int
    save_every: int

    def due(self, done: int, every: int) -> bool:
        """True at every multiple of ``every`` and at the last step."""
        return done % every == 0 or done == self.total_steps


@dataclasses.dataclass(frozen=True)
class Callbacks:
    """What the loop calls, each with the number of finished steps first.

    Attributes:
        validate: (done, state), when due.
        save: (done, state), when due or asked to stop; never before the metrics of all finished
            steps have been inspected.
        inspect: (done, metrics, sample ids) of every step; raises to end the run.
        stop: whether somebody asked this process to stop; all of them then save and return.
    """

    validate: Callable[[int, TrainState], None]
    save: Callable[[int, TrainState], None]
    inspect: Callable[[int, Mapping[str, float], Sequence[int]], None]
    stop: Callable[[], bool]


def fit(
    state: TrainState,
    *,
    first_step: int,
    step_of: Callable[[int], Step],
    frozen: Any,
    batches: Iterator[Batch],
    cadence: Cadence,
    recorder: Recorder | NullLogger,
    call: Callbacks,
    devices: int | None = None,
) -> tuple[TrainState, int]:
    """Takes steps ``first_step`` … ``cadence.total_steps - 1``, fewer when asked to stop.

    The metrics of a step are read after the next one has been dispatched, so that the device does
    not wait for the host between two checkpoints. Several processes learn from these metrics
    whether one of them was asked to stop, and stop together, two steps later at most.

    Args:
        state: after ``first_step`` steps, replicated over the devices.
        first_step: number of steps already taken.
        step_of: the compiled step to use at a step number (warm-up or adversarial).
        frozen: parameters of the frozen feature network.
        batches: this process' part of the batches from ``first_step`` on.
        cadence: when to do what.
        recorder: where metrics go.
        call: what to do then.
        devices: of this process that a step runs on; all of them without it.

    Returns:
        The last state and the number of steps it has taken.
    """
    ledger = _Ledger(cadence, recorder, call.inspect)
    done = first_step
    for number in range(first_step, cadence.total_steps):
        with ledger.pace.waiting():
            batch = next(batches)
        part = split_over_devices(batch, devices=devices)
        if not alone():
            part = attach_stop_flag(part, asked=call.stop())
        state, metrics = step_of(number)(state, frozen, part)
        ledger.settle()
        done = number + 1
        ledger.note(done, metrics, batch["sample_id"])
        stopping = call.stop() if alone() else ledger.asked
        if cadence.due(done, cadence.validate_every) and not stopping:
            ledger.settle()
            call.validate(done, state)
            ledger.pace.restart()
        if cadence.due(done, cadence.save_every) or stopping:
            ledger.settle()  # what a checkpoint has counted must stand in the log before it
            call.save(done, state)
            ledger.pace.restart()
        if stopping:
            break
    return state, done


class _Ledger:
    """Holds the metrics of the newest step until the next has been dispatched."""

    def __init__(
        self, cadence: Cadence, recorder: Recorder | NullLogger, inspect: Callable
    ) -> None:
        self.pace = _Pace()
        self._cadence, self._recorder, self._inspect = cadence, recorder, inspect
        self._unread: tuple[int, Metrics, Sequence[int]] | None = None
        self.asked = False

    def note(self, done: int, metrics: Metrics, sample_ids: Sequence[int]) -> None:
        """Of one step: its number, metrics and sample ids."""
        self._unread = (done, metrics, sample_ids)
        self.pace.count(len(sample_ids) * jax.process_count())

    def settle(self) -> None:
        if self._unread is None:
            return
        done, metrics, sample_ids = self._unread
        self._unread, values = None, jax.device_get(metrics)
        self.asked = bool(values.pop(STOP_FLAG, 0))
        self._inspect(done, values, sample_ids)
        if self._cadence.due(done, self._cadence.log_every):
            self._recorder.scalars(done, "train", values | self.pace.report())
        self._recorder.advance()


class _Pace:
    """Images per second and the share of time spent waiting for data since the last report."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._start, self._samples, self._waited = time.perf_counter(), 0, 0.0

    def waiting(self) -> "_Pace":
        return self

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._waited += time.perf_counter() - self._since

    def count(self, samples: int) -> None:
        self._samples += samples

    def report(self) -> dict[str, float]:
        elapsed = time.perf_counter() - self._start
        report = {
            "images_per_second": self._samples / elapsed,
            "data_wait_seconds": self._waited,
            "data_wait_share": self._waited / elapsed,
        }
        self.restart()
        return report
