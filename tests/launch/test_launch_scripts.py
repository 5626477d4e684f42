"""The launcher on one machine and the batch script: what they start, forward and end in."""

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from data_tools import pair_studies
from launch.config.page import load_config
from qsr_jax.training.stopping import STOPPED

ROOT = Path(__file__).parents[2]


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
    done, said = submitted(tmp_path, "--config", "a page", status=status)
    assert done == status
    assert "python -m launch.train --config a page" in said
    assert ("scontrol requeue 7" in said) == requeued


def test_a_task_of_an_array_does_one_shard(tmp_path):
    words = ("data_tools.pair_studies", "--dicom", "clean", "--out", "m.json")
    task = {"SLURM_ARRAY_TASK_ID": "12", "SLURM_ARRAY_TASK_MIN": "10"}
    done, said = submitted(tmp_path, *words, **task, SLURM_ARRAY_TASK_COUNT="4")
    assert done == 0
    assert "python -m data_tools.pair_studies --dicom clean --out m.json --shard 3/4\n" in said
    assert submitted(tmp_path, *words)[0] != 0, "without an array there is no shard"


def submitted(tmp_path, *words, status=0, **slurm):
    """Exit status of the batch script, and what it asked Slurm to do; Slurm is a stand-in."""
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
        ["bash", "launch/slurm.sbatch", *words],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | changes | slurm,
        capture_output=True,
    )
    return done.returncode, (tmp_path / "said").read_text()


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
    submitted = page_commands("sbatch")
    doors = [words for words in submitted if "--config" not in words]
    assert [words[4] for words in doors] == ["data_tools.pair_studies"]
    pair_studies._parser().parse_args(doors[0][5:])
    runs = [train_words, *(words for words in submitted if "--config" in words)]
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
