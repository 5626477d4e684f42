"""The loop's order and the records of a run."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from small_networks import small_task

from qsr_jax.maps import MAPS
from qsr_jax.tasks import JointMaps
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import Recorder, read_metrics
from qsr_jax.training.scores import make_scorer, validation_scores
from qsr_jax.training.validation import filled


def run(workdir, *, first, total, log=2, save=4, stop_after_save=None, asked_at=None, bad=None):
    """A loop whose state counts steps and whose batches carry their number."""
    saved, validated, inspected, taken = [], [], [], []

    def step(state, frozen, batch):
        assert int(batch["sample_id"][0, 0]) == state, "batch k goes to step k"
        taken.append(state + 1)
        return state + frozen, {"total": jnp.float32(state)}

    def inspect(done, metrics, sample_ids):
        assert metrics["total"] == done - 1 == sample_ids[0], "each step with its own records"
        inspected.append(done)
        if done == bad:
            raise ArithmeticError

    def save_state(done, state):
        assert inspected == taken, "nothing is saved before its metrics have been seen"
        saved.append((done, state))
        if done == stop_after_save:
            raise KeyboardInterrupt

    numbers = iter(range(first, total + 5))
    batches = ({"sample_id": np.full(4, n, np.int32)} for n in numbers)
    with Recorder(workdir, first_step=first, total_steps=total, title="test") as recorder:
        state, done = fit(
            first,
            first_step=first,
            step_of=lambda number: step,
            frozen=1,
            batches=batches,
            cadence=Cadence(total, log_every=log, validate_every=3, save_every=save),
            recorder=recorder,
            call=Callbacks(
                validate=lambda done, state: validated.append((done, state)),
                save=save_state,
                inspect=inspect,
                stop=lambda: asked_at is not None and len(taken) >= asked_at,
            ),
        )
    assert inspected == taken, "every step is inspected, whether logged or not"
    assert done == state
    return state, saved, validated


def logged_steps(workdir):
    return [line["step"] for line in read_metrics(workdir, "train")]


def test_everything_happens_at_its_step_and_at_the_last(tmp_path):
    state, saved, validated = run(tmp_path, first=0, total=10)
    assert state == 10
    assert saved == [(4, 4), (8, 8), (10, 10)]
    assert validated == [(3, 3), (6, 6), (9, 9), (10, 10)]
    assert logged_steps(tmp_path) == [2, 4, 6, 8, 10]
    line = read_metrics(tmp_path, "train")[1]
    assert line["total"] == 3.0, "the metrics of step 4 are those of the fourth step"
    assert {"images_per_second", "data_wait_seconds", "data_wait_share"} <= set(line)
    assert 0 <= line["data_wait_share"] <= 1
    assert any((tmp_path / "tensorboard").iterdir())


def test_a_resumed_run_leaves_each_step_on_record_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, first=0, total=10, stop_after_save=8)
    assert logged_steps(tmp_path) == [2, 4, 6, 8], "what a checkpoint has counted is in the log"
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 10, "group": "train", "total"')  # killed while writing
    run(tmp_path, first=4, total=10)
    assert logged_steps(tmp_path) == [2, 4, 6, 8, 10]


@pytest.mark.parametrize(
    ("asked_at", "saves"), [(3, [(3, 3)]), (4, [(4, 4)]), (6, [(4, 4), (6, 6)])]
)
def test_a_run_asked_to_stop_saves_at_that_step_and_returns(asked_at, saves, tmp_path):
    state, saved, validated = run(tmp_path, first=0, total=10, asked_at=asked_at)
    assert (state, saved) == (asked_at, saves)
    assert all(done < asked_at for done, _ in validated)


@pytest.mark.parametrize("bad", [1, 4, 5, 10])
def test_a_bad_step_ends_the_run_before_anything_of_it_is_saved(bad, tmp_path):
    with pytest.raises(ArithmeticError):
        run(tmp_path, first=0, total=10, bad=bad, save=1)
    assert [s for s in logged_steps(tmp_path) if s >= bad] == []


def test_an_alarm_is_recorded_and_told(tmp_path, capsys):
    with Recorder(tmp_path, first_step=0, total_steps=5, title="test") as recorder:
        recorder.alarm(3, "the discriminator has won")
    assert read_metrics(tmp_path, "alarm") == [
        {"step": 3, "group": "alarm", "text": "the discriminator has won"}
    ]
    assert "step 3: the discriminator has won" in capsys.readouterr().out


def test_metrics_are_plain_json_lines(tmp_path):
    run(tmp_path, first=0, total=4)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["group"] for line in lines] == ["train", "train"]


def test_validation_is_in_map_units_and_blind_outside_the_mask(rng):
    """A generator that is 7 ms too high everywhere, with nonsense outside the mask."""
    spec = MAPS["t1"]
    hr = rng.integers(5000, 12000, (4, 8, 8, 1), np.uint16)
    mask = (rng.random((4, 8, 8, 1)) < 0.5).astype(np.uint8)

    def probe(offset_ms, example):
        fine = jnp.repeat(jnp.repeat(example.inputs["lr"], 2, 1), 2, 2)
        return fine + offset_ms * 2 / spec.network_max

    lr = hr[:, ::2, ::2]
    hr = lr.repeat(2, 1).repeat(2, 2)
    hr[mask == 0] = 60000
    batch = {"lr": lr, "hr": hr, "mask": mask, "sample_id": np.arange(4, dtype=np.int32)}
    halves = [{k: v[i : i + 2] for k, v in batch.items()} for i in (0, 2)]
    halves[1] = filled(halves[1], 5)  # records of nothing count nothing
    scorer = make_scorer(probe, small_task(crop=0))
    scores = validation_scores(scorer, jnp.float32(7.0), halves, ("t1",))
    assert scores["mae_ms"] == pytest.approx(7.0, abs=0.01)
    assert scores["bias_ms"] == pytest.approx(7.0, abs=0.01)
    inside = np.repeat(np.repeat(lr[..., 0], 2, 1), 2, 2)[mask[..., 0] > 0] * spec.slope
    assert scores["relative_bias_percent"] == pytest.approx(700.0 / inside.mean(), abs=0.01)
    assert scores["pooled_psnr_db"] == pytest.approx(20 * np.log10(4300 / 7.0), abs=0.01)


def test_scores_of_several_maps_name_each_and_the_worst(rng):
    """PD is 3 % too high, T1 is right."""
    task = JointMaps(("t1", "pd"), 2)
    stored = np.stack([np.full((2, 4, 4), 10000), np.full((2, 4, 4), 800)], -1).astype(np.uint16)
    hr = stored.repeat(2, 1).repeat(2, 2)
    batch = {"lr": stored, "hr": hr, "mask": np.ones((2, 8, 8, 1), np.uint8)}
    batch["sample_id"] = np.arange(2, dtype=np.int32)

    def probe(_, example):
        return example.target + jnp.array([0.0, 0.03 * 80.0 * 2 / MAPS["pd"].network_max])

    scores = validation_scores(make_scorer(probe, task), {}, [batch], task.names)
    assert scores["t1_mae_ms"] == pytest.approx(0.0, abs=1e-3)
    assert scores["pd_bias_percent"] == pytest.approx(2.4, abs=1e-3)
    assert scores["relative_bias_percent"] == pytest.approx(3.0, abs=1e-3)
    mean = (scores["t1_pooled_psnr_db"] + scores["pd_pooled_psnr_db"]) / 2
    assert scores["pooled_psnr_db"] == pytest.approx(mean)
