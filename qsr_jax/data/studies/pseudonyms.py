"""Who is who, without names: salted hashes of PatientIDs, and the table of groups."""

import contextlib
import csv
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from qsr_jax.data.studies.manifest import GROUPS, ManifestError
from qsr_jax.files.tree import shown

SALT_BYTES = 32


def hashed(patient_id: str, salt: bytes) -> str:
    """16 hex digits that stand for a subject; without the salt nobody can find out whom."""
    return hmac.new(salt, patient_id.encode(), hashlib.sha256).hexdigest()[:16]


def mark_of(salt: bytes) -> str:
    """16 hex digits that two manifests of one salt share; no PatientID holds a backslash."""
    return hashed("\\salt", salt)


def load_salt(path: Path) -> bytes:
    """Reads the secret salt, or makes one (mode 0600) where there is none.

    Raises:
        ManifestError: the file holds no salt.
    """
    if not path.exists():
        _make_salt(path)
    try:
        salt = bytes.fromhex(path.read_text().strip())
    except ValueError:
        salt = b""
    if len(salt) < SALT_BYTES:
        raise ManifestError(f"{path}: expected {SALT_BYTES} bytes in hex; remove it for a new salt")
    return salt


def _make_salt(path: Path) -> None:
    """Makes a salt; of several processes that do so at once, the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(SALT_BYTES) + "\n")
    with contextlib.suppress(FileExistsError):
        os.link(part, path)
    part.unlink()


def group_of(patient_id: str, places: Iterable[Path], groups: Mapping[str, str]) -> str:
    """The group of a subject: by the PatientID, else by the top folder that holds the subject.

    Names of deeper folders and of files say nothing about who was scanned: ``siteA/1/`` is not
    participant ``1``.

    Args:
        patient_id: PatientID.
        places: of the subject's files, relative to the tree.
        groups: participant to group.

    Raises:
        ManifestError: no group, or two.
    """
    if patient_id in groups:
        return groups[patient_id]
    tops = {place.parts[0] for place in places if len(place.parts) > 1}
    found = {groups[top] for top in tops if top in groups}
    if len(found) != 1:
        where = ", ".join(sorted(map(shown, tops))) or "in no folder"
        raise ManifestError(
            f"{where}: participants table gives {len(found)} groups for this subject, expected 1; "
            "it is looked up by PatientID, then by the top folder"
        )
    return found.pop()


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
            name = (row["participant_id"] or "").strip()
            if name in groups:
                raise ManifestError(f"{path}:{line}: participant_id comes twice")
            groups[name] = row["group"]
    return groups
