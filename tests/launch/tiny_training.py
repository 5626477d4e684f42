"""A training of seconds that can be killed, starved and spoilt, and compared bit by bit.

Every run is a process of its own, forked from a server that has imported everything (but started
no backend) and has the failing file system of :mod:`faulty_io` preloaded.
"""

import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "data"), str(ROOT)]

from faulty_io import Fault, arm, compile_library  # noqa: E402

STEPS, SAVE_EVERY = 24, 3
LONGEST_S = 150
"""A run takes a tenth of it on a machine of its own."""
CONFIG = {
    "map": "t1",
    "schedule.steps": STEPS,
    "schedule.warmup_steps": 8,
    "schedule.frozen_norm_steps": 0,
    "data.batch_size": 2,
    "data.crop": 8,
    "generator.features": 4,
    "generator.blocks": 1,
    "discriminator.features": "(4,4)",
    "vgg.layer": "conv1_1",
    "cadence.log_every": 1,
    "cadence.validate_every": 8,
    "cadence.save_every": SAVE_EVERY,
}


def start_server(home: Path) -> multiprocessing.context.ForkServerContext:
    """A server of processes on one device that share a compilation cache."""
    os.environ |= {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "JAX_COMPILATION_CACHE_DIR": str(home / "cache"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "LD_PRELOAD": str(compile_library(home)),
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["launch.train", "launch.predict", "data_tools.build_dataset"])
    context.Process(target=time.time).start()  # the server takes its environment now
    del os.environ["LD_PRELOAD"]
    return context


def make_data(home: Path) -> Path:
    """Records of five people."""
    from dicom_factory import write_person

    from data_tools import build_dataset, pair_studies

    for seed in range(5):
        write_person(home / "tree" / f"p{seed}", seed=seed)
    manifest = str(home / "m.json")
    split = ["--test-fraction", "0.2", "--validation-fraction", "0.2"]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pair_studies.main(["--dicom", str(home / "tree"), "--out", manifest, *split])
        build_dataset.main(["--manifest", manifest, "--data_dir", str(home / "records")])
    return home / "records"


def words(data_dir: Path, workdir: Path, **changes: Any) -> list[str]:
    """Arguments of launch.train."""
    flags = [f"--config.{key}={value}" for key, value in (CONFIG | changes).items()]
    config = ["--config", str(ROOT / "configs/quickstart.py")]
    return [*config, *flags, "--data_dir", str(data_dir), "--workdir", str(workdir)]


def _child(door: str, arguments: Sequence[str], log: str, fault: Fault | None, spoil: Any) -> None:
    import runpy

    file = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    if spoil is not None:
        function, *rest = spoil
        function(*rest)
    if fault is not None:
        arm(fault)
    sys.argv = [door, *arguments]
    runpy.run_module(door, run_name="__main__", alter_sys=True)


class Runner:
    """Starts trainings and knows how an undisturbed one ends."""

    def __init__(self, home: Path) -> None:
        self.home, self.context = home, start_server(home)
        self.data_dir = make_data(home)
        self.log = home / "log"
        self.start(home / "warm").join()  # compiles
        started = time.monotonic()
        self.start(home / "whole").join()
        self.seconds = time.monotonic() - started
        self.expected = outcome(home / "whole", STEPS)

    def start(
        self,
        workdir: Path,
        *,
        more: Sequence[str] = (),
        fault: Fault | None = None,
        spoil: tuple | None = None,
        door: str = "launch.train",
        arguments: Sequence[str] | None = None,
        **changes: Any,
    ) -> BaseProcess:
        """A process that trains in ``workdir`` (or another door with its arguments)."""
        self.log.unlink(missing_ok=True)
        if arguments is None:
            arguments = [*words(self.data_dir, workdir, **changes), *more]
        process = self.context.Process(
            target=_child, args=(door, arguments, str(self.log), fault, spoil)
        )
        process.start()
        return process

    def run(self, workdir: Path, **more: Any) -> tuple[int, str]:
        """Exit status and what was printed."""
        process = self.start(workdir, **more)
        process.join(LONGEST_S)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"hangs: no end after {LONGEST_S} s: {self.said()[-2000:]}")
        return process.exitcode, self.said()

    def told(self, said: str) -> str:
        """The one line of an error among what was printed."""
        lines = [line[line.index("error: ") :] for line in said.splitlines() if "error: " in line]
        assert len(lines) == 1, f"expected one line of error: {said[-2000:]}"
        return lines[0]

    def said(self) -> str:
        """What the last process printed."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def check_ends_like_an_undisturbed_run(self, workdir: Path) -> None:
        """Runs the same command to its end and compares every bit and every logged loss."""
        status, said = self.run(workdir)
        assert status == 0, said[-2000:]
        assert outcome(workdir, STEPS) == self.expected, "another end than in peace"
        shutil.rmtree(workdir)


def outcome(workdir: Path, step: int) -> dict[str, Any]:
    """sha256 of the whole state of a step, and the losses on record."""
    from qsr_jax.checkpoint.seal import check_seal
    from qsr_jax.train.record import read_metrics

    check_seal(workdir / "latest" / str(step))
    lines = read_metrics(workdir, "train")
    return {
        "state": state_digest(workdir, step),
        "steps": [line["step"] for line in lines],
        "losses": [line["total"] for line in lines],
    }


def leaves_of(workdir: Path, step: int) -> dict[str, Any]:
    """Name to array of everything in a checkpoint's state."""
    import jax
    import orbax.checkpoint as ocp

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ocp.StandardCheckpointer().restore(workdir / "latest" / str(step) / "state")
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path): jax.device_get(leaf) for path, leaf in flat}


def state_digest(workdir: Path, step: int) -> str:
    """sha256 over names, types and bytes of everything in a checkpoint's state."""
    digest = hashlib.sha256()
    for name, leaf in sorted(leaves_of(workdir, step).items()):
        digest.update(f"{name} {leaf.dtype} {leaf.shape}".encode() + leaf.tobytes())
    return digest.hexdigest()


def wait_until(true: Callable[[], bool], process: BaseProcess, *, seconds: float = 120) -> None:
    """Waits until something holds or the process has ended."""
    deadline = time.monotonic() + seconds
    while process.is_alive() and not true():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.005)


def logged(workdir: Path) -> int:
    """Newest step on record."""
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    steps = [json.loads(x).get("step", 0) for x in lines if x.endswith("}")]
    return max(steps, default=0)
