"""From a DICOM tree to a manifest: every person with three whole pairs, and why the others not."""

import csv
import dataclasses
import hashlib
import hmac
import os
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from qsr_jax.data.dicom import (
    DicomInputError,
    Series,
    find_series,
    named_tag,
    owner_of,
    read_series,
)
from qsr_jax.data.manifest import (
    FAST,
    GROUPS,
    HEALTHY,
    SIDES,
    Manifest,
    ManifestError,
    Pair,
    Person,
)
from qsr_jax.data.pairing import PairError, pair_person
from qsr_jax.data.split import split_people
from qsr_jax.data.truth import TruthError, check_study

TRUTH_FOLDER = "truth"
PARTICIPANTS = "participants.tsv"
SALT_BYTES = 32


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """A paired person before the split; holds no voxels, so that a cohort fits into memory."""

    group: str
    truth: str | None
    grid_alignment: str
    fast_shape: tuple[int, int, int]
    fast_spacing_mm: tuple[float, float, float]
    maps: Mapping[str, Pair]


def pair_studies(
    root: Path,
    *,
    scale: int,
    seed: int,
    test_fraction: float,
    validation_fraction: float,
    groups: Mapping[str, str] | None,
    salt: bytes,
    progress: Callable[[Iterable], Iterable],
) -> Manifest:
    """Pairs everything under ``root``; what does not fit is listed with its reason.

    Args:
        root: the DICOM tree; one folder is one series.
        scale: routine matrix over fast matrix.
        seed: of the split; the split does not depend on the salt or on the order of files.
        test_fraction: see :func:`qsr_jax.data.split.split_people`.
        validation_fraction: likewise.
        groups: participant (a folder's name on the way to the series, or the PatientID) to
            "healthy" or "patient"; None makes everybody healthy.
        salt: secret key of the hash that stands for a person.
        progress: wraps the persons, for a progress bar.

    Raises:
        ManifestError: no person is left.
    """
    found = find_series(root)
    candidates, refused = _pair_everybody(root, found.folders, groups, scale, progress)
    splits = split_people(
        seed,
        {patient: candidate.group for patient, candidate in candidates.items()},
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
    )
    persons = tuple(
        Person(person=hashed(patient, salt), split=split, **vars(candidates[patient]))
        for patient, split in splits.items()
    )
    used = {person.truth for person in persons} | {PARTICIPANTS}
    others = [path.relative_to(root).as_posix() for path in found.ignored]
    return Manifest(
        dicom_dir=root,
        scale=scale,
        seed=seed,
        persons=persons,
        refused=tuple(sorted(refused, key=lambda item: item["what"])),
        ignored=tuple(p for p in others if not {p, p.rpartition("/")[0]} & used),
    )


def _pair_everybody(
    root: Path,
    folders: Sequence[Path],
    groups: Mapping[str, str] | None,
    scale: int,
    progress: Callable[[Iterable], Iterable],
) -> tuple[dict[str, _Candidate], list[dict[str, str]]]:
    """PatientID to paired maps, and what was refused on the way."""
    refused: list[dict[str, str]] = []
    by_patient = _folders_by_patient(root, folders, refused)
    candidates: dict[str, _Candidate] = {}
    for patient in progress(sorted(by_patient)):
        series = _read_all(root, by_patient[patient], refused)
        try:
            candidates[patient] = _candidate(root, series, groups, scale)
        except PairError as error:
            _note(refused, _homes(root, by_patient[patient]), _plain(error, root))
    if not candidates:
        reasons = "; ".join(f"{item['what']}: {item['reason']}" for item in refused[:3])
        raise ManifestError(f"{root}: no person has three whole pairs. {reasons or 'No series'}")
    return candidates, refused


def hashed(patient_id: str, salt: bytes) -> str:
    """16 hex digits that stand for a person; without the salt nobody can find out whom."""
    return hmac.new(salt, patient_id.encode(), hashlib.sha256).hexdigest()[:16]


