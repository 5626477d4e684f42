"""Which files of a folder are images, and which folders of a tree hold series."""

import os
from pathlib import Path
from typing import NamedTuple

from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.files.tree import closed_folders, why_closed

_LITTER = {"Thumbs.db", "desktop.ini", "DICOMDIR"}
_LITTER_FOLDER = "__MACOSX"
_SUFFIXES = {".dcm", ".ima"}
_MAGIC, _MAGIC_AT = b"DICM", 128


class Found(NamedTuple):
    """What a tree holds.

    Attributes:
        folders: folders with DICOM files, and folders that cannot be opened, sorted; one folder
            is one series.
        ignored: every other file, folders of litter, and what must not be opened
            (:mod:`qsr_jax.files.tree`), sorted.
    """

    folders: tuple[Path, ...]
    ignored: tuple[Path, ...]


def is_litter(path: Path) -> bool:
    """Whether a file or folder is what operating systems and media leave beside images."""
    return path.name.startswith(".") or path.name in _LITTER or path.name == _LITTER_FOLDER


def image_files(folder: Path, *, root: Path | None = None) -> list[Path]:
    """All files of a series folder, sorted by name, without litter; sub-folders are not entered.

    A path that is a file stands for itself.

    Args:
        folder: of the series.
        root: the tree it lies in, which links may not leave; None is the folder itself.

    Raises:
        DicomInputError: no such folder, nothing in it, not readable, or a file that must not be
            opened, such as a link that leaves ``root``.
    """
    if folder.is_file():
        return [folder]
    files, closed = open_and_closed(folder, root=root or folder)
    for path, why in closed.items():
        raise DicomInputError(path, "file", why)
    if not files:
        raise DicomInputError(folder, "file", "no DICOM files in this folder")
    return files


def open_and_closed(folder: Path, *, root: Path) -> tuple[list[Path], dict[Path, str]]:
    """The files of :func:`image_files`, and those that must not be opened with the reason.

    Raises:
        DicomInputError: no such folder, or not readable.
    """
    if not folder.is_dir():
        raise DicomInputError(folder, "file", "no such folder")
    try:
        paths = sorted(p for p in folder.iterdir() if not is_litter(p) and not p.is_dir())
    except OSError as error:
        raise DicomInputError(folder, "file", f"cannot be read ({error.strerror})") from None
    closed = {path: why for path in paths if (why := why_closed(path, root))}
    return [path for path in paths if path not in closed], closed


def find_series(root: Path) -> Found:
    """Walks ``root`` for folders with DICOM files; links are followed as long as they stay in it.

    A folder that a link leads to is entered once: where it is a folder of the tree itself, the link
    is an alias and ignored.
    """
    folders: list[Path] = []
    ignored: list[Path] = []
    entered = {os.path.realpath(root)}
    walk = os.walk(root, onerror=lambda e: folders.append(Path(e.filename)), followlinks=True)
    for name, children, files in walk:
        here = Path(name)
        litter = {here / child for child in children if is_litter(here / child)}
        others = sorted({here / child for child in children} - litter)
        closed = litter | closed_folders(others, root, entered=entered)
        ignored += closed
        children[:] = sorted(child for child in children if here / child not in closed)
        paths = [here / file for file in files]
        shut = {path for path in paths if is_litter(path) or why_closed(path, root)}
        if any(_looks_like_dicom(path) for path in paths if path not in shut):
            folders.append(here)
            ignored += shut
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
