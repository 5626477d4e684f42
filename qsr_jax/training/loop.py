"""The one training loop. Steps, batches and saving are passed in; it only keeps time and order."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax

from qsr_jax.training.dispatch import one_by_one, together
from qsr_jax.training.metric_log import Recorder
from qsr_jax.training.parallel import ASKED, split_over_devices, with_wish
from qsr_jax.training.processes import alone
from qsr_jax.training.state import GanState
from qsr_jax.training.steps import Metrics, Step
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

    validate: Callable[[int, GanState], None]
    save: Callable[[int, GanState], None]
    inspect: Callable[[int, Mapping[str, float], Sequence[int]], None]
    stop: Callable[[], bool]


def fit(
    state: GanState,
    *,
    first_step: int,
    step_of: Callable[[int], Step],
    frozen: Any,
    batches: Iterator[Batch],
    cadence: Cadence,
    recorder: Recorder,
    call: Callbacks,
    per_call: int = 1,
) -> tuple[GanState, int]:
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
        per_call: steps that one call of the compiled step takes, see
            :mod:`qsr_jax.training.dispatch`; everything due must be a multiple of it.

    Returns:
        The last state and the number of steps it has taken.
    """
    ledger = _Ledger(cadence, recorder, call.inspect)
    done = first_step
    for number in range(first_step, cadence.total_steps, per_call):
        with ledger.pace.waiting():
            taken = [next(batches) for _ in range(per_call)]
        parts = together([split_over_devices(batch) for batch in taken])
        if not alone():
            parts = with_wish(parts, asked=call.stop())
        state, metrics = step_of(number)(state, frozen, parts)
        ledger.settle()
        done = number + per_call
        ledger.note(done, metrics, [batch["sample_id"] for batch in taken])
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

    def __init__(self, cadence: Cadence, recorder: Recorder, inspect: Callable) -> None:
        self.pace = _Pace()
        self._cadence, self._recorder, self._inspect = cadence, recorder, inspect
        self._unread: tuple[int, Metrics, Sequence[Sequence[int]]] | None = None
        self.asked = False

    def note(self, done: int, metrics: Metrics, sample_ids: Sequence[Sequence[int]]) -> None:
        """Of one call: the steps after it, and the sample ids of each of its steps."""
        self._unread = (done, metrics, sample_ids)
        self.pace.count(sum(map(len, sample_ids)) * jax.process_count())

    def settle(self) -> None:
        if self._unread is None:
            return
        last, metrics, sample_ids = self._unread
        self._unread, fetched = None, jax.device_get(metrics)
        self.asked = bool(fetched.pop(ASKED, 0))
        steps = one_by_one(fetched, len(sample_ids))
        first = last - len(steps) + 1
        for done, (values, ids) in enumerate(zip(steps, sample_ids, strict=True), start=first):
            self._inspect(done, values, ids)
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
