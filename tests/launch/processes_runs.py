"""Small trainings in several processes: how tests start them, and how they compare the ends."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from qsr_jax.checkpoint import LATEST, sealed_steps

ROOT = Path(__file__).parents[2]
TOLERANCE = 1e-3
"""Of any number in the state after 30 steps at learning rate 1e-3 on other devices: sums differ in
their order."""


def arguments(data_dir: Path, workdir: Path, **changes: object) -> list[str]:
    """Of launch.train: six steps of 4 crops through all three stages, the smallest networks."""
    settings = {
        "map": "t1",
        "schedule.steps": 6,
        "schedule.warmup_steps": 2,
        "schedule.frozen_norm_steps": 0,
        "data.batch_size": 4,
        "data.crop": 16,
        "model.features": 4,
        "model.blocks": 1,
        "discriminator.features": "(4,4)",
        "vgg.layer": "conv1_1",
        "cadence.log_every": 1,
        "cadence.validate_every": 3,
        "cadence.save_every": 2,
    } | {key.replace("__", "."): value for key, value in changes.items()}
    flags = [f"--config.{key}={value}" for key, value in settings.items()]
    page = ["--config", str(ROOT / "configs/quickstart_srgan.py")]
    return [*page, *flags, "--data_dir", str(data_dir), "--workdir", str(workdir)]


def environment(devices: int) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
    }


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


def start(words: list[str], *, processes: int, devices: int, log: Path) -> list[subprocess.Popen]:
    """Starts them side by side without a launcher; each writes ``log`` with its number."""
    where = ["--coordinator", f"localhost:{free_port()}", "--processes", str(processes)]
    started = []
    for process in range(processes):
        command = [sys.executable, "-m", "launch.train", *words]
        if processes > 1:
            command += [*where, "--process", str(process)]
        with Path(f"{log}.{process}").open("wb") as file:
            started.append(
                subprocess.Popen(
                    command, cwd=ROOT, env=environment(devices), stdout=file, stderr=file
                )
            )
    return started


def end(started: list[subprocess.Popen], *, timeout_s: float) -> list[int]:
    """Their exit statuses; whoever is left after ``timeout_s`` is killed and counts as -9."""
    deadline = time.monotonic() + timeout_s
    for one in started:
        try:
            one.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            for other in started:
                other.kill()
    return [one.wait() for one in started]


def said(log: Path) -> str:
    """The last words of every process."""
    return "\n".join(path.read_text()[-1500:] for path in sorted(log.parent.glob(f"{log.name}.*")))


def wait_for_step(workdir: Path, step: int, *, timeout_s: float, alive: list) -> bool:
    """Waits until ``metrics.jsonl`` has the step; False if a process of ``alive`` ended first."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if logged_step(workdir) >= step:
            return True
        if any(one.poll() is not None for one in alive):
            return False
        time.sleep(0.05)
    return False


def logged_step(workdir: Path) -> int:
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    steps = [0]
    for line in lines:
        try:
            steps.append(json.loads(line)["step"])
        except json.JSONDecodeError:
            break
    return max(steps)


def end_state(workdir: Path) -> tuple[int, list[np.ndarray]]:
    """Step and every array of the newest whole checkpoint."""
    step = sealed_steps(workdir / LATEST)[0]
    folder = (workdir / LATEST / str(step) / "state").absolute()
    handler = ocp.Checkpointer(ocp.PyTreeCheckpointHandler())
    shapes = handler.metadata(folder).item_metadata
    kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), dict(shapes))
    return step, jax.tree.leaves(
        handler.restore(folder, args=ocp.args.PyTreeRestore(restore_args=kinds))
    )


def same_bits(one: Path, other: Path) -> bool:
    (step, mine), (there, theirs) = end_state(one), end_state(other)
    equal = (a.tobytes() == b.tobytes() for a, b in zip(mine, theirs, strict=True))
    return step == there and all(equal)


def largest_difference(one: Path, other: Path) -> float:
    pairs = zip(end_state(one)[1], end_state(other)[1], strict=True)
    return max(float(np.abs(a.astype(float) - b.astype(float)).max(initial=0.0)) for a, b in pairs)
