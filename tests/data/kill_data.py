"""Kills builds and writers at random moments; what is left must be nothing or everything.

By hand: ``python tests/data/kill_data.py --kills 50``. The suite runs a few. Each trial starts a
process, sends SIGKILL after a random time, looks at what is there, and runs the work again to its
end, where every byte must be that of an undisturbed run.
"""

import argparse
import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fixtures"), str(HERE.parents[1])]
LONGEST = 1.2
"""Times of kills go up to this share of an undisturbed run, so that some come too late."""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["data_tools.build_dataset", "qsr_jax.data.dicom"])


def digests(folder: Path) -> dict[str, str]:
    """Relative path of every file to its sha256."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    """What is missing, extra or changed, by name."""
    told = {name: "missing" for name in expected.keys() - found.keys()}
    told |= {name: "extra" for name in found.keys() - expected.keys()}
    told |= {name: "changed" for name in found.keys() & expected.keys()
             if found[name] != expected[name]}  # fmt: skip
    return [f"{name} {what}" for name, what in sorted(told.items())]


def material(folder: Path) -> Path:
    """Four subjects and their manifest."""
    from dicom_factory import write_subject

    from data_tools import pair_studies

    for seed in range(4):
        write_subject(folder / "tree" / f"p{seed}", seed=seed)
    manifest = folder / "m.json"
    pair_studies.main(["--dicom", str(folder / "tree"), "--out", str(manifest),
                       "--test-fraction", "0", "--test", "p0"])  # fmt: skip
    return manifest


def written_series(source: Path, out: Path) -> None:
    """Writes a derived series of many slices."""
    from qsr_jax.data import dicom
    from qsr_jax.types import CORNER, Prediction

    series = dicom.read_series(source)
    geometry = series.volume.geometry.refined(2, CORNER)
    mean = np.repeat(np.repeat(series.volume.maps, 2, 1), 2, 2)
    words = {"derivation": "kill test", "software": "kill test"}
    prediction = Prediction(mean, None, (series.map_name,), geometry)
    dicom.write_derived(prediction, series, out, **words)


def build(manifest: Path, target: Path) -> None:
    """Builds all maps, silently."""
    from data_tools import build_dataset

    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        build_dataset.main(["--manifest", str(manifest), "--data_dir", str(target)])


def killed(work: Callable, arguments: tuple, delay_s: float) -> bool:
    """Does the work in a process of its own and kills it after a time; False if it was done."""
    process = CONTEXT.Process(target=work, args=arguments)
    process.start()
    process.join(delay_s)
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def timed(work: Callable, arguments: tuple) -> float:
    """Seconds that the work takes in a process of its own."""
    killed(work, (arguments[0], arguments[1].with_name("first")), 600)  # starts the server
    started = time.perf_counter()
    assert not killed(work, arguments, 600)
    return time.perf_counter() - started


def kill_builds(kills: int, seed: int, folder: Path) -> Counter:
    """Kills ``kills`` builds; returns how often datasets were absent, some or all there."""
    manifest, whole, target = material(folder), folder / "whole", folder / "target"
    length = timed(build, (manifest, whole))
    expected, seen = digests(whole), Counter()
    rng = np.random.default_rng(seed)
    for _ in range(kills):
        cut = killed(build, (manifest, target), rng.uniform(0, LONGEST * length))
        found = check_build(target, expected)
        seen[f"{found} of 3 maps, {'killed' if cut else 'ended'}"] += 1
        build(manifest, target)
        differing = differences(digests(target), expected)
        assert not differing, f"a repeated build differs: {differing}"
        shutil.rmtree(target)
    return seen


def check_build(target: Path, expected: dict[str, str]) -> int:
    """Number of datasets that are there; each must be whole, and open_records must say so."""
    from qsr_jax.data.records.open import DatasetError, dataset_folder, open_records
    from qsr_jax.maps import MAPS

    count = 0
    for name in MAPS:
        folder = dataset_folder(target, name)
        if folder.exists():
            prefix = folder.relative_to(target).as_posix()
            whole = {
                key.removeprefix(f"{prefix}/"): value
                for key, value in expected.items()
                if key.startswith(f"{prefix}/")
            }
            differing = differences(digests(folder), whole)
            assert not differing, f"{folder}: half a dataset: {differing}"
            assert len(open_records(target, name, "train"))
            count += 1
            continue
        try:
            open_records(target, name, "train")
        except DatasetError:
            continue
        raise AssertionError(f"{folder}: opened although absent")
    return count


def kill_writers(kills: int, seed: int, folder: Path) -> Counter:
    """Kills ``kills`` writers of a series; the series is absent or whole, and leftovers go."""
    from dicom_factory import acquisition, fast_geometry, head_maps

    from qsr_jax.data import dicom
    from qsr_jax.types import Volume

    geometry = fast_geometry(128, 24)
    volume = Volume(head_maps(geometry.shape, 1)["t1"][..., None], ("t1",), geometry)
    source, home = folder / "source", folder / "home"
    dicom.write_acquired(volume, source, acquisition=acquisition("x"), uid_seed="x")
    home.mkdir()
    length = timed(written_series, (source, folder / "whole"))
    seen, rng = Counter(), np.random.default_rng(seed)
    for _ in range(kills):
        target = home / "series"
        cut = killed(written_series, (source, target), rng.uniform(0, LONGEST * length))
        there = target.exists()
        seen[f"{'whole' if there else 'absent'}, {'killed' if cut else 'ended'}"] += 1
        if there:
            assert len(dicom.read_series(target).files) == 24
            shutil.rmtree(target)
        written_series(source, target)
        assert [path.name for path in home.iterdir()] == ["series"], "leftovers of a dead writer"
        shutil.rmtree(target)
    return seen


def main(argv: list[str] | None = None) -> None:
    """Runs both and says what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    for kind in (kill_writers, kill_builds):
        with tempfile.TemporaryDirectory() as folder:
            seen = kind(args.kills, args.seed, Path(folder))
        sys.stdout.write(f"{kind.__name__}: {sum(seen.values())} trials passed: {dict(seen)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