def load_salt(path: Path) -> bytes:
    """Reads the secret salt, or makes one (mode 0600) where there is none.

    Raises:
        ManifestError: the file holds no salt.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SALT_BYTES) + "\n")
    try:
        salt = bytes.fromhex(path.read_text().strip())
    except ValueError:
        salt = b""
    if len(salt) < SALT_BYTES:
        raise ManifestError(f"{path}: expected {SALT_BYTES} bytes in hex; remove it for a new salt")
    return salt


def read_groups(path: Path) -> dict[str, str]:
    """Reads participants.tsv (BIDS): participant_id to group.

    Raises:
        ManifestError: a column is missing, an id comes twice, or a group is not known.
    """
    groups: dict[str, str] = {}
    with path.open(newline="") as file:
        table = csv.DictReader(file, delimiter="\t")
        for column in ("participant_id", "group"):
            if column not in (table.fieldnames or ()):
                raise ManifestError(f"{path}: column {column} is missing")
        for line, row in enumerate(table, start=2):
            if row["group"] not in GROUPS:
                raise ManifestError(f"{path}:{line}: group is not one of {', '.join(GROUPS)}")
            if row["participant_id"] in groups:
                raise ManifestError(f"{path}:{line}: participant_id comes twice")
            groups[row["participant_id"]] = row["group"]
    return groups


def _folders_by_patient(
    root: Path, folders: Sequence[Path], refused: list[dict[str, str]]
) -> dict[str, list[Path]]:
    """Series folders by PatientID; a study that two PatientIDs claim is refused."""
    by_patient: dict[str, list[Path]] = defaultdict(list)
    first_of_study: dict[str, tuple[str, Path]] = {}
    disputed: dict[str, str] = {}
    for folder in folders:
        try:
            patient, study = owner_of(folder)
        except DicomInputError as error:
            _note(refused, folder.relative_to(root).as_posix(), _plain(error, root))
            continue
        other, elsewhere = first_of_study.setdefault(study, (patient, folder))
        if other != patient:
            both = f"{elsewhere.relative_to(root)} and {folder.relative_to(root)}"
            disputed[patient] = disputed[other] = (
                f"{both}: {named_tag('PatientID')} differs in one study"
            )
        by_patient[patient].append(folder)
    for patient, reason in disputed.items():
        _note(refused, _homes(root, by_patient.pop(patient)), reason)
    return by_patient


def _read_all(root: Path, folders: Sequence[Path], refused: list[dict[str, str]]) -> list[Series]:
    """The readable series of one person; the others are noted."""
    series = []
    for folder in folders:
        try:
            series.append(read_series(folder))
        except DicomInputError as error:
            _note(refused, folder.relative_to(root).as_posix(), _plain(error, root))
    return series


def _candidate(
    root: Path, series: Sequence[Series], groups: Mapping[str, str] | None, scale: int
) -> _Candidate:
    """Pairs one person and collects what the manifest says about them."""
    paired = pair_person(series, scale=scale)
    maps = {}
    for name, pair in paired.series.items():
        folders = {side: _folder_of(pair[side], root).as_posix() for side in SIDES}
        digests = {side: pair[side].sha256 for side in SIDES}
        maps[name] = Pair(folders=folders, sha256=digests, qc=paired.qc[name])
    used = [pair[side] for pair in paired.series.values() for side in SIDES]
    grid = paired.series["t1"][FAST].volume.geometry
    return _Candidate(
        group=_group(used, root, groups),
        truth=_truth(used, root),
        grid_alignment=paired.grid_alignment,
        fast_shape=grid.shape,
        fast_spacing_mm=grid.spacing_mm,
        maps=maps,
    )


def _group(series: Sequence[Series], root: Path, groups: Mapping[str, str] | None) -> str:
    """The person's group; everybody is healthy where nothing is said."""
    if groups is None:
        return HEALTHY
    names = {part for s in series for part in _folder_of(s, root).parts} | {series[0].patient_id}
    found = {groups[name] for name in names if name in groups}
    if len(found) != 1:
        raise PairError(f"participants table gives {len(found)} groups for this person, expected 1")
    return found.pop()


def _truth(series: Sequence[Series], root: Path) -> str | None:
    """The folder of simulated truth beside the series, if there is one."""
    beside = {s.files[0].parent.parent / TRUTH_FOLDER for s in series}
    found = [folder for folder in beside if folder.is_dir()]
    if not found:
        return None
    if len(found) > 1:
        raise PairError(f"{len(found)} {TRUTH_FOLDER} folders beside one person's series")
    try:
        check_study(found[0], series[0].study_uid)
    except TruthError as error:
        raise PairError(str(error)) from None
    return found[0].relative_to(root).as_posix()


def _folder_of(series: Series, root: Path) -> Path:
    return series.files[0].parent.relative_to(root)


def _homes(root: Path, folders: Sequence[Path]) -> str:
    """The folders that hold a person's series, relative to the tree."""
    return ", ".join(sorted({folder.parent.relative_to(root).as_posix() for folder in folders}))


def _plain(error: Exception, root: Path) -> str:
    """An error's text with paths relative to the tree."""
    return str(error).replace(f"{root}{os.sep}", "")


def _note(refused: list[dict[str, str]], what: str, reason: str) -> None:
    item = {"what": what, "reason": reason}
    if item not in refused:
        refused.append(item)
