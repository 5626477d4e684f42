"""Map series as NIfTI files: one, or all of a tree, subject by subject."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qsr_jax import __version__
from qsr_jax.data.dicom import DicomInputError, Series, SeriesFiles, find_series, read_folder
from qsr_jax.data.dicom.decoder_process import process_decoder
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.nifti.bids import side_car_of
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.journal import Job, Journal, Schedule, files_sha256
from qsr_jax.files.staged import WriteError, flush
from qsr_jax.files.tree import shown, why_folder_closed
from qsr_jax.maps import spec_of
from qsr_jax.types import Geometry

MS_PER_S = 1000.0
SUFFIX = ".nii.gz"


def convert_series(series: Series, out: Path, *, unit: str | None = None) -> str:
    """Writes one series; never over another file.

    Args:
        series: what to write.
        out: the image; its side-car, which says the unit, comes to lie beside it.
        unit: "ms" or "s" of T1 and T2; None takes that of the map.

    Returns:
        A sentence about what was written.

    Raises:
        ValueError: the map has no such unit.
        FileExistsError: the image or the side-car is there.
        WriteError: the disk refused; nothing was left.
    """
    spec = spec_of(series.map_name)
    if spec.unit != "ms" and unit is not None:
        raise ValueError(f"--unit {unit}: {spec.label} is in {spec.unit}; leave --unit out")
    unit = unit or spec.unit
    values = series.volume.maps[..., 0]
    if unit == "s":
        values = (values / np.float64(MS_PER_S)).astype(np.float32)
    _write(values, series.volume.geometry, out, unit)
    said = f"{out.name}: {spec.label}, {values.min():g}..{values.max():g} {unit}"
    return "; ".join([said, *series.notes])


def refuse_existing(out: Path) -> None:
    """Refuses to write over a file.

    Raises:
        FileExistsError: there is one.
    """
    if out.exists() or out.is_symlink():
        raise FileExistsError(f"{out}: exists already; remove it or choose another path")


def convert_tree(
    root: Path, out: Path, *, unit: str | None, protocols: Sequence[SeriesRule], schedule: Schedule
) -> tuple[list[str], list[str]] | None:
    """Writes ``out/<place of a series>/<map>.nii.gz`` for every map series of a tree.

    The folder appears whole or not at all; subjects that are done lie in a hidden folder beside it,
    so a killed conversion goes on.

    Args:
        root: the tree.
        out: must not exist.
        unit: of T1 and T2, see :func:`convert_series`.
        protocols: the table that recognises maps.
        schedule: who converts whom; the files do not depend on it.

    Returns:
        Sentences about what was written, and about the series that were left out; None where other
        machines have shards to do.

    Raises:
        DicomInputError: no such folder, or nothing in it that is a map.
        FileExistsError: ``out`` exists.
        WriteError: the disk refused.
        IncompleteError: a merge lacks subjects.
    """
    if not root.is_dir():
        raise DicomInputError(root, "file", "no such folder")
    refuse_existing(out)
    aside = out.with_name(f".{out.name}.unfinished")
    found = find_series(root)
    jobs = _jobs(root, found.series, aside, unit, protocols)
    journal = Journal(aside / "done")
    try:
        if not journal.work(convert_subject, jobs, schedule, label="converting"):
            return None
        results = [journal.result(job) for job in jobs]
        written = {place: said for result in results for place, said in result["written"].items()}
        left_out = [text for result in results for text in result["left_out"]]
        left_out += _closed(root, found.ignored)
        if not written:
            raise DicomInputError(root, "file", f"no map series. {'; '.join(left_out[:3])}")
        _remove_others(aside / "maps", set(written))
        (aside / "maps").rename(out)
    except WriteError:
        raise
    except OSError as error:
        raise WriteError(f"{out}: could not be written ({error.strerror or error})") from error
    shutil.rmtree(aside)
    return [f"{place}/{said}" for place, said in sorted(written.items())], left_out


def _closed(root: Path, paths: Sequence[Path]) -> list[str]:
    """What must not be opened, and why: a series may lie behind it."""
    told = ((shown(path.relative_to(root)), why_folder_closed(path, root)) for path in paths)
    return [f"{place}: {why}" for place, why in told if why]


def _jobs(
    root: Path,
    found: Sequence[SeriesFiles],
    aside: Path,
    unit: str | None,
    protocols: Sequence[SeriesRule],
) -> list[Job]:
    """One for each subject."""
    owned: dict[str, list[SeriesFiles]] = {}
    for one in found:
        owned.setdefault(one.owner[0], []).append(one)
    rows = [row.to_json() for row in protocols]
    jobs = []
    for series in owned.values():
        seen = [[str(one.place), files_sha256(one.files, root)] for one in series]
        inputs = json_sha256([__version__, unit, rows, seen])
        name = series[0].place.relative_to(root).as_posix()
        jobs.append(Job(name, inputs, (root, aside, tuple(series), unit, tuple(protocols))))
    return jobs


def convert_subject(
    root: Path,
    aside: Path,
    series: Sequence[SeriesFiles],
    unit: str | None,
    protocols: Sequence[SeriesRule],
) -> dict[str, Any]:
    """Writes the maps of one subject.

    Args:
        root: the tree.
        aside: receives ``maps/<place>/<map>.nii.gz``.
        series: of the subject.
        unit: of T1 and T2, see :func:`convert_series`.
        protocols: the table that recognises maps.

    Returns:
        JSON: "written", place to sentence, and "left_out", texts.
    """
    written: dict[str, str] = {}
    left_out = []
    for one in series:
        place = one.place.relative_to(root)
        folder = aside / "maps" / place
        shutil.rmtree(folder, ignore_errors=True)
        try:
            held = read_folder(one, protocols=protocols, worker=process_decoder(), root=root)
        except DicomInputError as error:
            left_out.append(f"{shown(place)}: {error.why}")
            continue
        said = []
        for each in held:
            mine = unit if spec_of(each.map_name).unit == "ms" else None
            said.append(convert_series(each, folder / f"{each.map_name}{SUFFIX}", unit=mine))
        written[place.as_posix()] = "; ".join(said)
        flush(folder)
    return {"written": written, "left_out": left_out}


def _remove_others(maps: Path, places: set[str]) -> None:
    """Removes the files of series that are no longer in the tree."""
    for path in list(maps.rglob("*")):
        if path.is_file() and path.parent.relative_to(maps).as_posix() not in places:
            path.unlink()


def _write(values: np.ndarray, geometry: Geometry, out: Path, unit: str) -> None:
    """Writes image and side-car whole or not at all; never over others.

    The side-car comes first: without it the image would be refused, not misread.
    """
    side_car = side_car_of(out)
    parts: Mapping[Path, Path] = {
        path: out.with_name(f".{os.getpid()}.{path.name}") for path in (side_car, out)
    }
    made: list[Path] = []
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(values, geometry, parts[out])
        parts[side_car].write_text(json.dumps({"Units": unit}) + "\n")
        for path, part in parts.items():
            with part.open("rb") as file:
                os.fsync(file.fileno())
            refuse_existing(path)
            part.rename(path)
            made.append(path)
    except OSError as error:
        for path in made:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise
        raise WriteError(f"{out}: could not be written ({error.strerror or error})") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
