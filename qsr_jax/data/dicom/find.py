"""Which series a tree holds, told by SeriesInstanceUID and not by folders, and what is none.

One SeriesInstanceUID is one series wherever its files lie: an archive may put all files of an
export into one folder, or the two halves of a series into two. A folder with the same images once
more is a copy, and a series of its own. Headers are read one after the
other, up to that attribute; no pixels are touched and nothing else is kept.
"""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.identity import Identity, identity_of
from qsr_jax.files.tree import closed_folders, why_closed

_LITTER = {"Thumbs.db", "desktop.ini", "DICOMDIR"}
_LITTER_FOLDER = "__MACOSX"
_SUFFIXES = {".dcm", ".ima"}
_MAGIC, _MAGIC_AT = b"DICM", 128


class SeriesFiles(NamedTuple):
    """Where one series lies, and whose it is.

    Attributes:
        place: how messages and manifests call it: its folder, where that holds this series whole
            and no other; else its first file.
        files: sorted; empty for a folder that cannot be listed. Reading them tells what is wrong.
        owner: who was scanned and in which session (PatientID and StudyInstanceUID); empty texts
            where the files do not say.
        when: sorts the sessions of one subject; empty where nothing is known.
        strangers: files that name another PatientID than the first, and that PatientID; such a
            series is refused when it is read.
    """

    place: Path
    files: tuple[Path, ...]
    owner: tuple[str, str] = ("", "")
    when: str = ""
    strangers: tuple[tuple[Path, str], ...] = ()


class Found(NamedTuple):
    """What a tree holds.

    Attributes:
        series: sorted by place; also folders that cannot be listed and files of no series that
            say they are DICOM, so that reading them tells why they are not used.
        ignored: every other file, folders of litter, and what must not be opened
            (:mod:`qsr_jax.files.tree`), sorted.
    """

    series: tuple[SeriesFiles, ...]
    ignored: tuple[Path, ...]


def is_litter(path: Path) -> bool:
    """Whether a file or folder is what operating systems and media leave beside images."""
    return path.name.startswith(".") or path.name in _LITTER or path.name == _LITTER_FOLDER


def image_files(folder: Path, *, root: Path | None = None) -> list[Path]:
    """All files of a series folder, sorted by name, without litter; sub-folders are not entered.

    Args:
        folder: of the series.
        root: the tree it lies in, which links may not leave; None is the folder itself.

    Raises:
        DicomInputError: no such folder, nothing in it, not readable, or a file that must not be
            opened, such as a link that leaves ``root``.
    """
    if not folder.is_dir():
        raise DicomInputError(folder, "file", "no such folder")
    try:
        paths = sorted(p for p in folder.iterdir() if not is_litter(p) and not p.is_dir())
    except OSError as error:
        raise DicomInputError(folder, "file", f"cannot be read ({error.strerror})") from None
    for path in paths:
        if why := why_closed(path, root or folder):
            raise DicomInputError(path, "file", why)
    if not paths:
        raise DicomInputError(folder, "file", "no DICOM files in this folder")
    return paths


def find_series(root: Path) -> Found:
    """Walks ``root`` for DICOM files; links are followed as long as they stay in it.

    A folder that a link leads to is entered once: where it is a folder of the tree itself, the link
    is an alias and ignored.
    """
    walk = _Walk(root)
    entered = {os.path.realpath(root)}
    folders = os.walk(root, onerror=lambda e: walk.shut.append(Path(e.filename)), followlinks=True)
    for name, children, files in folders:
        here = Path(name)
        litter = {here / child for child in children if is_litter(here / child)}
        others = sorted({here / child for child in children} - litter)
        closed = litter | closed_folders(others, root, entered=entered)
        walk.ignored += closed
        children[:] = sorted(child for child in children if here / child not in closed)
        walk.enter([here / file for file in sorted(files)])
    return walk.found()


def is_directory(path: Path) -> bool:
    """Whether a file is a DICOMDIR, whatever it is called."""
    identity = identity_of(path)
    return identity is not None and identity.is_directory


_Key = tuple[str, str]
"""SeriesInstanceUID and PatientID."""


