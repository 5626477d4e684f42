"""The doors of several processes: how they are told, started, stopped, and what they end in."""

import os
import shlex
import signal
import subprocess
import time
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
from launch.config.page import load_config
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


# --- the launcher on one machine ------------------------------------------------------------------

STAND_IN = """#!/usr/bin/env bash
# Stands in for python: says a port, or takes the part of process I as {folder}/I says.
if [ "$1" = -c ]; then echo 12345; exit; fi
process="${{@: -1}}"
echo "$JAX_NUM_CPU_DEVICES $*" > "{folder}/said.$process"
trap 'echo TERM >> "{folder}/heard.$process"; exit 75' TERM
trap 'echo INT >> "{folder}/heard.$process"; exit 75' INT
read -r seconds status < "{folder}/$process"
for ((i = 0; i < seconds * 20; i++)); do sleep 0.05; done
exit "$status"
"""


@pytest.fixture
def stand_ins(tmp_path):
    """Makes processes that sleep and end as told; returns how to launch them."""
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(folder=tmp_path))
    python.chmod(0o755)

    def launch(*plans: str, flags: tuple = ()) -> subprocess.Popen:
        for process, plan in enumerate(plans):
            (tmp_path / str(process)).write_text(plan + "\n")
        # A background job of a script ignores SIGINT, and so would bash and all it starts.
        bash = ["env", "--default-signal=INT", "bash", str(ROOT / "launch/multiprocess.sh")]
        return subprocess.Popen(
            [*bash, str(len(plans)), *flags, "--", "--x=1"],
            env=os.environ | {"VIRTUAL_ENV": str(tmp_path / "venv"), "CUDA_VISIBLE_DEVICES": ""},
            stderr=subprocess.PIPE,
            text=True,
        )

    return launch


@pytest.mark.parametrize(
    ("plans", "status"),
    [
        (("0 0", "0 0", "0 0"), 0),
        (("0 75", "0 75"), STOPPED),
        (("1 3", "60 0"), 3),
        (("60 0", "1 1"), 1),
    ],
)
def test_the_launcher_ends_as_its_processes_do(plans, status, stand_ins, tmp_path):
    begun = time.monotonic()
    launched = stand_ins(*plans, flags=("--devices", "2"))
    said = launched.communicate(timeout=60)[1]
    assert launched.returncode == status
    assert ("the rest are killed" in said) == (status not in (0, STOPPED))
    assert time.monotonic() - begun < 30
    first = (tmp_path / "said.0").read_text().split()
    assert first[:4] == ["2", "-m", "launch.train", "--x=1"]
    assert (
        first[4:] == f"--coordinator localhost:12345 --processes {len(plans)} --process 0".split()
    )


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_the_launcher_forwards_signals_once_to_each(name, stand_ins, tmp_path):
    launched = stand_ins("60 0", "60 0")
    while not all((tmp_path / f"said.{i}").exists() for i in (0, 1)):
        time.sleep(0.02)
    time.sleep(0.2)
    launched.send_signal(getattr(signal, f"SIG{name}"))
    assert launched.wait(60) == STOPPED, launched.stderr.read()
    launched.stderr.close()
    assert [(tmp_path / f"heard.{i}").read_text() for i in (0, 1)] == [f"{name}\n"] * 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "N is ''"),
        (["two", "--"], "N is 'two'"),
        (["2", "--devices", "none", "--"], "--devices is 'none'"),
        (["2", "--config"], "'--config' before --"),
    ],
)
def test_the_launcher_refuses_what_it_does_not_understand(words, says):
    command = ["bash", str(ROOT / "launch/multiprocess.sh"), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert says in done.stderr
    assert "usage: " in done.stderr


# --- the batch script without Slurm ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "requeued"), [(0, False), (1, False), (75, True), (137, False), (143, True)]
)
def test_the_batch_script_queues_again_what_was_stopped(status, requeued, tmp_path):
    programs = {
        "srun": f'echo "srun $*" >> {tmp_path}/said; exit {status}',
        "scontrol": f'echo "scontrol $*" >> {tmp_path}/said',
        "python": "exit 0",
    }
    for name, line in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    changes = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    changes |= {"SLURM_SUBMIT_DIR": str(ROOT), "CONDA_PREFIX": "x", "SLURM_GPUS_ON_NODE": "4"}
    done = subprocess.run(
        ["bash", "launch/slurm.sbatch", "--config", "a page"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | changes,
        capture_output=True,
    )
    assert done.returncode == status
    said = (tmp_path / "said").read_text()
    assert "python -m launch.train --config a page" in said
    assert ("scontrol requeue 7" in said) == requeued


def page_commands(start: str) -> list[list[str]]:
    """The words of the commands of docs/clusters.md that begin like this."""
    text = (ROOT / "docs/clusters.md").read_text("utf-8").replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.startswith(start)]


def test_the_commands_of_the_page_are_understood(stand_ins, tmp_path):
    """By both launchers, and their settings by the config page that they name."""
    (single,) = page_commands("bash launch/multiprocess.sh")
    train_words = single[single.index("--") + 1 :]
    launched = stand_ins("0 0", "0 0", flags=tuple(single[3 : single.index("--")]))
    launched.communicate(timeout=60)
    assert launched.returncode == 0
    assert (tmp_path / "said.1").read_text().startswith("2 ")
    runs = [train_words, *(words for words in page_commands("sbatch"))]
    assert len(runs) == 3
    for words in runs:
        flags = [word for word in words if word.startswith("--config.")]
        load_config(words[words.index("--config") + 1], flags)


def test_the_batch_script_outside_slurm_is_told():
    outside = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
    command = ["bash", str(ROOT / "launch/slurm.sbatch")]
    done = subprocess.run(command, env=outside, capture_output=True, text=True)
    assert done.returncode != 0
    assert "submit this file with sbatch" in done.stderr


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
