"""Which files of a folder are images, and which folders of a tree hold series."""

import os
from pathlib import Path
from typing import NamedTuple

from qsr_jax.data.dicom.errors import DicomInputError

_LITTER = {"Thumbs.db", "desktop.ini", "DICOMDIR"}
_LITTER_FOLDER = "__MACOSX"
_SUFFIXES = {".dcm", ".ima"}
_MAGIC, _MAGIC_AT = b"DICM", 128


class Found(NamedTuple):
    """What a tree holds.

    Attributes:
        folders: folders with DICOM files, and folders that cannot be opened, sorted; one folder
            is one series.
        ignored: every other file, links to folders, and folders of litter, sorted.
    """

    folders: tuple[Path, ...]
    ignored: tuple[Path, ...]


def is_litter(path: Path) -> bool:
    """Whether a file or folder is what operating systems and media leave beside images."""
    return path.name.startswith(".") or path.name in _LITTER or path.name == _LITTER_FOLDER


def image_files(folder: Path) -> list[Path]:
    """All files of a series folder, sorted by name, without litter; sub-folders are not entered.

    A path that is a file stands for itself.

    Raises:
        DicomInputError: no such folder, nothing in it, not readable, or a link that leaves it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise DicomInputError(folder, "file", "no such folder")
    try:
        files = sorted(p for p in folder.iterdir() if not is_litter(p) and not p.is_dir())
    except OSError as error:
        raise DicomInputError(folder, "file", f"cannot be read ({error.strerror})") from None
    if not files:
        raise DicomInputError(folder, "file", "no DICOM files in this folder")
    for path in files:
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise DicomInputError(path, "file", "a link that leaves the series folder")
    return files


def find_series(root: Path) -> Found:
    """Walks ``root`` for folders with DICOM files; links to folders are listed, not followed."""
    folders: list[Path] = []
    ignored: list[Path] = []
    for name, children, files in os.walk(root, onerror=lambda e: folders.append(Path(e.filename))):
        here = Path(name)
        closed = {c for c in children if (here / c).is_symlink() or is_litter(here / c)}
        ignored += [here / child for child in closed]
        children[:] = sorted(set(children) - closed)
        paths = [here / file for file in files]
        candidates = [path for path in paths if not is_litter(path)]
        if any(_looks_like_dicom(path) for path in candidates):
            folders.append(here)
            ignored += [path for path in paths if is_litter(path)]
        else:
            ignored += paths
    return Found(tuple(sorted(folders)), tuple(sorted(ignored)))


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
