"""Reads one folder as map series, or refuses it with file, keyword, tag and reason."""

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from qsr_jax.data.dicom.attributes import unquoted
from qsr_jax.data.dicom.bundle import split
from qsr_jax.data.dicom.decoder_process import DecodeWorker
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import SeriesFiles, image_files
from qsr_jax.data.dicom.frames import Frame, frames_of
from qsr_jax.data.dicom.header import Header
from qsr_jax.data.dicom.locate import series_at
from qsr_jax.data.dicom.people import PERSON
from qsr_jax.data.dicom.pixels import LargestValues, check_range, padding_of, stored_pixels
from qsr_jax.data.dicom.scaling import Scale, required_scale
from qsr_jax.data.dicom.series import Series, placed_series
from qsr_jax.data.dicom.series_rules import MAGIC_SECONDARY, PROTOCOLS, SPREADS, SeriesRule
from qsr_jax.data.dicom.stack import check_one_series, stacked
from qsr_jax.files.digest import text_sha256
from qsr_jax.files.tree import why_closed
from qsr_jax.maps import MapSpec, check, spec_of

LEAST_MAXIMUM = 10.0
"""A map of ms or percent reaches more than this somewhere; a map in seconds does not."""


def read_series(
    folder: Path | SeriesFiles,
    *,
    map_name: str | None = None,
    protocols: Sequence[SeriesRule] = PROTOCOLS,
    worker: DecodeWorker | None = None,
    root: Path | None = None,
) -> Series:
    """Reads one map of the series in ``folder``; nothing is guessed, repaired or left out.

    Accepted are MR images (single-frame, enhanced, legacy converted) and parametric maps of one
    series, uncompressed or losslessly compressed, scaled in every slice, at even distances. Files
    may come in any order and with any name.

    Args:
        folder: a folder that holds the series and nothing else, a file of it (the others of its
            series lie beside it), or what :func:`qsr_jax.data.dicom.find_series` found.
        map_name: which map of a bundle; None where the series holds one.
        protocols: the table that recognises maps.
        worker: decodes compressed pixels; None starts one for this series where it is needed.
        root: the tree that ``folder`` lies in, which links may not leave; None is the folder.

    Raises:
        DicomInputError: naming the file, the keyword, its tag and the reason.
    """
    held = read_folder(folder, protocols=protocols, worker=worker, only=map_name, root=root)
    if len(held) > 1:
        names = ", ".join(series.map_name for series in held)
        raise DicomInputError(
            held[0].place, "ImageType", f"a bundle of {names}; say which map to read"
        )
    return held[0]


def read_spread(folder: Path) -> Series:
    """Reads a series of standard deviations, as the writers of derived maps store them.

    Its ``volume`` holds the standard deviation of ``map_name``, in the unit of the map.

    Raises:
        DicomInputError: see :func:`read_series`; also where the folder holds a map itself.
    """
    return read_series(folder, protocols=SPREADS)


def read_folder(
    folder: Path | SeriesFiles,
    *,
    protocols: Sequence[SeriesRule] = PROTOCOLS,
    worker: DecodeWorker | None = None,
    only: str | None = None,
    root: Path | None = None,
) -> tuple[Series, ...]:
    """Reads every map of the series in ``folder``, or ``only`` one; see :func:`read_series`.

    Raises:
        DicomInputError: naming the file, the keyword, its tag and the reason.
    """
    with contextlib.ExitStack() as context:
        context.enter_context(unquoted("ignore"))
        worker = worker or context.enter_context(DecodeWorker())
        found = folder if isinstance(folder, SeriesFiles) else series_at(folder, root=root)
        frames = open_slices(found, root=root)
        row, maps = split(frames, protocols)
        if only is not None and only not in maps:
            frames[0].refuse("ImageType", got=", ".join(maps), expected=only)
        return tuple(
            _series(maps[name], name, row, worker, place=found.place, alone=len(maps) == 1)
            for name in maps
            if only in (None, name)
        )


def open_slices(found: SeriesFiles, *, root: Path | None = None) -> list[Frame]:
    """The slices of one series, in the order of files; pixels stay encoded.

    Raises:
        DicomInputError: see :func:`read_series`.
    """
    headers = []
    for path in found.files or image_files(found.place, root=root):
        if root is not None and (why := why_closed(path, root)):
            raise DicomInputError(path, "file", why)
        header = Header(path)
        header.check_image()
        headers.append(header)
    check_one_series(headers)
    return [frame for header in headers for frame in frames_of(header)]


