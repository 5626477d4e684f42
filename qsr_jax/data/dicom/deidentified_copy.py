"""A DICOM tree copied without its subjects: new names all the way, one folder per series."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from qsr_jax.data.dicom import Anonymous, DicomInputError, anonymous, find_series, image_files
from qsr_jax.data.studies.manifest import ManifestError
from qsr_jax.files.staged import staged_folder


class Copied(NamedTuple):
    """What was done.

    Attributes:
        subjects: how many.
        series: how many.
        files: how many.
        refused: texts of what was left out, each naming its file.
        ignored: how many files that are no images were left out.
    """

    subjects: int
    series: int
    files: int
    refused: tuple[str, ...]
    ignored: int


def copy_without_subjects(
    root: Path,
    out: Path,
    *,
    salt: bytes,
    groups: Mapping[str, str] | None,
    progress: Callable[[Iterable[Path]], Iterable[Path]],
) -> Copied:
    """Writes ``out/<pseudonym>/<study>-<series>/001.dcm``; it appears whole or not at all.

    Args:
        root: tree of DICOM files; never changed.
        out: must not exist.
        salt: secret; the same one gives the same identifiers.
        groups: participant (a folder's name, or the PatientID) to group; written again in
            ``participants.tsv`` under the pseudonyms.
        progress: wraps the files, for a progress bar.

    Raises:
        ManifestError: nothing could be copied, or a subject has no group or two.
        FileExistsError: ``out`` exists.
        WriteError: the system refused the write.
    """
    found = find_series(root)
    files = [path for folder in found.folders for path in _images(folder)]
    refused: list[str] = []
    places: dict[tuple[str, str, str], Path] = {}
    counts: dict[Path, int] = defaultdict(int)
    known: dict[str, str] = {}
    with staged_folder(out) as stage:
        for path in progress(files):
            try:
                image = anonymous(path, salt)
            except DicomInputError as error:
                refused.append(str(error))
                continue
            place = _place(image, places)
            counts[place] += 1
            target = stage / place / f"{counts[place]:03d}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(image.content)
            if groups is not None:
                _note_group(known, image, path.relative_to(root), groups)
        if not counts:
            raise ManifestError(f"{root}: nothing to copy. {'; '.join(refused[:3])}")
        if groups is not None:
            rows = [f"{patient}\t{group}\n" for patient, group in sorted(known.items())]
            (stage / "participants.tsv").write_text("participant_id\tgroup\n" + "".join(rows))
    subjects = {patient for patient, _, _ in places}
    return Copied(
        len(subjects), len(counts), sum(counts.values()), tuple(refused), len(found.ignored)
    )


def _images(folder: Path) -> list[Path]:
    """The files of one folder; a folder that cannot be listed is told when its file is opened."""
    try:
        return image_files(folder)
    except DicomInputError as error:
        return [error.path]


def _place(image: Anonymous, places: dict[tuple[str, str, str], Path]) -> Path:
    """The folder of an image's series, named by numbers in the order of appearance."""
    key = (image.patient, *image.series)
    if key not in places:
        studies = list(dict.fromkeys(s for p, s, _ in places if p == image.patient))
        study = studies.index(key[1]) + 1 if key[1] in studies else len(studies) + 1
        number = 1 + sum((p, s) == key[:2] for p, s, _ in places)
        places[key] = Path(image.patient) / f"{study}-{number:02d}"
    return places[key]


def _note_group(
    known: dict[str, str], image: Anonymous, path: Path, groups: Mapping[str, str]
) -> None:
    """Keeps the subject's group under its pseudonym."""
    names = {*path.parts, image.patient_id}
    found = {groups[name] for name in names if name in groups}
    found |= {known[image.patient]} if image.patient in known else set()
    if len(found) != 1:
        raise ManifestError(
            f"{path.parent}: participants table gives {len(found)} groups for this subject, "
            "expected 1"
        )
    known[image.patient] = found.pop()
