"""What a tree holds, series by series: what would be used, and why the rest would not."""

import dataclasses
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax import __version__
from qsr_jax.data.dicom.decoder_process import process_decoder
from qsr_jax.data.dicom.errors import DicomInputError, named_tag
from qsr_jax.data.dicom.find import SeriesFiles, find_series, is_directory, is_litter
from qsr_jax.data.dicom.people import ALIKE, alike, differing
from qsr_jax.data.dicom.read import read_folder
from qsr_jax.data.dicom.series import Series
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.journal import Job, Journal, Schedule, files_sha256
from qsr_jax.files.tree import why_folder_closed
from qsr_jax.maps import spec_of

NOBODY = f"{named_tag('PatientID')}: missing; pairing and de-identification refuse it"
ACCEPTED, REFUSED, IGNORED = "accepted", "refused", "ignored"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One map of a series, a series that was refused, or a file that belongs to none.

    Attributes:
        path: folder or file, relative to the tree.
        status: "accepted", "refused", or "ignored" for what systems leave beside images.
        details: of an accepted map: map, unit, shape, spacing_mm, value_range, protocol, padded,
            notes; of the others: file, keyword, tag, reason.
    """

    path: str
    status: str
    details: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Everything as one flat object."""
        return {"path": self.path, "status": self.status, **self.details}


def survey(
    root: Path,
    *,
    protocols: Sequence[SeriesRule],
    known: Callable[[Path], str],
    journal: Path | None = None,
    schedule: Schedule | None = None,
) -> list[Finding] | None:
    """Reads every series under ``root`` as strictly as training would; nothing there is changed.

    Args:
        root: the tree.
        protocols: the table that recognises maps.
        known: what a file outside all series is good for (relative path), empty if unknown.
        journal: folder that keeps what was found of each subject; without it nothing is kept.
        schedule: who reads whom; the findings do not depend on it.

    Returns:
        The findings by path; None where other machines have shards to do.

    Raises:
        DicomInputError: no such folder.
        IncompleteError: a merge lacks subjects.
    """
    if not root.is_dir():
        raise DicomInputError(root, "file", "no such folder")
    found = find_series(root)
    owned: dict[str, list[SeriesFiles]] = {}
    for one in found.series:
        owned.setdefault(one.owner[0], []).append(one)
    rows = [row.to_json() for row in protocols]
    jobs = []
    for series in owned.values():
        seen = [[_within(one.place, root), files_sha256(one.files, root)] for one in series]
        inputs = json_sha256([__version__, rows, seen])
        arguments = (root, tuple(series), tuple(protocols))
        jobs.append(Job(_within(series[0].place, root), inputs, arguments))
    findings = [_stray(path, root, known) for path in found.ignored]
    with tempfile.TemporaryDirectory() as nowhere:
        results = Journal(journal or Path(nowhere) / "journal")
        if not results.work(survey_subject, jobs, schedule or Schedule(), label="reading"):
            return None
        for job in jobs:
            findings += [Finding(**row) for row in results.result(job)]
    homes = {patient: _within(held[0].place, root) for patient, held in owned.items() if patient}
    for places in alike(homes):
        _look(findings, f"{' and '.join(places)}: {ALIKE}", places)
    return sorted(findings, key=lambda finding: finding.path)


def survey_subject(
    root: Path, series: Sequence[SeriesFiles], protocols: Sequence[SeriesRule]
) -> list[dict[str, Any]]:
    """The findings about one subject's series, as JSON."""
    findings: list[Finding] = []
    people: list[Mapping[str, str]] = []
    for one in series:
        try:
            held = read_folder(one, protocols=protocols, worker=process_decoder(), root=root)
        except DicomInputError as error:
            findings.append(_refused(one.place, error, root))
        else:
            findings += [_accepted(one.place, each, root) for each in held]
            people += [each.person for each in held if each.patient_id]
    if differ := differing(people):
        _look(findings, differ, {_within(one.place, root) for one in series})
    return [vars(finding) for finding in findings]


def _look(findings: Sequence[Finding], note: str, places: Collection[str]) -> None:
    """Adds a note to the first accepted series of some places."""
    first = next((f for f in findings if f.status == ACCEPTED and f.path in places), None)
    if first is not None:
        first.details["notes"].append(note)


def _accepted(folder: Path, series: Series, root: Path) -> Finding:
    values, geometry = series.volume.maps, series.volume.geometry
    details = {
        "map": series.map_name,
        "unit": spec_of(series.map_name).unit,
        "shape": list(geometry.shape),
        "spacing_mm": [round(step, 6) for step in geometry.spacing_mm],
        "value_range": [float(values.min()), float(values.max())],
        "protocol": series.protocol,
        "padded": series.padded,
        "notes": [*series.notes, *([] if series.patient_id else [NOBODY])],
    }
    return Finding(_within(folder, root), ACCEPTED, details)


def _refused(folder: Path, error: DicomInputError, root: Path) -> Finding:
    tag = None if error.tag is None else f"({error.tag[0]:04X},{error.tag[1]:04X})"
    details = {
        "file": _within(error.path, root),
        "keyword": error.keyword,
        "tag": tag,
        "reason": error.why,
    }
    return Finding(_within(folder, root), REFUSED, details)


def _stray(path: Path, root: Path, known: Callable[[Path], str]) -> Finding:
    """A file that belongs to no series."""
    place = _within(path, root)
    if closed := why_folder_closed(path, root):
        status, reason = REFUSED, closed
    elif is_litter(path) or is_directory(path):
        status, reason = IGNORED, "left by a system or a medium"
    elif purpose := known(path.relative_to(root)):
        status, reason = IGNORED, purpose
    else:
        status, reason = REFUSED, "not a DICOM file"
    return Finding(place, status, {"file": place, "keyword": "file", "tag": None, "reason": reason})


def _within(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
