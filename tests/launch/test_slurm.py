"""launch/slurm.sbatch under a real Slurm, submitted unchanged: requeued, stopped in time, finished.

Needs Debian's slurm-wlm and munge, and root; takes some minutes, so it runs when asked for:

    QSR_TEST_SLURM=1 python -m pytest tests/launch/test_slurm.py
"""

import csv
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import slurm_cluster
from processes_runs import arguments, end, environment, logged_step, same_bits, start

ROOT = Path(__file__).parents[2]
STEPS = 240

pytestmark = [
    pytest.mark.skipif(bool(slurm_cluster.missing()), reason=slurm_cluster.missing() or "-"),
    pytest.mark.skipif(
        not os.environ.get("QSR_TEST_SLURM"),
        reason="starts Slurm's daemons and takes minutes: set QSR_TEST_SLURM=1",
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with slurm_cluster.cluster(tmp_path_factory.mktemp("slurm")) as found:
        yield found


def long_run(data_dir: Path, workdir: Path) -> list[str]:
    """Slowed down by validating after every second step."""
    changes = {"schedule.steps": STEPS, "cadence.save_every": 20, "cadence.validate_every": 2}
    return arguments(data_dir, workdir, **changes)


def submit(slurm: dict[str, str], log: Path, options: list[str], words: list[str]) -> str:
    done = subprocess.run(
        ["sbatch", "--parsable", f"--output={log}", *options, "launch/slurm.sbatch", *words],
        cwd=ROOT,
        env=slurm | environment(1) | {"SLURM_CONF": slurm["SLURM_CONF"]},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_until(what, *, timeout_s: float, log: Path) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        said = log.read_text()[-3000:] if log.exists() else "nothing yet"
        assert time.monotonic() < deadline, said
        time.sleep(0.5)


def ended(slurm: dict[str, str], number: str) -> bool:
    state = slurm_cluster.job(slurm, number)["JobState"]
    return state not in ("PENDING", "RUNNING", "COMPLETING", "REQUEUED", "CONFIGURING")


def control(slurm: dict[str, str], *words: str) -> None:
    subprocess.run(["scontrol", *words], env=slurm, check=True)


def restarts(slurm: dict[str, str], number: str) -> int:
    return int(slurm_cluster.job(slurm, number)["Restarts"])


def minutes_run(slurm: dict[str, str], number: str) -> int:
    hours, minutes, _ = slurm_cluster.job(slurm, number)["RunTime"].split(":")
    return 60 * int(hours) + int(minutes)


def test_two_tasks_are_requeued_and_stopped_in_time_and_end_in_the_same_bits(
    slurm, tiny_data, tmp_path
):
    peaceful = tmp_path / "peaceful"
    words = long_run(tiny_data, peaceful)
    calm = start(words, processes=2, devices=1, log=tmp_path / "calm")
    assert end(calm, timeout_s=900) == [0, 0]

    workdir, log = tmp_path / "t1", tmp_path / "slurm.out"
    number = submit(slurm, log, ["--ntasks-per-node=2"], long_run(tiny_data, workdir))
    wait_until(lambda: logged_step(workdir) >= 5, timeout_s=600, log=log)
    control(slurm, "requeue", number)  # preempted
    wait_until(lambda: restarts(slurm, number) == 1, timeout_s=120, log=log)
    before = logged_step(workdir)
    wait_until(lambda: logged_step(workdir) > before, timeout_s=600, log=log)
    minutes = str(5 + minutes_run(slurm, number))
    control(slurm, "update", f"JobId={number}", f"TimeLimit={minutes}")  # the signal is due now
    wait_until(lambda: restarts(slurm, number) == 2, timeout_s=300, log=log)
    control(slurm, "update", f"JobId={number}", "TimeLimit=120")
    wait_until(lambda: ended(slurm, number), timeout_s=1500, log=log)

    found = slurm_cluster.job(slurm, number)
    said = log.read_text()
    assert (found["JobState"], found["ExitCode"]) == ("COMPLETED", "0:0"), said[-3000:]
    assert found["Restarts"] == "2", "requeued once by hand, and after the signal"
    assert re.search(rf"stopped by SIGTERM after step \d+ of {STEPS}", said)
    assert "queued again" in said
    assert re.search(r"goes on after step \d+, bit for bit", said)
    assert same_bits(workdir, peaceful)


def test_a_cancelled_job_is_not_queued_again(slurm, tiny_data, tmp_path):
    log = tmp_path / "slurm.out"
    number = submit(slurm, log, [], long_run(tiny_data, tmp_path / "t1"))
    wait_until(lambda: logged_step(tmp_path / "t1") >= 5, timeout_s=300, log=log)
    subprocess.run(["scancel", number], env=slurm, check=True)
    wait_until(lambda: ended(slurm, number), timeout_s=120, log=log)
    assert slurm_cluster.job(slurm, number)["JobState"] == "CANCELLED"
    assert "queued again" not in log.read_text()


def test_a_sweep_is_an_array_with_one_table(slurm, tiny_data, tmp_path):
    log, out = tmp_path / "slurm.out", tmp_path / "sweep"
    words = arguments(tiny_data, tmp_path / "unused")[:-2]
    words = ["launch.sweep", *words, "--out", str(out), "--over", "seed=0,1"]
    number = submit(slurm, log, ["--array=0-1"], words)
    for task in ("0", "1"):
        wait_until(lambda task=task: ended(slurm, f"{number}_{task}"), timeout_s=600, log=log)
    with (out / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["step"]) for row in rows] == [("0", "6"), ("1", "6")], log.read_text()


def test_a_sweep_without_an_array_is_told(slurm, tiny_data, tmp_path):
    log = tmp_path / "slurm.out"
    number = submit(slurm, log, [], ["launch.sweep"])
    wait_until(lambda: ended(slurm, number), timeout_s=60, log=log)
    assert "a sweep is submitted with --array" in log.read_text()
