"""What a tree holds, series by series: what would be used, and why the rest would not."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.dicom.decoder_process import DecodeWorker
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.find import SeriesFiles, find_series, is_directory, is_litter
from qsr_jax.data.dicom.read import Series, read_folder
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.files.tree import why_folder_closed
from qsr_jax.maps import spec_of

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
    progress: Callable[[Iterable[SeriesFiles]], Iterable[SeriesFiles]],
) -> list[Finding]:
    """Reads every series under ``root`` as strictly as training would; nothing is changed.

    Args:
        root: the tree.
        protocols: the table that recognises maps.
        known: what a file outside all series is good for (relative path), empty if unknown.
        progress: wraps the series, for a progress bar.

    Raises:
        DicomInputError: no such folder.
    """
    if not root.is_dir():
        raise DicomInputError(root, "file", "no such folder")
    found = find_series(root)
    findings = [_stray(path, root, known) for path in found.ignored]
    with DecodeWorker() as worker:
        for one in progress(found.series):
            try:
                held = read_folder(one, protocols=protocols, worker=worker, root=root)
            except DicomInputError as error:
                findings.append(_refused(one.place, error, root))
            else:
                findings += [_accepted(one.place, series, root) for series in held]
    return sorted(findings, key=lambda finding: finding.path)


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
        "notes": list(series.notes),
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
