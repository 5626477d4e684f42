"""A workdir belongs to one training; the lock of a dead one is told and taken."""

import dataclasses
import json
import multiprocessing
import os
import subprocess
import sys

import pytest

from qsr_jax.files import lock
from qsr_jax.files.lock import LOCK, Holder, LockedError, workdir_lock
from qsr_jax.files.running import is_running, started_at

HOLD = """
import sys, time
from pathlib import Path
from qsr_jax.files.lock import workdir_lock
with workdir_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holding(workdir):
    """A process of its own that holds ``workdir`` until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(workdir)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    return process


def left_by(workdir, **changes):
    """A lock file that says it is this process', with changes."""
    holder = dataclasses.replace(Holder.me(), **changes)
    workdir.mkdir(exist_ok=True)
    (workdir / LOCK).write_text(json.dumps(dataclasses.asdict(holder)))


def test_it_is_released_at_the_end_and_after_errors(tmp_path):
    workdir = tmp_path / "new" / "run"
    with workdir_lock(workdir) as path:
        assert json.loads(path.read_text())["pid"] == os.getpid()
    with pytest.raises(KeyError), workdir_lock(workdir):
        raise KeyError
    assert list(workdir.iterdir()) == []


def test_a_second_process_is_refused_by_host_and_pid(tmp_path):
    process = holding(tmp_path)
    with pytest.raises(LockedError) as refused, workdir_lock(tmp_path):
        raise AssertionError
    process.kill()
    process.communicate()
    assert f"process {process.pid} on {Holder.me().host} since 2" in str(refused.value)
    assert "another workdir" in str(refused.value)


def test_a_second_training_of_the_same_process_is_refused(tmp_path):
    with workdir_lock(tmp_path):
        with pytest.raises(LockedError, match="this process itself"), workdir_lock(tmp_path):
            raise AssertionError
        assert (tmp_path / LOCK).exists()


def test_the_lock_of_a_killed_process_is_told_and_taken(tmp_path):
    process = holding(tmp_path)
    process.kill()
    assert process.wait() and (tmp_path / LOCK).exists()
    said = []
    with workdir_lock(tmp_path, tell=said.append) as path:
        assert json.loads(path.read_text())["pid"] == os.getpid()
    process.communicate()
    assert len(said) == 1
    assert f"left by process {process.pid} on " in said[0]
    assert not (tmp_path / LOCK).exists()


def test_one_that_ended_and_was_not_waited_for_does_not_run():
    process = subprocess.Popen([sys.executable, "-c", "print()"], stdout=subprocess.PIPE)
    process.stdout.read()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(process.pid)
    process.communicate()
    assert is_running(os.getpid())
    assert started_at(process.pid) == ""


def test_a_number_used_again_is_another_process(tmp_path):
    left_by(tmp_path, began=started_at(os.getpid()) + "0", pid=os.getppid())
    said = []
    with workdir_lock(tmp_path, tell=said.append):
        assert len(said) == 1


def test_another_host_is_not_second_guessed(tmp_path):
    left_by(tmp_path, host="node7", pid=12)
    with pytest.raises(LockedError) as refused, workdir_lock(tmp_path):
        raise AssertionError
    assert "process 12 on node7" in str(refused.value)
    assert f"remove {tmp_path / LOCK}" in str(refused.value)
    assert (tmp_path / LOCK).exists()


@pytest.mark.parametrize(
    ("then", "now", "taken"),
    [("7:0", ("7", "1"), True), ("7:0", ("7", None), False), ("7:0", ("8", "1"), False)],
    ids=["queued again", "beside it in one job", "another job"],
)
def test_slurm_queues_a_job_again_after_all_of_it_ended(tmp_path, monkeypatch, then, now, taken):
    monkeypatch.setenv("SLURM_JOB_ID", now[0])
    monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    if now[1]:
        monkeypatch.setenv("SLURM_RESTART_COUNT", now[1])
    left_by(tmp_path, host="node7", job=then)
    said = []
    if taken:
        with workdir_lock(tmp_path, tell=said.append):
            assert "node7" in said[0]
    else:
        with pytest.raises(LockedError, match="node7"), workdir_lock(tmp_path, tell=said.append):
            raise AssertionError


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "a"}'])
def test_a_damaged_lock_is_told(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    said = "cannot be read.*remove that file"
    with pytest.raises(LockedError, match=said), workdir_lock(tmp_path):
        raise AssertionError


def test_a_lock_taken_away_by_hand_is_not_removed_twice(tmp_path):
    with workdir_lock(tmp_path):
        left_by(tmp_path, host="node7")
    assert (tmp_path / LOCK).exists()
    (tmp_path / LOCK).unlink()
    with workdir_lock(tmp_path):
        (tmp_path / LOCK).unlink()


def test_a_disk_without_hard_links_is_locked_too(tmp_path, monkeypatch):
    def refuses(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(lock.os, "link", refuses)
    held = workdir_lock(tmp_path)
    with held, pytest.raises(LockedError, match="this process itself"), workdir_lock(tmp_path):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_a_lock_released_in_between_is_made_anew(tmp_path, monkeypatch):
    left_by(tmp_path, host="node7")
    holder = lock._holder

    def released(path):
        path.unlink(missing_ok=True)
        return holder(path)

    monkeypatch.setattr(lock, "_holder", released)
    with workdir_lock(tmp_path) as path:
        assert json.loads(path.read_text())["pid"] == os.getpid()


def _try(workdir, gate, answers):
    gate.wait()
    try:
        with workdir_lock(workdir, tell=lambda _: None):
            answers.put("held")
            gate.wait()  # until all have tried
    except LockedError:
        answers.put("refused")
        gate.wait()


def test_of_many_who_find_one_dead_lock_one_takes_it(tmp_path):
    context = multiprocessing.get_context("spawn")
    left_by(tmp_path, began="another boot:1")
    gate, answers = context.Barrier(4), context.Queue()
    tries = [context.Process(target=_try, args=(tmp_path, gate, answers)) for _ in range(4)]
    for one in tries:
        one.start()
    found = sorted(answers.get(timeout=60) for _ in tries)
    for one in tries:
        one.join()
    assert found == ["held", "refused", "refused", "refused"]
