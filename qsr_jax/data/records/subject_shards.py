"""One subject's shards, written aside by whoever has time; a dataset takes them over later."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow_datasets as tfds

from qsr_jax import __version__
from qsr_jax.data.records.card import tally_of
from qsr_jax.data.records.open import VERSION
from qsr_jax.data.records.shard_writer import write_shard
from qsr_jax.data.records.subject_slices import subject_slices
from qsr_jax.data.studies.manifest import ROUTINE, Manifest, ManifestError, Subject
from qsr_jax.data.studies.pseudonyms import hashed, load_salt
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.journal import Job, Journal, Schedule, files_sha256
from qsr_jax.files.seal import FileFacts, facts_of
from qsr_jax.types import REPEAT

_SECRET = "owners.salt"
"""Behind the hashes of PatientIDs; it ends with the build."""


class Shard(NamedTuple):
    """One map of one session, ready.

    Attributes:
        path: the file.
        records: how many.
        facts: its size and digest.
        tally: what the card counts, see :func:`qsr_jax.data.records.card.tally_of`; None where an
            earlier card has counted it.
        pose: how the head moved, (x, y, z) mm and degrees, or None.
    """

    path: Path
    records: int
    facts: FileFacts
    tally: Mapping[str, Any] | None
    pose: Sequence[float] | None


@dataclasses.dataclass(frozen=True)
class SubjectShards:
    """The shards of many subjects, in a folder that resumes.

    Attributes:
        manifest: lists the subjects.
        folder: holds the shards and the journal; removed when the datasets are whole.
        maps: which maps.
        register: see :func:`qsr_jax.data.records.subject_slices.subject_slices`.
        subjects: those of the manifest that are wanted.
    """

    manifest: Manifest
    folder: Path
    maps: tuple[str, ...]
    register: str
    subjects: tuple[Subject, ...]

    def write(self, schedule: Schedule) -> bool:
        """Writes what is missing; False where other machines have shards to do.

        Raises:
            ManifestError, DicomInputError, BidsError: a series cannot be used.
            IncompleteError: see :meth:`qsr_jax.files.journal.Journal.work`.
            OSError, RuntimeError: the disk refused.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        load_salt(self.folder / _SECRET)
        journal = Journal(self.folder)
        whole = journal.work(write_subject, self._jobs(), schedule, label="building")
        if whole:
            self._check_owners()
        return whole

    def of(self, map_name: str) -> Iterator[tuple[Subject, Shard]]:
        """Every subject's shard of one map."""
        journal = Journal(self.folder)
        for subject, job in zip(self.subjects, self._jobs(), strict=True):
            result = journal.result(job)
            one = result["maps"][map_name]
            path = _path(self.folder, job.inputs, map_name)
            facts = FileFacts(**one["facts"])
            yield subject, Shard(path, one["records"], facts, one["tally"], result["pose"])

    def _jobs(self) -> list[Job]:
        """One for each subject; nothing of the others travels to another process."""
        common = [VERSION, __version__, self.register, self.maps, self.manifest.scale]
        protocols = [row.to_json() for row in self.manifest.protocols]
        jobs = []
        for subject in self.subjects:
            maps = {name: dict(pair.sha256) for name, pair in subject.maps.items()}
            who = [subject.case, subject.grid_alignment, self._beside(subject)]
            inputs = json_sha256([common, protocols, who, maps])
            alone = dataclasses.replace(
                self.manifest, subjects=(subject,), accepted=(), refused=(), ignored=()
            )
            arguments = (alone, self.maps, self.register, self.folder, inputs)
            jobs.append(Job(subject.case, inputs, arguments))
        return jobs

    def _beside(self, subject: Subject) -> str:
        """Digest of what else ends in the records: the truth, and a repeated scan."""
        root = self.manifest.root
        folders = [] if subject.truth is None else [root / subject.truth]
        for name, pair in subject.maps.items():
            folders.append((root / pair.folders[ROUTINE]).parent / f"{REPEAT}_{name}")
        files = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
        return files_sha256(files, root)

    def _check_owners(self) -> None:
        """Refuses one PatientID under two subjects: they could be in two splits."""
        journal, owners = Journal(self.folder), dict[str, str]()
        for subject, job in zip(self.subjects, self._jobs(), strict=True):
            for owner in journal.result(job)["owners"]:
                other = owners.setdefault(owner, subject.subject)
                if other != subject.subject:
                    raise ManifestError(
                        f"subjects {other} and {subject.subject} have the same PatientID, which "
                        "would leak between splits; pair the studies again"
                    )


def write_subject(
    manifest: Manifest, maps: Sequence[str], register: str, folder: Path, inputs: str
) -> dict[str, Any]:
    """Writes a shard for each map of the one subject of ``manifest``.

    Args:
        manifest: lists that subject alone.
        maps: which.
        register: see :func:`qsr_jax.data.records.subject_slices.subject_slices`.
        folder: receives ``<inputs>.<map>``.
        inputs: digest of what the shards depend on.

    Returns:
        What the datasets need to know: JSON.

    Raises:
        ManifestError, DicomInputError, BidsError: a series cannot be used.
        OSError, RuntimeError: the disk refused.
    """
    (subject,) = manifest.subjects
    secret, owners = load_salt(folder / _SECRET), set[str]()
    rows, pose = {}, None
    for slices in subject_slices(manifest, subject, maps, register):
        owners |= {hashed(owner, secret) for owner in slices.owners}
        pose = None if slices.pose is None else slices.pose.tolist()
        rows[slices.map_name] = {
            "records": len(slices.records),
            "facts": written(_path(folder, inputs, slices.map_name), slices.records)._asdict(),
            "tally": tally_of(slices.map_name, slices.records),
        }
    return {"maps": rows, "owners": sorted(owners), "pose": pose}


def written(
    path: Path,
    records: Iterable[Mapping[str, Any]],
    *,
    features: tfds.features.FeaturesDict | None = None,
) -> FileFacts:
    """Writes one shard whole or not at all; see :func:`write_shard`."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write_shard(part, records, features=features)
        facts = facts_of(part.parent, [part.name])[part.name]
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return facts


def _path(folder: Path, inputs: str, map_name: str) -> Path:
    return folder / f"{inputs}.{map_name}"
