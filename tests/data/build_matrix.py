"""Builds under 12 circumstances, whose bytes must be equal, and 140 damages, all to be found.

By hand, each line of the result a JSON object: ``python tests/data/build_matrix.py --damages 20``.
The suite runs a few.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "fixtures"), str(HERE.parents[1])]
ROOT = Path(__file__).parents[2]
WORKERS = (1, 2, 8)
CIRCUMSTANCES = (
    {"TZ": "UTC", "LC_ALL": "C", "PYTHONHASHSEED": "0", "umask": "022", "listing": "1"},
    {"TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "77", "umask": "077",
     "listing": "2"},
    {"TZ": "America/St_Johns", "LC_ALL": "POSIX", "PYTHONHASHSEED": "4", "umask": "002",
     "listing": "3"},
    {"TZ": "Pacific/Chatham", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "random", "umask": "027",
     "listing": "4"},
)  # fmt: skip

BUILD = """
import os, random, sys
from data_tools import build_dataset, pair_studies
tree, salt, out, workers, seed, umask = sys.argv[1:]
os.umask(int(umask, 8))
whole = os.walk
def shuffled(top, **more):  # the order in which a file system lists
    for name, folders, files in whole(top, **more):
        random.Random(int(seed)).shuffle(folders)
        random.Random(int(seed)).shuffle(files)
        yield name, folders, files
os.walk = shuffled
pair_studies.main(["--dicom", tree, "--out", f"{out}/m.json", "--salt-file", salt,
                   "--test-fraction", "0", "--test", "p0"])
build_dataset.main(["--manifest", f"{out}/m.json", "--data_dir", f"{out}/d", "--workers", workers])
"""


def cohort(folder: Path, subjects: int) -> tuple[Path, Path]:
    """A tree of subjects and a salt."""
    from dicom_factory import write_subject

    for seed in range(subjects):
        write_subject(folder / "tree" / f"p{seed}", seed=seed)
    (folder / "salt").write_text("ab" * 32)
    return folder / "tree", folder / "salt"


def built(tree: Path, salt: Path, out: Path, *, workers: int, **around: str) -> dict[str, str]:
    """Pairs and builds in a process of its own; returns the sha256 of every file."""
    from kill_data import digests

    out.mkdir()
    listing, umask = around.pop("listing"), around.pop("umask")
    words = [str(tree), str(salt), str(out), str(workers), listing, umask]
    ran = subprocess.run(
        [sys.executable, "-c", BUILD, *words],
        env=os.environ | around | {"PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return digests(out / "d")


# --- damage: each takes (folder, two shards, rng) and returns what a refusal may name -------------


def flip(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """One bit."""
    content = bytearray((folder / one).read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    (folder / one).write_bytes(content)
    return {one}


def truncate(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """Any shorter length, nothing included."""
    content = (folder / one).read_bytes()
    (folder / one).write_bytes(content[: rng.integers(len(content))])
    return {one}


def cut_between_records(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """Fewer records, in a shard that is whole in itself."""
    from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter

    reader = ArrayRecordReader(str(folder / one))
    kept = reader.read(list(range(rng.integers(1, reader.num_records()))))
    reader.close()
    writer = ArrayRecordWriter(str(folder / one), "group_size:1,uncompressed")
    for record in kept:
        writer.write(record)
    writer.close()
    return {one}


def delete(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """A shard is gone."""
    (folder / one).unlink()
    return {one}


def swap(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """Two shards exchange their names."""
    a, b = (folder / one).read_bytes(), (folder / two).read_bytes()
    (folder / one).write_bytes(b)
    (folder / two).write_bytes(a)
    return {one, two}


def duplicate(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """A shard stands where another should."""
    shutil.copy(folder / one, folder / two)
    return {two}


def extra(folder: Path, one: str, two: str, rng: np.random.Generator) -> set[str]:
    """One shard too many."""
    name = f"{one.rpartition('-')[0]}-{int(rng.integers(100, 9999)):05d}"
    shutil.copy(folder / one, folder / name)
    return {name}


DAMAGES: tuple[Callable[..., set[str]], ...] = (
    flip, truncate, cut_between_records, delete, swap, duplicate, extra,
)  # fmt: skip


def check_refused(
    damage: Callable[..., set[str]], data_dir: Path, rng: np.random.Generator
) -> None:
    """Damages a copy of the data and opens it; it must be refused, and by the shard's name."""
    from qsr_jax.data.records.open import DatasetError, dataset_folder, open_records
    from qsr_jax.maps import MAPS

    name = rng.choice(list(MAPS))
    with tempfile.TemporaryDirectory() as home:
        copied = Path(shutil.copytree(data_dir, Path(home) / "d"))
        folder = dataset_folder(copied, name)
        shards = sorted(path.name for path in folder.glob("*array_record*"))
        one, two = (str(shard) for shard in rng.choice(shards, 2, replace=False))
        named = damage(folder, one, two, rng)
        for split in sorted({shard.split("-")[1].split(".")[0] for shard in named}):
            try:
                open_records(copied, name, split)
            except DatasetError as error:
                assert any(shard in str(error) for shard in named), f"{error}: not {named}"
                continue
            raise AssertionError(f"{damage.__name__} of {named} was not noticed in {split}")


def determinism(folder: Path, subjects: int) -> list[dict]:
    """One row per combination: are all bytes those of the first?"""
    tree, salt = cohort(folder, subjects)
    rows, first = [], None
    for number, (workers, around) in enumerate(itertools.product(WORKERS, CIRCUMSTANCES)):
        found = built(tree, salt, folder / f"out{number}", workers=workers, **around)
        first = first or found
        same = found == first
        rows.append({"row": "R10", "workers": workers, **around, "files": len(found), "same": same})
    return rows


def main(argv: list[str] | None = None) -> None:
    """Runs both and prints JSON lines; exit status 1 when anything differs or goes unnoticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damages", type=int, default=20, help="of each of the 7 kinds")
    parser.add_argument("--subjects", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as home:
        rows = determinism(Path(home), args.subjects)
        for damage in DAMAGES:
            rng = np.random.default_rng((args.seed, DAMAGES.index(damage)))
            for _ in range(args.damages):
                check_refused(damage, Path(home) / "out0" / "d", rng)
            rows.append({"row": "R11", "damage": damage.__name__, "refused": args.damages})
    for row in rows:
        sys.stdout.write(json.dumps(row) + "\n")
    if not all(row["same"] for row in rows if row["row"] == "R10"):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
