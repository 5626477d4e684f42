"""Several processes as one: who reads what, who stops when, and what all of them agree on."""

import inspect
import itertools
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from qsr_jax.data.records.batches import batch_ids, batches, in_order, part_of
from qsr_jax.training import loop, processes
from qsr_jax.training.loop import Cadence, Callbacks, fit
from qsr_jax.training.metric_log import NullLogger, Recorder
from qsr_jax.training.parallel import STOP_FLAG, attach_stop_flag, compile_step, split_over_devices

ROOT = Path(__file__).parents[2]


class Numbers:
    """Records whose images hold their own index."""

    def __len__(self):
        return 23

    def __getitem__(self, index):
        one = np.full((2, 2, 1), index, np.uint16)
        return {"lr": one, "hr": np.full((4, 4, 1), index, np.uint16), "mask": one.astype(np.uint8)}


# --- who reads what -------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [23, 24])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_at_every_position_of_three_epochs_the_parts_are_the_batch(parts, length):
    """Started at any step, by any number of processes: the records a single process would read."""
    size, per_epoch = 8, length // 8
    options = {"batch_size": size, "seed": 3}
    whole = [batch_ids(length, step=step, **options) for step in range(3 * per_epoch + 1)]
    for step, ids in enumerate(whole):
        read = [part_of(ids, part=part, parts=parts) for part in range(parts)]
        assert {len(one) for one in read} == {size // parts}
        assert np.concatenate(read).tolist() == ids.tolist()
        resumed = [batch_ids(length, step=s, **options) for s in range(step, len(whole))]
        assert all(map(np.array_equal, resumed, whole[step:]))
    for epoch in range(3):
        seen = np.concatenate(whole[epoch * per_epoch : (epoch + 1) * per_epoch])
        assert len(set(seen.tolist())) == per_epoch * size, "nothing twice, the rest dropped"


@pytest.mark.parametrize("parts", [2, 4])
def test_the_streams_of_all_processes_make_the_stream_of_one(parts):
    options = {"batch_size": 8, "seed": 1, "start_step": 1}
    whole = itertools.islice(batches(Numbers(), **options), 4)
    streams = [batches(Numbers(), part=i, parts=parts, **options) for i in range(parts)]
    for expected in whole:
        shares = [next(stream) for stream in streams]
        for key, value in expected.items():
            np.testing.assert_array_equal(np.concatenate([one[key] for one in shares]), value)


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(ValueError, match="a batch of 8 does not divide by 3 processes"):
        batches(Numbers(), batch_size=8, seed=0, start_step=0, part=0, parts=3)


@pytest.mark.parametrize("parts", [2, 4])
def test_shares_of_one_pass_are_dealt_in_turn(parts):
    whole = [b["sample_id"].tolist() for b in in_order(Numbers(), batch_size=4)]
    shares = [
        [b["sample_id"].tolist() for b in in_order(Numbers(), batch_size=4, part=i, parts=parts)]
        for i in range(parts)
    ]
    dealt = [one for turn in itertools.zip_longest(*shares) for one in turn if one is not None]
    assert dealt == whole


# --- who stops when -------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [False, True])
def test_the_wish_of_a_process_comes_back_with_the_metrics(asked):
    compiled = compile_step(lambda state, frozen, batch: (state + frozen, {"names": batch["x"][0]}))
    parts = split_over_devices({"x": np.zeros(4, np.float32)})
    _, metrics = compiled(np.float32(0), np.float32(1), attach_stop_flag(parts, asked=asked))
    assert int(metrics[STOP_FLAG]) == asked * jax.device_count()
    assert "names" in metrics
    assert STOP_FLAG not in compiled(np.float32(0), np.float32(1), parts)[1]


@pytest.mark.parametrize(("asked_at", "by_another"), [(3, False), (3, True), (9, True)])
def test_whoever_is_asked_all_stop_after_the_same_step(asked_at, by_another, monkeypatch):
    """The loop believes the sum of all wishes, never its own alone; it needs two steps more."""
    monkeypatch.setattr(loop, "alone", lambda: False)
    saved, wishes = [], []

    def step(state, frozen, batch):
        wishes.append(int(batch[STOP_FLAG].sum()) > 0)
        return state + 1, {"total": 1.0, STOP_FLAG: np.int32(state >= asked_at)}

    _, done = fit(
        0,
        first_step=0,
        step_of=lambda number: step,
        frozen=None,
        batches=({"sample_id": np.zeros(4, np.int32)} for _ in itertools.count()),
        cadence=Cadence(12, log_every=1, validate_every=100, save_every=100),
        recorder=NullLogger(),
        call=Callbacks(
            validate=lambda *_: None,
            save=lambda done, state: saved.append((done, state)),
            inspect=lambda done, metrics, ids: None,
            stop=lambda: not by_another and len(wishes) >= asked_at,
        ),
    )
    assert saved == [(done, done)]
    assert done == min(asked_at + 2, 12)
    assert any(wishes) != by_another


def test_silence_takes_whatever_a_recorder_takes():
    for name, method in inspect.getmembers(Recorder, inspect.isfunction):
        if not name.startswith("_"):
            other = getattr(NullLogger, name)
            assert inspect.signature(other) == inspect.signature(method), name
    with NullLogger() as silence:
        silence.advance()


# --- what all agree on ----------------------------------------------------------------------------


def test_alone_everything_is_the_obvious_thing():
    assert processes.alone()
    assert processes.is_first()
    processes.check_same({"config": 1})
    assert processes.on_first(lambda: 5) == 5
    with pytest.raises(OSError, match="disk full"):
        processes.on_first(lambda: (_ for _ in ()).throw(OSError("disk full")))
    tree = {"a": np.arange(3)}
    assert processes.from_first(tree) is tree
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(processes.in_turn(rows), rows)


def two(mode: str) -> list[subprocess.Popen]:
    """Both processes of processes_pair.py."""
    with socket.socket() as one:
        one.bind(("", 0))
        port = str(one.getsockname()[1])
    script = str(Path(__file__).with_name("processes_pair.py"))
    return [
        subprocess.Popen(
            [sys.executable, script, port, str(process), mode],
            env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_NUM_CPU_DEVICES": "2"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for process in range(2)
    ]


def test_two_processes_agree_share_and_part():
    pair = two("0")
    said = [one.communicate(timeout=240)[1][-2000:] for one in pair]
    assert [one.returncode for one in pair] == [0, 0], said


@pytest.mark.parametrize("victim", [0, 1])
def test_when_a_peer_is_killed_the_other_ends_within_a_minute_and_not_with_0(victim):
    pair = two("for-ever")
    assert "running\n" in pair[1 - victim].stdout  # Gloo greets there first
    pair[victim].kill()
    begun = time.monotonic()
    for one in pair:
        one.communicate(timeout=90)
    assert time.monotonic() - begun < 60
    assert 0 not in [one.returncode for one in pair]
