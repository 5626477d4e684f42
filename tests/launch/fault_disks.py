"""Disks that are full or fail: R5 and R6 of the fault matrix."""

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tiny_training import STEPS, Runner, state_digest  # isort: split

from faulty_io import TMP, Fault


@contextlib.contextmanager
def small_disk(place: Path, kib: int) -> Iterator[Path]:
    """A file system of ``kib`` KiB at ``place``."""
    place.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(place)]
    subprocess.run(command, check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def disk_full(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R5: disks too small for a training, a build and a series, ``count`` sizes of each."""
    yield from _training_on_small_disks(runner, count, rng)
    yield from _building_on_small_disks(runner, count, rng)
    yield from _writing_on_small_disks(runner, count, rng)


def _used_kib(folder: Path) -> int:
    return sum(-(-p.stat().st_size // 4096) * 4 for p in folder.rglob("*") if p.is_file())


def _training_on_small_disks(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    from qsr_jax.checkpoint import sealed_steps
    from qsr_jax.checkpoint.seal import check_seal

    most = _used_kib(runner.home / "whole")
    for trial in range(count):
        kib = int(rng.integers(64, most))
        with small_disk(runner.home / "disk", kib) as disk:
            workdir = disk / "run"
            status, said = runner.run(workdir)
            assert status == 1, f"{kib} KiB: status {status}: {said[-2000:]}"
            last = runner.told(said)
            whole = sealed_steps(workdir / "latest")
            for step in whole:
                check_seal(workdir / "latest" / str(step))
            kept = Path(shutil.copytree(workdir, runner.home / f"r5-{trial}"))
        runner.check_ends_like_an_undisturbed_run(kept)
        yield f"training: {kib} KiB, whole steps {whole}, told: {last[:160]}"


def _building_on_small_disks(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    from qsr_jax.data.records.open import DatasetError, open_records
    from qsr_jax.maps import MAPS

    most = _used_kib(runner.data_dir)
    for _ in range(count):
        kib = int(rng.integers(8, int(0.9 * most)))
        with small_disk(runner.home / "disk", kib) as disk:
            arguments = ["--manifest", str(runner.home / "m.json"), "--data_dir", str(disk / "d")]
            status, said = runner.run(disk, door="data_tools.build_dataset", arguments=arguments)
            assert status == 1, f"{kib} KiB: status {status}: {said[-2000:]}"
            last = runner.told(said)
            whole = 0
            for name in MAPS:
                with contextlib.suppress(DatasetError):
                    for split in ("train", "validation", "test"):
                        open_records(disk / "d", name, split)
                    whole += 1
            assert whole < len(MAPS)
        yield f"build: {kib} KiB, {whole} maps whole, told: {last[:160]}"


def _writing_on_small_disks(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    source = runner.home / "tree" / "p0" / "fast_t1"
    out = runner.home / "dicom"
    words = ["--workdir", str(runner.home / "whole"), "--input", str(source), "--output"]
    assert runner.run(out, door="launch.predict", arguments=[*words, str(out)])[0] == 0
    most = _used_kib(out)
    for _ in range(count):
        kib = int(rng.integers(1, most // 4)) * 4
        with small_disk(runner.home / "disk", kib) as disk:
            arguments = [*words, str(disk / "series")]
            status, said = runner.run(out, door="launch.predict", arguments=arguments)
            assert status == 1, f"{kib} KiB: status {status}: {said[-2000:]}"
            last = runner.told(said)
            assert not list(disk.iterdir()), "something is left"
        yield f"DICOM: {kib} KiB, told: {last[:160]}"


FAILURES = {
    "EIO while arrays are written": ("w", TMP, "e", errno.EIO, 200),
    "EACCES for the temporary folder": ("m", TMP, "e", errno.EACCES, 8),
    "EIO while the seal is written": ("w", "SEAL.json", "e", errno.EIO, 8),
    "the commit of a background save fails": ("r", f"{TMP}>", "e", errno.EIO, 8),
    "slow fsync": ("s", "", "s", 100, 1),
}


def failing_writes(runner: Runner, count: int, rng: np.random.Generator) -> Iterator[str]:
    """R6: calls that fail from the nth on, and disks that are slow.

    A failure ends the run before the save after next; what was whole stays whole, and the run goes
    on to the same end on a good disk. A slow disk changes nothing.
    """
    from tiny_training import SAVE_EVERY, logged

    from qsr_jax.checkpoint import sealed_steps
    from qsr_jax.checkpoint.seal import check_seal

    for trial in range(count):
        name = list(FAILURES)[trial % len(FAILURES)]
        op, path, deed, arg, most = FAILURES[name]
        workdir, nth = runner.home / f"r6-{trial}", int(rng.integers(1, most + 1))
        status, said = runner.run(workdir, fault=Fault(op, path, nth, deed, arg))
        at, whole = logged(workdir), sealed_steps(workdir / "latest")
        for step in whole:
            check_seal(workdir / "latest" / str(step))
        if deed == "s" or status == 0:
            assert status == 0, said[-2000:]
            assert state_digest(workdir, STEPS) == runner.expected["state"]
        else:
            assert status == 1, f"status {status}: {said[-2000:]}"
            told = runner.told(said)
            assert os.strerror(arg) in said or "could not be written" in told, said[-2000:]
            newest = whole[0] if whole else 0
            assert at <= newest + 2 * SAVE_EVERY, f"went on to {at} after {newest} was whole"
        runner.check_ends_like_an_undisturbed_run(workdir)
        yield f"{name}: call {nth}, status {status}, at step {at}, whole {whole}"