@dataclasses.dataclass
class _Part:
    """The files of one series in one folder, and the SOPInstanceUIDs they have."""

    owner: tuple[str, str]
    when: str
    files: list[Path] = dataclasses.field(default_factory=list)
    images: set[int] = dataclasses.field(default_factory=set)
    strangers: list[tuple[Path, str]] = dataclasses.field(default_factory=list)


class _Walk:
    """What has been found so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.shut: list[Path] = []
        """Folders that cannot be listed."""
        self.ignored: list[Path] = []
        self.loose: list[SeriesFiles] = []
        """What says it is DICOM and is of no series."""
        self.parts: dict[_Key, dict[Path, _Part]] = {}
        """Series to folders to what they hold of it."""
        self.lonely: set[Path] = set()
        """Folders that hold one series."""

    def enter(self, paths: list[Path]) -> None:
        """Sorts the files of one folder.

        What cannot be told in a folder of one series may be a damaged part of it and is given to
        that series, which is then refused by name.
        """
        closed = {path for path in paths if is_litter(path) or why_closed(path, self.root)}
        told = {p: identity_of(p) for p in paths if p not in closed and _looks_like_dicom(p)}
        directories = {p for p, one in told.items() if one is not None and one.is_directory}
        known = {
            path: one
            for path, one in told.items()
            if one is not None and one.series_uid and not one.is_directory
        }
        sorted_out = {*known, *directories, *closed}
        unknown = [path for path in paths if path not in sorted_out]
        self.ignored += [*closed, *directories]
        held = self._parts(known)
        if len(held) == 1:
            self.lonely.add(paths[0].parent)
            held[0].files += [*unknown, *(path for path in closed if not is_litter(path))]
        elif not held and any(path in told for path in unknown):
            self.loose.append(SeriesFiles(paths[0].parent, tuple(unknown)))
        else:
            self.loose += [SeriesFiles(path, (path,)) for path in unknown if path in told]
            self.ignored += [path for path in unknown if path not in told]

    def _parts(self, known: dict[Path, Identity]) -> list[_Part]:
        """The series that one folder holds parts of.

        One UID under two PatientIDs in one folder is one series, and refused when it is read; in
        two folders it is a copy under another name, which is for others to find.
        """
        held: dict[str, _Part] = {}
        for path, one in known.items():
            if one.series_uid not in held:
                part = _Part((one.patient_id, one.study_uid), one.study_time)
                held[one.series_uid] = part
                key = one.series_uid, one.patient_id
                self.parts.setdefault(key, {})[path.parent] = part
            if one.patient_id != held[one.series_uid].owner[0]:
                held[one.series_uid].strangers.append((path, one.patient_id))
            held[one.series_uid].files.append(path)
            held[one.series_uid].images.add(hash(one.image_uid))
        return list(held.values())

    def found(self) -> Found:
        """Everything, sorted."""
        series = [SeriesFiles(folder, ()) for folder in self.shut] + self.loose
        for parts in self.parts.values():
            for together in _without_copies(parts):
                files = sorted(path for folder in together for path in parts[folder].files)
                (first, *more) = together
                whole = not more and first in self.lonely
                place = first if whole else files[0]
                strangers = tuple(one for folder in together for one in parts[folder].strangers)
                series.append(
                    SeriesFiles(
                        place, tuple(files), parts[first].owner, parts[first].when, strangers
                    )
                )
        return Found(tuple(sorted(series)), tuple(sorted(self.ignored)))


def _without_copies(parts: Mapping[Path, _Part]) -> list[list[Path]]:
    """The folders of each copy of a series; images that come again begin another copy."""
    copies: list[tuple[list[Path], set[int]]] = []
    for folder, part in sorted(parts.items()):
        for folders, images in copies:
            if not images & part.images:
                folders.append(folder)
                images |= part.images
                break
        else:
            copies.append(([folder], set(part.images)))
    return [folders for folders, _ in copies]


def _looks_like_dicom(path: Path) -> bool:
    """Whether a file says it is DICOM, by its suffix or its magic word."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            file.seek(_MAGIC_AT)
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
