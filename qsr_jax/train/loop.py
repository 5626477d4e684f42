"""The one training loop. Steps, batches and saving are passed in; it only keeps time and order."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax

from qsr_jax.train.parallel import split_over_devices
from qsr_jax.train.record import Recorder
from qsr_jax.train.state import GanState
from qsr_jax.train.steps import Metrics, Step
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


def fit(
    state: GanState,
    *,
    first_step: int,
    step_of: Callable[[int], Step],
    frozen: Any,
    batches: Iterator[Batch],
    cadence: Cadence,
    recorder: Recorder,
    validate: Callable[[int, GanState], None],
    save: Callable[[int, GanState], None],
) -> GanState:
    """Takes steps ``first_step`` … ``cadence.total_steps - 1`` and returns the last state.

    The metrics of a step are read after the next one has been dispatched, so that the device does
    not wait for the host between two checkpoints.

    Args:
        state: after ``first_step`` steps, replicated over the devices.
        first_step: number of steps already taken.
        step_of: the compiled step to use at a step number (warm-up or adversarial).
        frozen: parameters of the frozen feature network.
        batches: the batches from ``first_step`` on.
        cadence: when to do what.
        recorder: where metrics go.
        validate: called with (steps done, state).
        save: called with (steps done, state).
    """
    pace = _Pace()
    unread: tuple[int, Metrics] | None = None

    def settle() -> None:
        nonlocal unread
        if unread is not None:
            done, metrics = unread[0], jax.device_get(unread[1])
            if cadence.due(done, cadence.log_every):
                recorder.scalars(done, "train", metrics | pace.report())
            recorder.advance()
        unread = None

    for number in range(first_step, cadence.total_steps):
        with pace.waiting():
            batch = next(batches)
        state, metrics = step_of(number)(state, frozen, split_over_devices(batch))
        settle()
        unread, done = (number + 1, metrics), number + 1
        pace.count(len(batch["sample_id"]))
        for every, act in ((cadence.validate_every, validate), (cadence.save_every, save)):
            if cadence.due(done, every):
                settle()  # what a checkpoint has counted must stand in the log before it
                act(done, state)
                pace.restart()
    return state


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
