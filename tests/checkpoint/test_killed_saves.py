"""Saves that are killed at every named point, or fail: what was whole stays whole and is found.

The short form of rows R2 and R6 of ``tests/launch/fault_matrix.py``, without a training around it.
"""

import contextlib
import errno
import json
import multiprocessing
import os
import shutil
import signal
import time
from multiprocessing import forkserver

import jax
import numpy as np
import pytest
from faulty_io import POINTS, TMP, Fault, arm, compile_library

from qsr_jax.checkpoint import (
    FORMAT_VERSION,
    LATEST,
    REQUIRED,
    CheckpointError,
    Checkpoints,
    finishing,
    load_document,
    sealed_steps,
)

DOCUMENT = dict.fromkeys(REQUIRED, "x") | {"version": FORMAT_VERSION}
KEPT, STEPS = 2, 3


def state_of(step):
    """A state that tells its step in every number."""
    return {"w": np.full((64, 64), step, np.float32), "b": np.full(8, -step, np.int32)}


def save_steps(workdir, fault, first, log):
    """Saves ``first`` … STEPS, in a process that can be killed; says how it ended."""
    arm(fault or Fault("-", "", 0, "-"))
    checkpoints, told = Checkpoints(workdir, keep=KEPT), ""
    done = first - 1
    try:
        checkpoints.set_damaged_aside(strict=False)
        for step in range(first, STEPS + 1):
            state = state_of(step)
            checkpoints.save(step, state, state, DOCUMENT | {"at": step})
            done = step
        checkpoints.close()
    except CheckpointError as error:
        told = str(error)
    log.write_text(json.dumps([done, told]))
    if told:
        os._exit(0)  # Orbax's threads of a failed save wait minutes; launch.train leaves too


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Runs ``save_steps`` in a child of a server that has preloaded the failing file system."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler; Debian package gcc brings it")
    library = compile_library(tmp_path_factory.mktemp("library"))
    context = multiprocessing.get_context("forkserver")
    forkserver._forkserver._stop()  # one of an earlier test has not preloaded it
    context.set_forkserver_preload(["qsr_jax.checkpoint", "pytest"])
    os.environ["LD_PRELOAD"] = str(library)
    context.Process(target=time.time).start()  # the server takes its environment now
    del os.environ["LD_PRELOAD"]

    def run(workdir, fault=None, first=1):
        log = workdir.with_name("log")
        log.unlink(missing_ok=True)
        process = context.Process(target=save_steps, args=(workdir, fault, first, log))
        process.start()
        process.join(120)
        with contextlib.suppress(FileNotFoundError):
            return process.exitcode, *json.loads(log.read_text())
        return process.exitcode, None, None

    return run


def check_whole(workdir):
    """Every sealed step holds what was saved; returns them, newest first."""
    steps = sealed_steps(workdir / LATEST)
    for step in steps[:1]:
        assert load_document(workdir)[1]["at"] == step
        checkpoints = Checkpoints(workdir, keep=KEPT)
        assert all("was not finished" in t for t in checkpoints.set_damaged_aside(strict=False))
        _, state, _ = checkpoints.restore(jax.tree.map(np.asarray, state_of(step)))
        checkpoints.close()
        jax.tree.map(np.testing.assert_array_equal, jax.device_get(state), state_of(step))
    return steps


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_a_killed_save_leaves_the_one_before_and_the_next_run_goes_on(point, start, tmp_path):
    nth = 1 if point.op == "u" else point.most // 4
    status, _, _ = start(tmp_path / "run", Fault(point.op, point.path, nth, point.deed))
    assert status == -signal.SIGKILL, f"{point.name}: call {nth} did not come"
    steps = sealed_steps(tmp_path / "run" / LATEST)
    assert steps == list(range(max(steps, default=0), 0, -1))[: len(steps)]
    status, _, told = start(tmp_path / "run", first=max(steps, default=0) + 1)
    assert (status, told) == (0, "")
    assert check_whole(tmp_path / "run") == [STEPS, STEPS - 1]
    assert not [p for p in (tmp_path / "run" / LATEST).iterdir() if TMP in p.name], "leftovers"


FAILURES = [
    ("write", Fault("w", TMP, 60, "e", errno.EIO)),
    ("folder", Fault("m", TMP, 3, "e", errno.EACCES)),
    ("seal", Fault("w", "SEAL.json", 2, "e", errno.EIO)),
    ("commit in the background", Fault("r", f"{TMP}>", 4, "e", errno.EIO)),
]


@pytest.mark.parametrize(("name", "fault"), FAILURES, ids=[row[0] for row in FAILURES])
def test_a_failed_save_surfaces_at_the_next_and_spoils_nothing(name, fault, start, tmp_path):
    status, done, told = start(tmp_path / "run", fault)
    assert status == 0
    steps = check_whole(tmp_path / "run")
    assert "could not be written" in told
    assert max(steps, default=0) < STEPS
    assert done <= max(steps, default=0) + 1, "no save but the failed one was begun"


# --- a run that fails while it saves --------------------------------------------------------------


def test_a_failing_run_finishes_the_save_that_it_had_begun(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    with pytest.raises(ValueError, match="not finite"), finishing(checkpoints):
        checkpoints.save(1, state_of(1), state_of(1), DOCUMENT)
        raise ValueError("not finite")
    assert sealed_steps(tmp_path / LATEST) == [1]
    checkpoints.close()


def test_its_own_error_is_what_is_told(tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("qsr_jax.checkpoint.store.write_seal", full)
    checkpoints = Checkpoints(tmp_path, keep=1)
    with pytest.raises(ValueError, match="not finite"), finishing(checkpoints):
        checkpoints.save(1, state_of(1), state_of(1), DOCUMENT)
        raise ValueError("not finite")
    with pytest.raises(KeyError), finishing(None):
        raise KeyError
    checkpoints.close()
