"""From the name of a series to its files, and back: a folder, or a file that stands for it."""

import functools
import os
from collections.abc import Iterable
from pathlib import Path

from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import SeriesFiles, find_series, image_files, is_litter
from qsr_jax.data.dicom.identity import identity_of
from qsr_jax.files.tree import why_folder_closed


def series_at(place: Path, *, scope: Path | None = None, root: Path | None = None) -> SeriesFiles:
    """The series of a folder, or the series that a file belongs to.

    Args:
        place: a folder that holds one series, or a file.
        scope: below it lie the other files of a file's series; None is the file's own folder.
        root: the tree, which links may not leave; None is the folder or the scope.

    Raises:
        DicomInputError: see :func:`image_files`.
    """
    if not place.is_file():
        return SeriesFiles(place, tuple(image_files(place, root=root)))
    alone = SeriesFiles(place, (place,))
    if scope is not None:
        found = find_series(scope).series
        return next((one for one in found if place in one.files), alone)
    image_files(place.parent, root=root)
    series_of = _series_in(place.parent, place.parent.stat().st_mtime_ns)
    mine = series_of.get(place)
    same = tuple(path for path, series in series_of.items() if series == mine)
    return SeriesFiles(place, same) if mine else alone


def one_series(place: Path) -> SeriesFiles:
    """The only series of a folder, in whatever folders below its files lie, or that of a file.

    Raises:
        DicomInputError: no series, several, or a part of one whose other files lie in a folder
            beside ``place``.
    """
    if place.is_file():
        return series_at(place)
    found = find_series(place).series if place.is_dir() else ()
    if len(found) > 1:
        names = ", ".join(one.place.relative_to(place).as_posix() for one in found[:6])
        why = "name one of them; a file stands for its series"
        raise DicomInputError(place, "file", why, got=f"{len(found)} series ({names})")
    if not found:
        return series_at(place)
    if other := _rest_beside(place, found[0]):
        why = f"the series goes on in {other.name}; give the folder above both, or leave it out"
        raise DicomInputError(place, "SeriesInstanceUID", why)
    return found[0]


def _rest_beside(folder: Path, found: SeriesFiles) -> Path | None:
    """A folder beside ``folder`` whose first image is another one of the same series."""
    mine = [one for path in found.files if (one := identity_of(path)) is not None]
    series, images = {one.series_uid for one in mine}, {one.image_uid for one in mine}
    folder = folder.resolve()
    for other in sorted(path for path in folder.parent.iterdir() if path.is_dir()):
        if other == folder or is_litter(other) or why_folder_closed(other, folder.parent):
            continue
        told = (identity_of(path) for path in sorted(other.iterdir()) if path.is_file())
        first = next((one for one in told if one is not None), None)
        if first and first.series_uid in series and first.image_uid not in images:
            return other
    return None


@functools.lru_cache(maxsize=2)
def _series_in(folder: Path, changed_ns: int) -> dict[Path, str]:
    """Each image of a folder to its SeriesInstanceUID; kept, for one folder may hold hundreds."""
    del changed_ns  # a folder that changed is looked at again
    paths = sorted(path for path in folder.iterdir() if path.is_file() and not is_litter(path))
    told = {path: identity_of(path) for path in paths}
    return {path: one.series_uid for path, one in told.items() if one is not None}


def place_text(place: Path, files: Iterable[Path], root: Path) -> str:
    """How a manifest names a series of ``root``; :func:`series_at` finds it again.

    A folder, or a file; where the files of its series lie in several folders, ``/./`` stands in
    front of what is relative to the folder above all of them, as in rsync.
    """
    folders = {path.parent for path in files}
    if len(folders) < 2:
        return place.relative_to(root).as_posix()
    above = Path(os.path.commonpath(folders))
    inner = place.relative_to(above).as_posix()
    return f"./{inner}" if above == root else f"{above.relative_to(root).as_posix()}/./{inner}"


def placed(text: str, root: Path) -> SeriesFiles:
    """The series that a manifest names, see :func:`place_text`.

    Raises:
        DicomInputError: see :func:`series_at`.
    """
    above, inside, inner = f"/{text}".partition("/./")
    if not inside:
        return series_at(root / text, root=root)
    scope = root / above.lstrip("/")
    return series_at(scope / inner, scope=scope, root=root)
