"""The kinds of trees that scans come in, and how each is listed and read: one row per kind."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from qsr_jax.data.dicom import (
    DicomInputError,
    Found,
    Series,
    SeriesFiles,
    find_series,
    owner_of,
    placed,
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
        find: a tree to its series (of files of DICOM, or single images) and what is no series.
        owner: a series to who was scanned and in which study.
        read: a series, rows and the tree to all maps it holds.
        read_one: a series as the manifest names it, the name of a map, rows and the tree to that
            map.
        error: what the others raise.
    """

    find: Callable[[Path], Found]
    owner: Callable[[SeriesFiles], tuple[str, str]]
    read: Callable[[SeriesFiles, Rows, Path], tuple[Series, ...]]
    read_one: Callable[[str, str, Rows, Path], Series]
    error: type[ValueError]


def _read_folder(found: SeriesFiles, rows: Rows, root: Path) -> tuple[Series, ...]:
    return read_folder(found, protocols=(*PROTOCOLS, *rows), root=root)


def _read_series(place: str, map_name: str, rows: Rows, root: Path) -> Series:
    found = placed(place, root)
    return read_series(found, map_name=map_name, protocols=(*PROTOCOLS, *rows), root=root)


# A file of a BIDS tree is recognised by its name; the walk has seen to its links.
def _owner_of_map(found: SeriesFiles) -> tuple[str, str]:
    return owner_of_map(found.place)


def _read_maps(found: SeriesFiles, rows: Rows, root: Path) -> tuple[Series, ...]:
    del rows, root
    return (read_map(found.place),)


def _read_map(place: str, map_name: str, rows: Rows, root: Path) -> Series:
    del map_name, rows
    return read_map(root / place)


SOURCES = {
    DICOM: Source(find_series, owner_of, _read_folder, _read_series, DicomInputError),
    BIDS: Source(find_maps, _owner_of_map, _read_maps, _read_map, BidsError),
}
"""What the manifest may say a tree is, and how it is read."""