def slices_of(series: Series) -> list[Frame]:
    """The slices of a series once more, in the order of its volume; pixels stay encoded.

    Raises:
        DicomInputError: a file cannot be read any more.
    """
    headers = {path: Header(path) for path in dict.fromkeys(series.files)}
    places = series.frames or (None,) * len(series.files)
    return [Frame(headers[path], at) for path, at in zip(series.files, places, strict=True)]


def owner_of(found: SeriesFiles) -> tuple[str, str]:
    """PatientID and StudyInstanceUID of a series.

    Raises:
        DicomInputError: its files cannot be read or do not say them.
    """
    if all(found.owner):
        return found.owner
    header = Header((found.files or image_files(found.place))[0])
    return header.text("PatientID"), header.text("StudyInstanceUID")


def _series(
    frames: Sequence[Frame],
    name: str,
    row: SeriesRule,
    worker: DecodeWorker,
    *,
    place: Path,
    alone: bool,
) -> Series:
    """One map of the series, from its slices."""
    frames, geometry = stacked(frames)
    spec, first = spec_of(name), frames[0]
    values, padded, clipped = _physical(frames, spec, worker, row)
    if values.max() < LEAST_MAXIMUM and not row.spread:
        why = f"largest value {values.max():g} {spec.unit}; empty, or another unit?"
        first.refuse(first.header.pixel_keyword, why)
    shared = not alone and len({id(frame.header) for frame in frames}) < len(frames)
    placed = placed_series(frames, values, geometry, name, place=place, salt=name * shared)
    return dataclasses.replace(
        placed,
        protocol=row.name,
        padded=padded,
        cut_off=clipped,
        notes=_notes(placed.volume.maps[..., 0], padded, row, clipped, first),
        person=_person(first),
    )


def _person(frame: Frame) -> dict[str, str]:
    """Digests of what tells people apart; case, carets and spaces of a name do not."""
    said = {keyword: frame.optional_text(keyword) for keyword in PERSON}
    words = {k: " ".join(text.upper().replace("^", " ").split()) for k, text in said.items()}
    return {keyword: text_sha256(text) for keyword, text in words.items() if text}


def _physical(
    frames: Sequence[Frame], spec: MapSpec, worker: DecodeWorker, row: SeriesRule
) -> tuple[np.ndarray, int, str]:
    """The slices (z, y, x) float32 in the unit of ``spec``.

    Returns:
        Them, how many voxels were padding, and where values look cut off (empty: nowhere).
    """
    decoded: dict[int, np.ndarray] = {}
    declared = None if row.slope is None else Scale(row.slope, 0.0, row.unit)
    slices, padded, ends = [], 0, LargestValues()
    for frame in frames:
        scale = required_scale(frame, spec, spread=row.spread, declared=declared)
        key = id(frame.header)
        if key not in decoded:
            decoded[key] = stored_pixels(frame.header, worker)
        stored = decoded[key][frame.index or 0]
        values = np.multiply(stored, scale.slope, dtype=np.float64) + scale.intercept
        padding = padding_of(frame, stored)
        if padding is not None:
            padded += int(np.count_nonzero(padding))
            values[padding] = 0.0
            stored = stored[~padding]
        try:
            check(values, spec, where=frame.label)
        except ValueError as error:
            frame.refuse(frame.header.pixel_keyword, str(error))
        if stored.size:
            check_range(frame, stored, scale.mapped)
            ends.add(stored)
        slices.append(values.astype(np.float32))
    return np.stack(slices), padded, ends.told()


def _notes(
    values: np.ndarray, padded: int, row: SeriesRule, clipped: str, first: Frame
) -> tuple[str, ...]:
    """What a person should look at."""
    flat = [index + 1 for index, one in enumerate(values) if one.min() == one.max()]
    notes = [f"slices {', '.join(map(str, flat))} hold one value only"] if flat else []
    if padded:
        notes.append(f"{padded} padded voxels are read as 0")
    if row.spread:
        notes.append("standard deviations of the map, not the map")
    if clipped:
        notes.append(clipped)
    if row is MAGIC_SECONDARY:
        notes.append("ImageType is SECONDARY: the map itself, or an image made from it?")
    counted = first.value("ImagesInAcquisition")
    if counted is not None and int(counted) > len(values):
        notes.append(f"ImagesInAcquisition counts {int(counted)} images, {len(values)} slices here")
    if row.by in ("blocks", "turns"):
        notes.append(f"maps told apart by {row.by} of InstanceNumber only (row {row.name})")
    return tuple(notes)
