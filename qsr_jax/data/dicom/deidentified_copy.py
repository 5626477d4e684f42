"""A DICOM tree copied without its subjects: new names all the way, one folder per series."""

import dataclasses
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.dicom.deidentify import pseudonym
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import SeriesFiles, find_series, image_files
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.dicom.subject_copy import Image, Source, copy_subject
from qsr_jax.data.studies.manifest import ManifestError
from qsr_jax.data.studies.pseudonyms import group_of
from qsr_jax.files.journal import Journal, Schedule
from qsr_jax.files.staged import WriteError
from qsr_jax.files.tree import files_below, why_closed, why_folder_closed


@dataclasses.dataclass(frozen=True)
class Copied:
    """What was done; ``files_in`` is the sum of ``files``, ``left_out`` and ``ignored``.

    Attributes:
        subjects: how many.
        series: how many.
        files_in: how many files and links to files the tree holds.
        files: how many were copied.
        left_out: texts of images and links that were left out, each naming its file.
        ignored: how many files that are no images were left out.
    """

    subjects: int
    series: int
    files_in: int
    files: int
    left_out: tuple[str, ...]
    ignored: int


def copy_without_subjects(
    root: Path,
    out: Path,
    *,
    salt: bytes,
    groups: Mapping[str, str] | None,
    rows: tuple[SeriesRule, ...] = (),
    maps_only: bool = False,
    schedule: Schedule | None = None,
) -> Copied | None:
    """Writes ``out/<pseudonym>/<study>-<series>/001.dcm``; it appears whole or not at all.

    Subjects that are done lie in a hidden folder beside ``out``, so a killed copy goes on.

    Args:
        root: tree of DICOM files; never changed.
        out: must not exist.
        salt: secret; the same one gives the same identifiers.
        groups: participant (the PatientID, or the subject's top folder) to group; written again in
            ``participants.tsv`` under the pseudonyms. A subject without one is left out.
        rows: a user's own rows that recognise maps.
        maps_only: whether nothing but accepted series of maps is copied.
        schedule: who copies whom; the copy does not depend on it.

    Returns:
        What was done; None where other machines have shards to do.

    Raises:
        ManifestError: nothing could be copied, or files got lost.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write.
        IncompleteError: a merge lacks subjects.
    """
    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out}: exists already; remove it or choose another path")
    source = Source(root, out.with_name(f".{out.name}.unfinished"), salt, rows, maps_only)
    found = find_series(root)
    files, left_out = _images(found.series, source)
    group_of_patient = _groups(files, source, groups, left_out)
    jobs = [source.job(patient, mine) for patient, (_, mine) in files.items()]
    journal = Journal(source.aside / "done")
    try:
        if not journal.work(copy_subject, jobs, schedule or Schedule(), label="copying"):
            return None
        results = {job.name: journal.result(job) for job in jobs}
        copied = _counted(source, results, left_out, found.ignored)
        _finish(source, results, group_of_patient if groups is not None else None)
        source.subjects.rename(out)
    except OSError as error:
        raise WriteError(
            f"{out}: could not be written ({error.strerror or error}); check free disk space, "
            "quota, file-size limit and permissions. Nothing was left at that path, and the same "
            "command goes on"
        ) from error
    shutil.rmtree(source.aside)
    return copied


def _images(
    series: Iterable[SeriesFiles], source: Source
) -> tuple[dict[str, tuple[str, list[Image]]], list[str]]:
    """Pseudonym to PatientID and files; a folder that cannot be listed is left out."""
    files: dict[str, tuple[str, list[Image]]] = {}
    left_out: list[str] = []
    for one in series:
        try:
            listed = one.files or image_files(one.place, root=source.root)
        except DicomInputError as error:
            left_out.append(source.left_out(one.place, error.why))
            continue
        strangers = dict(one.strangers)
        for path in listed:
            if not why_closed(path, source.root):
                patient_id = strangers.get(path, one.owner[0])
                patient = pseudonym(patient_id, source.salt)
                files.setdefault(patient, (patient_id, []))[1].append((one.place, path))
    return files, left_out


def _groups(
    files: dict[str, tuple[str, list[Image]]],
    source: Source,
    groups: Mapping[str, str] | None,
    left_out: list[str],
) -> dict[str, str]:
    """Pseudonym to group; takes subjects without one away and notes their files."""
    found: dict[str, str] = {}
    for patient, (patient_id, mine) in list(files.items() if groups is not None else ()):
        places = [path.relative_to(source.root) for _, path in mine]
        try:
            found[patient] = group_of(patient_id, places, groups or {})
        except ManifestError as error:
            left_out += [source.left_out(path, str(error)) for _, path in mine]
            del files[patient]
    return found


def _finish(
    source: Source, results: Mapping[str, Mapping[str, Any]], groups: Mapping[str, str] | None
) -> None:
    """Removes subjects that are no longer in the tree, and writes the table of groups."""
    kept = sorted(patient for patient, result in results.items() if result["files"])
    for folder in source.subjects.iterdir():
        if folder.name not in kept:
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()
    if groups is not None:
        rows = [f"{patient}\t{groups[patient]}\n" for patient in kept]
        table = "participant_id\tgroup\n" + "".join(rows)
        (source.subjects / "participants.tsv").write_text(table)


def _counted(
    source: Source,
    results: Mapping[str, Mapping[str, Any]],
    left_out: Sequence[str],
    ignored: Iterable[Path],
) -> Copied:
    """Makes sure that every file of the tree is accounted for."""
    root, others = source.root, 0
    texts = [*left_out, *(text for result in results.values() for text in result["left_out"])]
    for path in ignored:
        if reason := why_folder_closed(path, root):
            texts.append(source.left_out(path, reason))
        else:
            others += files_below(path, root)
    copied = [result for result in results.values() if result["files"]]
    if not copied:
        raise ManifestError(f"{root}: nothing to copy. {'; '.join(texts[:3])}")
    files = sum(result["files"] for result in copied)
    counted = Copied(
        subjects=len(copied),
        series=sum(result["series"] for result in copied),
        files_in=files_below(root, root),
        files=files,
        left_out=tuple(texts),
        ignored=others,
    )
    if counted.files_in != files + len(texts) + others:
        raise ManifestError(
            f"{root}: {counted.files_in} files in, but {files} copied, {len(texts)} left out and "
            f"{others} ignored; did the tree change?"
        )
    return counted
