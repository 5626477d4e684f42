"""A DICOM tree copied without its subjects: new names all the way, one folder per series."""

import dataclasses
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from qsr_jax.data.dicom.decoder_process import DecodeWorker
from qsr_jax.data.dicom.deidentify import Anonymous, Cleaner
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import SeriesFiles, find_series, image_files
from qsr_jax.data.dicom.read import read_folder
from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule
from qsr_jax.data.studies.manifest import ManifestError
from qsr_jax.data.studies.pseudonyms import group_of
from qsr_jax.files.staged import staged_folder
from qsr_jax.files.tree import files_below, shown, why_closed, why_folder_closed


@dataclasses.dataclass(frozen=True)
class Copied:
    """What was done; ``files_in`` is the sum of ``files``, ``left_out`` and ``ignored``.

    Attributes:
        subjects: how many.
        series: how many.
        files_in: how many files and links to files the tree holds.
        files: how many were copied.
        left_out: texts of images and links that were left out, each naming its file.
        ignored: how many files that are no images were left out.
    """

    subjects: int
    series: int
    files_in: int
    files: int
    left_out: tuple[str, ...]
    ignored: int


@dataclasses.dataclass
class _Copy:
    """A copy on its way."""

    root: Path
    stage: Path
    groups: Mapping[str, str] | None
    places: dict[tuple[str, str, str], Path] = dataclasses.field(default_factory=dict)
    sources: dict[Path, list[Path]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    group_by_patient: dict[str, str] = dataclasses.field(default_factory=dict)
    left_out: list[str] = dataclasses.field(default_factory=list)

    def leave_out(self, path: Path, why: str) -> None:
        """Notes a file, by its place in the tree."""
        self.left_out.append(f"{shown(path.relative_to(self.root))}: {why}")

    def add(self, path: Path, image: Anonymous) -> None:
        """Writes one image into the folder of its series."""
        place = self._place(image)
        self.sources[place].append(path)
        target = self.stage / place / f"{len(self.sources[place]):03d}.dcm"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image.content)
        if self.groups is not None:
            self._note_group(image, path.relative_to(self.root))

    def keep_maps_alone(self, rows: tuple[SeriesRule, ...]) -> None:
        """Takes series away that no reader would accept as maps."""
        for place, files in list(self.sources.items()):
            try:
                read_folder(self.stage / place, protocols=(*PROTOCOLS, *rows))
            except DicomInputError as error:
                for path in files:
                    self.leave_out(path, f"of no accepted map series; {error.why}")
                shutil.rmtree(self.stage / place)
                del self.sources[place]
        for folder in self.stage.iterdir():
            if not any(folder.iterdir()):
                folder.rmdir()

    def _place(self, image: Anonymous) -> Path:
        """The folder of an image's series, named by numbers in the order of appearance."""
        key = (image.patient, *image.series)
        if key not in self.places:
            studies = list(dict.fromkeys(s for p, s, _ in self.places if p == image.patient))
            study = studies.index(key[1]) + 1 if key[1] in studies else len(studies) + 1
            number = 1 + sum((p, s) == key[:2] for p, s, _ in self.places)
            self.places[key] = Path(image.patient) / f"{study}-{number:02d}"
        return self.places[key]

    def _note_group(self, image: Anonymous, place: Path) -> None:
        """Keeps the subject's group under its pseudonym."""
        assert self.groups is not None
        group = group_of(image.patient_id, [place], self.groups)
        known = self.group_by_patient.setdefault(image.patient, group)
        if known != group:
            raise ManifestError(
                f"{shown(place.parent)}: participants table gives 2 groups for this subject, "
                "expected 1"
            )


def copy_without_subjects(
    root: Path,
    out: Path,
    *,
    salt: bytes,
    groups: Mapping[str, str] | None,
    progress: Callable[[Iterable[Path]], Iterable[Path]],
    rows: tuple[SeriesRule, ...] = (),
    maps_only: bool = False,
) -> Copied:
    """Writes ``out/<pseudonym>/<study>-<series>/001.dcm``; it appears whole or not at all.

    Args:
        root: tree of DICOM files; never changed.
        out: must not exist.
        salt: secret; the same one gives the same identifiers.
        groups: participant (the PatientID, or the subject's top folder) to group; written again in
            ``participants.tsv`` under the pseudonyms.
        progress: wraps the files, for a progress bar.
        rows: a user's own rows that recognise maps.
        maps_only: whether nothing but accepted series of maps is copied.

    Raises:
        ManifestError: nothing could be copied, a subject has no group or two, or files got lost.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write.
    """
    found = find_series(root)
    with staged_folder(out) as stage, DecodeWorker() as worker:
        copy = _Copy(root, stage, groups)
        cleaner = Cleaner(salt, worker, rows)
        for path in progress(_images(found.series, copy)):
            try:
                copy.add(path, cleaner.anonymous(path))
            except DicomInputError as error:
                copy.leave_out(path, str(error).removeprefix(f"{path}: "))
        if maps_only:
            copy.keep_maps_alone(rows)
        if not copy.sources:
            raise ManifestError(f"{root}: nothing to copy. {'; '.join(copy.left_out[:3])}")
        return _counted(copy, found.ignored)


def _images(series: Iterable[SeriesFiles], copy: _Copy) -> list[Path]:
    """The files of all series; a folder that cannot be listed is noted."""
    files: list[Path] = []
    for one in series:
        try:
            listed = one.files or image_files(one.place, root=copy.root)
        except DicomInputError as error:
            copy.leave_out(one.place, error.why)
        else:
            files += [path for path in listed if not why_closed(path, copy.root)]
    return files


def _counted(copy: _Copy, ignored: Iterable[Path]) -> Copied:
    """Writes the table of groups, and makes sure that every file of the tree is accounted for."""
    if copy.groups is not None:
        kept = {place.parts[0] for place in copy.sources}
        known = sorted(copy.group_by_patient.items())
        rows = [f"{patient}\t{group}\n" for patient, group in known if patient in kept]
        table = "participant_id\tgroup\n" + "".join(rows)
        (copy.stage / "participants.tsv").write_text(table)
    others = 0
    for path in ignored:
        if reason := why_folder_closed(path, copy.root):
            copy.leave_out(path, reason)
        else:
            others += files_below(path, copy.root)
    files = sum(map(len, copy.sources.values()))
    counted = Copied(
        subjects=len({place.parts[0] for place in copy.sources}),
        series=len(copy.sources),
        files_in=files_below(copy.root, copy.root),
        files=files,
        left_out=tuple(copy.left_out),
        ignored=others,
    )
    if counted.files_in != files + len(counted.left_out) + others:
        raise ManifestError(
            f"{copy.root}: {counted.files_in} files in, but {files} copied, "
            f"{len(counted.left_out)} left out and {others} ignored; did the tree change?"
        )
    return counted
