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
        owner: a place to who was scanned and in which study.
        read: a place to all maps it holds.
        read_one: a place to the map of that name.
        error: what the others raise.
    """

    find: Callable[[Path], Found]
    owner: Callable[[Path], tuple[str, str]]
    read: Callable[[Path, Rows], tuple[Series, ...]]
    read_one: Callable[[Path, str, Rows], Series]
    error: type[ValueError]


def _read_folder(folder: Path, rows: Rows) -> tuple[Series, ...]:
    return read_folder(folder, protocols=(*PROTOCOLS, *rows))


def _read_series(folder: Path, map_name: str, rows: Rows) -> Series:
    return read_series(folder, map_name=map_name, protocols=(*PROTOCOLS, *rows))


def _read_maps(path: Path, rows: Rows) -> tuple[Series, ...]:
    del rows  # a file of a BIDS tree is recognised by its name
    return (read_map(path),)


def _read_map(path: Path, map_name: str, rows: Rows) -> Series:
    del map_name, rows
    return read_map(path)


SOURCES = {
    DICOM: Source(find_series, owner_of, _read_folder, _read_series, DicomInputError),
    BIDS: Source(find_maps, owner_of_map, _read_maps, _read_map, BidsError),
}
