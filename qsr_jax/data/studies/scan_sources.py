"""The kinds of trees that scans come in, and how each is listed and read: one row per kind."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from qsr_jax.data.dicom import (
    DicomInputError,
    Found,
    Series,
    find_series,
    owner_of,
    read_folder,
    read_series,
)
from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule
from qsr_jax.data.nifti.bids import BidsError, find_maps, owner_of_map, read_map
from qsr_jax.data.studies.manifest import BIDS, DICOM

Rows = Sequence[SeriesRule]
"""What recognises maps, beyond the built-in table."""


@dataclasses.dataclass(frozen=True)
class Source:
    """One kind of tree.

    Attributes:
        find: a tree to the places of its series (folders, or files) and what is no series.
        owner: a place and its tree to who was scanned and in which study.
        read: a place, rows and the tree to all maps it holds.
        read_one: a place, the name of a map, rows and the tree to that map.
        error: what the others raise.
    """

    find: Callable[[Path], Found]
    owner: Callable[[Path, Path], tuple[str, str]]
    read: Callable[[Path, Rows, Path], tuple[Series, ...]]
    read_one: Callable[[Path, str, Rows, Path], Series]
    error: type[ValueError]


def _owner_of(folder: Path, root: Path) -> tuple[str, str]:
    return owner_of(folder, root=root)


def _read_folder(folder: Path, rows: Rows, root: Path) -> tuple[Series, ...]:
    return read_folder(folder, protocols=(*PROTOCOLS, *rows), root=root)


def _read_series(folder: Path, map_name: str, rows: Rows, root: Path) -> Series:
    return read_series(folder, map_name=map_name, protocols=(*PROTOCOLS, *rows), root=root)


# A file of a BIDS tree is recognised by its name; the walk has seen to its links.
def _owner_of_map(path: Path, root: Path) -> tuple[str, str]:
    del root
    return owner_of_map(path)


def _read_maps(path: Path, rows: Rows, root: Path) -> tuple[Series, ...]:
    del rows, root
    return (read_map(path),)


def _read_map(path: Path, map_name: str, rows: Rows, root: Path) -> Series:
    del map_name, rows, root
    return read_map(path)


SOURCES = {
    DICOM: Source(find_series, _owner_of, _read_folder, _read_series, DicomInputError),
    BIDS: Source(find_maps, _owner_of_map, _read_maps, _read_map, BidsError),
}
"""What the manifest may say a tree is, and how it is read."""
