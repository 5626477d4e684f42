"""The doors of several processes: how they are told, stopped, and what they end in."""

import os
import signal
from argparse import ArgumentParser
from pathlib import Path

import pytest
from processes_runs import (
    TOLERANCE,
    arguments,
    end,
    end_state,
    largest_difference,
    logged_step,
    said,
    start,
    wait_for_step,
)

from launch import processes, train
from launch.processes import SLURM_STEP, add_process_arguments, membership
from qsr_jax.checkpoint import LATEST, sealed_steps
from qsr_jax.training.metric_log import read_metrics
from qsr_jax.training.stopping import STOPPED

ROOT = Path(__file__).parents[2]
STEP = dict.fromkeys(SLURM_STEP, "0")


# --- being told -----------------------------------------------------------------------------------


def told(*words: str):
    parser = ArgumentParser()
    add_process_arguments(parser)
    return parser.parse_args(words)


ALL = ("--coordinator", "host:1", "--processes", "2", "--process", "1")


def test_flags_say_where_the_processes_meet():
    found = membership(told(*ALL), STEP | {"SLURM_NTASKS": "4"})
    assert (found.coordinator, found.processes, found.process) == ("host:1", 2, 1)


def test_the_environment_says_it_too(monkeypatch):
    for name, value in zip(
        ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"), ALL[1::2], strict=True
    ):
        monkeypatch.setenv(name, value)
    assert membership(told(), {}) == membership(told(*ALL), {})


@pytest.mark.parametrize(
    ("environment", "joins"),
    [
        ({}, False),
        ({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "2"}, False),  # in a job, outside its steps
        (STEP | {"SLURM_NTASKS": "1"}, False),
        (STEP | {"SLURM_NTASKS": "2"}, True),
    ],
)
def test_a_slurm_step_of_several_tasks_is_recognised(environment, joins):
    assert (membership(told(), environment) is not None) == joins


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (ALL[:2], r"--processes \(or JAX_NUM_PROCESSES\) and --process .* missing"),
        (ALL[2:], r"--coordinator \(or JAX_COORDINATOR_ADDRESS\) missing; give all"),
        ((*ALL[:5], "2"), "--process is 2; expected 0 to 1"),
        ((*ALL[:5], "-1"), "--process is -1; expected 0 to 1"),
    ],
)
def test_half_a_membership_is_refused(words, match):
    with pytest.raises(ValueError, match=match):
        membership(told(*words), {})


class Left(BaseException):
    """Stands in for os._exit."""


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ValueError("bad page"), "error: bad page"),
        (SystemExit("no such file"), "error: no such file"),
        (KeyError("bug"), "Traceback"),
        (processes.jax.errors.JaxRuntimeError("peer closed\nmore"), "lost the others: peer closed"),
    ],
)
def test_a_failing_process_leaves_at_once(error, says, monkeypatch, capsys):
    """Not through JAX's parting, which waits for the others, who wait for this one."""

    def leave_with(status):
        raise Left(status)

    monkeypatch.setattr(processes, "join", lambda member: None)
    monkeypatch.setattr(processes.os, "_exit", leave_with)
    with pytest.raises(Left, match="1"), processes.taking_part(told(*ALL)):
        raise error
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("ending", [None, SystemExit(STOPPED)])
def test_processes_that_end_together_part_in_order(ending, monkeypatch):
    calls = []
    monkeypatch.setattr(processes, "join", lambda member: calls.append("join"))
    monkeypatch.setattr(processes, "leave", lambda: calls.append("leave"))
    try:
        with processes.taking_part(told(*ALL)):
            if ending is not None:
                raise ending
    except SystemExit as error:
        assert error is ending
    assert calls == ["join", "leave"]


# --- the walk -------------------------------------------------------------------------------------

STEPS = 30


def words_of(data_dir: Path, workdir: Path) -> list[str]:
    changes = {"schedule.steps": STEPS, "optimizer.learning_rate": 1e-3}
    return arguments(data_dir, workdir, **changes, **{"cadence.validate_every": 15})


@pytest.fixture(scope="module")
def peaceful(tiny_data, tmp_path_factory) -> Path:
    """One process with the suite's four devices, never disturbed."""
    workdir = tmp_path_factory.mktemp("peaceful") / "t1"
    train.main(words_of(tiny_data, workdir))
    return workdir


@pytest.mark.skipif(
    "QSR_TEST_LONG" not in os.environ, reason="five trainings, a minute: set QSR_TEST_LONG=1"
)
def test_two_processes_stopped_by_a_signal_to_one_go_on_as_one(peaceful, tiny_data, tmp_path):
    """The same run on 2 x 2 and then 1 x 4 devices, against 1 x 4 undisturbed."""
    workdir, log = tmp_path / "t1", tmp_path / "log"
    words = words_of(tiny_data, workdir)
    stopped = start(words, processes=2, devices=2, log=log)
    assert wait_for_step(workdir, 3, timeout_s=400, alive=stopped), said(log)
    stopped[1].send_signal(signal.SIGTERM)
    assert end(stopped, timeout_s=120) == [STOPPED, STOPPED], said(log)
    saved = sealed_steps(workdir / LATEST)[0]
    assert saved < STEPS
    assert saved == logged_step(workdir), "no step is lost"
    assert f"stopped by a signal to another process after step {saved}" in said(log)
    assert "step" not in Path(f"{log}.1").read_text(), "only the first process speaks"

    train.main(words)
    assert end_state(workdir)[0] == STEPS
    assert largest_difference(workdir, peaceful) < TOLERANCE
    steps = [line["step"] for line in read_metrics(workdir, "train")]
    assert steps == list(range(1, STEPS + 1))
    scores = [read_metrics(one, "validation")[-1]["pooled_psnr_db"] for one in (workdir, peaceful)]
    assert scores[0] == pytest.approx(scores[1], abs=0.01)
