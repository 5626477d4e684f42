"""From subjects whose maps are known to records of weighted studies, whole or not at all."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.records.build import prepare, remove_half_written
from qsr_jax.data.records.open import UNFINISHED, WEIGHTED, DatasetError, fingerprint_of
from qsr_jax.data.records.subject_shards import Shard, written
from qsr_jax.data.records.weighted import (
    WeightedBuilder,
    WeightedSubject,
    check_subjects,
    fingerprint,
    weighted_features,
    weighted_folder,
    weighted_metadata,
)
from qsr_jax.data.records.weighted_card import weighted_tally
from qsr_jax.files.journal import Job, Journal, Schedule
from qsr_jax.files.seal import FileFacts

Write = Callable[..., dict[str, Any]]
"""Takes a subject's arguments and the path of its shard, returns what :func:`weighted_shard` does;
importable by other processes."""


def build_weighted(
    data_dir: Path,
    subjects: Sequence[tuple[WeightedSubject, tuple[Any, ...]]],
    write: Write,
    settings: Mapping[str, Any],
    *,
    schedule: Schedule,
    tell: Callable[[str], None] = lambda _: None,
) -> bool:
    """Builds the records; safe to run twice, and goes on where it was killed.

    Args:
        data_dir: receives ``weighted_maps/``.
        subjects: in the order of the dataset, each with the arguments of ``write``.
        write: makes one subject's shard.
        settings: how studies are drawn, JSON.
        schedule: who does which subjects; the bytes do not depend on it.
        tell: takes a line about the outcome.

    Returns:
        Whether the records are there; False where other machines have shards to do.

    Raises:
        ValueError: one subject twice, nobody to train on, no usable slice, and what ``write`` does.
        DatasetError: they could not be written, or those of other subjects or settings lie there.
        IncompleteError: a merge lacks subjects.
    """
    folder, everybody = weighted_folder(data_dir), [one for one, _ in subjects]
    check_subjects(everybody)
    remove_half_written(folder, tell)
    if folder.is_dir():
        if fingerprint_of(folder) != fingerprint(everybody, settings):
            raise DatasetError(
                f"{folder}: was made from other subjects or settings; remove it or choose another "
                "--data_dir"
            )
        tell(f"{folder}: already made from these subjects")
        return True
    aside = data_dir / WEIGHTED / UNFINISHED
    aside.mkdir(parents=True, exist_ok=True)
    paths = [aside / f"{one.inputs}.shard" for one in everybody]
    jobs = [
        Job(one.case, one.inputs, (*arguments, path))
        for (one, arguments), path in zip(subjects, paths, strict=True)
    ]
    journal = Journal(aside)
    if not journal.work(write, jobs, schedule, label="synthesising"):
        tell(f"{aside}: a part is done; when all are, the same command with --merge")
        return False
    results = [journal.result(job) for job in jobs]
    _finish(data_dir, list(zip(everybody, paths, results, strict=True)), settings, tell)
    shutil.rmtree(aside)
    return True


def _finish(
    data_dir: Path,
    done: Sequence[tuple[WeightedSubject, Path, Mapping[str, Any]]],
    settings: Mapping[str, Any],
    tell: Callable[[str], None],
) -> None:
    """Makes the dataset of shards that are written; tells who has no usable slice."""
    held = [one for one in done if one[2]["records"]]
    left_out = [subject.case for subject, _, row in done if not row["records"]]
    if left_out:
        tell(f"left out, no slice is usable: {', '.join(left_out)}")
    if not held:
        raise ValueError("no slice of anybody is usable: too little brain in every one")
    ready = [
        (subject, Shard(path, row["records"], FileFacts(**row["facts"]), row["tally"], None))
        for subject, path, row in held
    ]
    about = weighted_metadata(
        [subject for subject, _, _ in done], settings, spacing_mm=held[0][2]["spacing_mm"]
    )
    folder = weighted_folder(data_dir)
    prepare(WeightedBuilder(ready=ready, about=about, data_dir=data_dir), folder)
    slices = sum(row["records"] for _, _, row in held)
    tell(f"{folder}: {slices} slices of {len(ready)} subjects")


def weighted_shard(path: Path, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Writes one subject's records whole or not at all; without records no file.

    Returns:
        What the dataset needs to know: JSON.

    Raises:
        OSError, RuntimeError: the disk refused.
    """
    if not records:
        return {"records": 0}
    facts = written(path, records, features=weighted_features())
    return {
        "records": len(records),
        "facts": facts._asdict(),
        "tally": weighted_tally(records),
        "spacing_mm": [float(mm) for mm in records[0]["spacing_mm"]],
    }
