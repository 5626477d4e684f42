"""One subject copied without its name: a folder that appears whole, by whichever process."""

import dataclasses
import os
import shutil
import socket
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qsr_jax import __version__
from qsr_jax.data.dicom.attributes import unquoted
from qsr_jax.data.dicom.decoder_process import process_decoder
from qsr_jax.data.dicom.deidentify import METHOD, Cleaner
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.read import read_folder
from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule
from qsr_jax.files.digest import json_sha256, text_sha256
from qsr_jax.files.journal import Job, files_sha256
from qsr_jax.files.staged import flush
from qsr_jax.files.tree import shown

Image = tuple[Path, Path]
"""The place of a series, and one of its files."""


@dataclasses.dataclass(frozen=True)
class Source:
    """What is copied, and how.

    Attributes:
        root: the tree.
        aside: receives the subjects that are done, until all are.
        salt: secret behind the new identifiers.
        rows: a user's own rows that recognise maps.
        maps_only: whether nothing but accepted series of maps is copied.
    """

    root: Path
    aside: Path
    salt: bytes
    rows: tuple[SeriesRule, ...]
    maps_only: bool

    @property
    def subjects(self) -> Path:
        """Folder that becomes the copy."""
        return self.aside / "subjects"

    def left_out(self, path: Path, why: str) -> str:
        """A text about a file, by its place in the tree."""
        return f"{shown(path.relative_to(self.root))}: {why}"

    def job(self, patient: str, files: Sequence[Image]) -> Job:
        """What is to be done for one subject."""
        how = [__version__, METHOD, text_sha256(self.salt.hex()), self.maps_only]
        rows = [row.to_json() for row in self.rows]
        inputs = json_sha256(
            [how, rows, patient, files_sha256((path for _, path in files), self.root)]
        )
        return Job(patient, inputs, (self, patient, tuple(files)))


def copy_subject(source: Source, patient: str, files: Sequence[Image]) -> dict[str, Any]:
    """Copies one subject into a folder of its own, whole.

    Args:
        source: the tree, and how.
        patient: its pseudonym.
        files: its images, series by series.

    Returns:
        JSON: "series" and "files", how many, and "left_out", texts.

    Raises:
        OSError: the system refused the write.
    """
    cleaner = Cleaner(source.salt, process_decoder(), source.rows)
    part = source.aside / f"{patient}.{socket.gethostname()}.{os.getpid()}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    numbers, written = _Numbers(), defaultdict[str, list[Path]](list)
    left_out: list[str] = []
    for home, path in files:
        try:
            with unquoted("ignore"):
                image = cleaner.anonymous(path)
        except DicomInputError as error:
            left_out.append(source.left_out(path, str(error).removeprefix(f"{path}: ")))
            continue
        if image.patient != patient:
            left_out.append(source.left_out(path, "names another PatientID than its series"))
            continue
        place = numbers.of(*image.series, home)
        written[place].append(path)
        target = part / place / f"{len(written[place]):03d}.dcm"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(image.content)
    if source.maps_only:
        left_out += _without_others(source, part, written)
    flush(part)
    target = source.subjects / patient
    shutil.rmtree(target, ignore_errors=True)
    source.subjects.mkdir(exist_ok=True)
    if written:
        part.rename(target)
    else:
        part.rmdir()
    return {
        "series": len(written),
        "files": sum(map(len, written.values())),
        "left_out": left_out,
    }


class _Numbers:
    """Folders of one subject's series, named by numbers in the order of appearance.

    The same series once more in another place is a copy, and stays one: mixed with the first,
    neither could be read.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, Path], str] = {}
        self._studies: dict[str, list[int]] = {}

    def of(self, study: str, series: str, home: Path) -> str:
        """The folder of a series: number of the study, and of the series in it."""
        place = self._places.get((study, series, home))
        if place is None:
            held = self._studies.setdefault(study, [len(self._studies) + 1, 0])
            held[1] += 1
            place = self._places[study, series, home] = f"{held[0]}-{held[1]:02d}"
        return place


def _without_others(source: Source, folder: Path, written: dict[str, list[Path]]) -> list[str]:
    """Takes series away that no reader would accept as maps; texts about their files."""
    left_out = []
    for place, files in list(written.items()):
        try:
            read_folder(folder / place, protocols=(*PROTOCOLS, *source.rows))
        except DicomInputError as error:
            why = f"of no accepted map series; {error.why}"
            left_out += [source.left_out(path, why) for path in files]
            shutil.rmtree(folder / place)
            del written[place]
    return left_out
