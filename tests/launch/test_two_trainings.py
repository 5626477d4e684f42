"""Two trainings in one workdir: the second is refused; what a killed one left is taken."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from walk_fixtures import QUICKLY

from launch import train
from qsr_jax.files.lock import LOCK

ROOT = Path(__file__).parents[2]
SMALL = {
    "schedule.warmup_steps": 2,
    "schedule.frozen_norm_steps": 0,
    "data.batch_size": 4,
    "data.crop": 16,
    "model.features": 8,
    "model.blocks": 1,
    "discriminator.features": "(4,4,8,8)",
    "vgg.layer": "conv1_2",
}
"""One stage of the second, the one that the walk compiles."""


def words(data_dir, workdir, **changes):
    flags = [f"--config.{key}={value}" for key, value in (SMALL | changes).items()]
    return [
        "--config",
        "quickstart_srgan",
        *flags,
        "--data_dir",
        str(data_dir),
        "--workdir",
        workdir,
    ]


@pytest.mark.usefixtures("compiled_quickly")
def test_the_second_is_refused_and_a_killed_one_s_lock_is_taken(tiny_data, tmp_path, capsys):
    workdir = str(tmp_path / "run")
    long = words(tiny_data, workdir, seed=0, **{"schedule.steps": 100000})
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(
            [sys.executable, "-m", "qsr_jax", "train", *long],
            cwd=ROOT,
            env=os.environ | {"JAX_NUM_CPU_DEVICES": "1"} | QUICKLY,
            stdout=log,
            stderr=log,
        )
    try:
        while not (tmp_path / "run" / LOCK).exists():
            assert first.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.05)
        second = words(tiny_data, workdir, seed=1, **{"schedule.steps": 2})
        with pytest.raises(SystemExit) as refused:
            train.main(second)
        assert f"a training runs in it already: process {first.pid} on " in refused.value.code
    finally:
        first.kill()
        first.wait()
    train.main(second)
    said = capsys.readouterr().out
    assert f"left by process {first.pid} on " in said
    assert "trained to step 2" in said
    assert not (tmp_path / "run" / LOCK).exists()
