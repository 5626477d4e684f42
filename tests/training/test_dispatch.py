"""Several steps in one call: the loop still sees every step."""

import numpy as np
import pytest

from qsr_jax.training.dispatch import one_by_one, together
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import Recorder, read_metrics
from qsr_jax.training.parallel import split_over_devices


def test_every_step_of_a_call_is_inspected_and_logged(tmp_path):
    """Two at a time, from the middle: metrics and records of each, saves where they are due."""
    inspected, saved, calls = [], [], []

    def pair(state, frozen, batch):
        ids = batch["sample_id"]  # (devices, steps, n)
        assert ids.shape == (4, 2, 1)
        assert (ids == [[[state], [state + 1]]] * 4).all()
        calls.append(state)
        return state + 2, {"total": np.float32([state, state + 1])}

    batches = ({"sample_id": np.full(4, n, np.int32)} for n in range(4, 100))
    with Recorder(tmp_path, first_step=4, total_steps=12, title="test") as recorder:
        state, done = fit(
            4,
            first_step=4,
            step_of=lambda number: pair,
            frozen=None,
            batches=batches,
            cadence=Cadence(12, log_every=3, validate_every=100, save_every=4),
            recorder=recorder,
            call=Callbacks(
                validate=lambda *_: None,
                save=lambda done, state: saved.append((done, state, len(inspected))),
                inspect=lambda *told: inspected.append(
                    (told[0], float(told[1]["total"]), *told[2])
                ),
                stop=lambda: False,
            ),
            per_call=2,
        )
    assert (state, done, calls) == (12, 12, [4, 6, 8, 10])
    assert inspected == [(n + 1, n, n, n, n, n) for n in range(4, 12)]
    assert saved == [(8, 8, 4), (12, 12, 8)]  # never before what it counts has been seen
    assert [line["step"] for line in read_metrics(tmp_path, "train")] == [6, 9, 12]


def test_batches_and_metrics_of_one_step_stay_as_they_are():
    batch = split_over_devices({"sample_id": np.arange(8)})
    assert together([batch]) is batch
    assert one_by_one({"total": 1.0}, 1) == [{"total": 1.0}]
    assert one_by_one({"total": np.array([1.0, 2.0])}, 2) == [{"total": 1.0}, {"total": 2.0}]


@pytest.mark.parametrize("count", [2, 3])
def test_batches_are_stacked_behind_the_devices(count):
    batches = [split_over_devices({"lr": np.arange(8) + 10 * k}) for k in range(count)]
    stacked = together(batches)["lr"]
    assert stacked.shape == (4, count, 2)
    for k in range(count):
        np.testing.assert_array_equal(stacked[:, k], batches[k]["lr"])
