"""Further subjects for a dataset that is whole: its shards stay, new ones come behind."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qsr_jax.data.records.open import NAME, DatasetError
from qsr_jax.data.records.seal import read_seal
from qsr_jax.data.records.subject_shards import Shard
from qsr_jax.data.studies.manifest import SPLITS, Manifest, Subject
from qsr_jax.files.seal import FileFacts

_OLD = ".old"


def cases_of(folder: Path, listed: Manifest) -> set[str]:
    """The sessions that a dataset holds, once it is sure that ``listed`` only adds others.

    Raises:
        DatasetError: a session is gone, was moved to another split or place, or its series differ.
    """
    seal = read_seal(folder)
    rows = list(seal["shards"].values())
    for split in SPLITS:
        held = [row["subject"] for row in rows if row["split"] == split]
        asked = [subject.case for subject in listed.subjects_of(split=split)]
        if asked[: len(held)] != held:
            odd = next((a for a, b in zip(held, [*asked, *held], strict=False) if a != b), held[-1])
            raise _refusal(folder, f"{odd} is not where it was in {split}")
    wanted = {s.case: dict(s.maps[seal["metadata"]["map"]].sha256) for s in listed.subjects}
    for case, digests in seal["inputs"].items():
        if wanted[case] != digests:
            raise _refusal(folder, f"the series of {case} differ")
    return set(seal["inputs"])


def held(folder: Path, listed: Manifest) -> list[tuple[Subject, Shard]]:
    """The shards of a dataset, in the order of ``listed``."""
    seal = read_seal(folder)
    shards = {}
    for name, row in seal["shards"].items():
        facts = FileFacts(row["bytes"], row["sha256"])
        pose = _pose(seal["metadata"]["registration"]["subjects"].get(row["subject"]))
        shards[row["subject"]] = Shard(folder / name, row["records"], facts, None, pose)
    return [(one, shards[one.case]) for one in listed.subjects if one.case in shards]


@contextlib.contextmanager
def replaced(folder: Path, beside: Path) -> Iterator[Path]:
    """Yields a data folder to build in; what was built takes the place of ``folder``.

    The shards are links, so nothing is copied. Killed between the two renames, the next build finds
    the old dataset (:func:`restore`).
    """
    shutil.rmtree(beside, ignore_errors=True)
    yield beside
    fresh = beside / NAME / folder.parent.name / folder.name
    old = folder.with_name(folder.name + _OLD)
    folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old)
    shutil.rmtree(beside)


def restore(folder: Path) -> None:
    """Puts a dataset back that a killed :func:`replaced` had moved aside, or removes it."""
    old = folder.with_name(folder.name + _OLD)
    if old.is_dir() and folder.is_dir():
        shutil.rmtree(old)
    elif old.is_dir():
        old.rename(folder)


def _pose(row: dict[str, Any] | None) -> list[float] | None:
    return None if row is None else [*row["mm"], *row["deg"]]


def _refusal(folder: Path, why: str) -> DatasetError:
    return DatasetError(
        f"{folder}: {why}; --append adds subjects and changes none. Pair with --append, or remove "
        "the dataset"
    )
