"""The scans that models are run on: one folder, a cohort of them, a BIDS tree, or a manifest."""

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

from qsr_jax.data.dicom import Found, Series, SeriesFiles, one_series
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.studies.case import read_listed
from qsr_jax.data.studies.manifest import BIDS, DICOM, FAST, Manifest, ManifestError, Subject
from qsr_jax.data.studies.scan_sources import SOURCES
from qsr_jax.data.studies.sessions import session_label
from qsr_jax.files.tree import shown, why_folder_closed
from qsr_jax.predictors.trained import MismatchError


@dataclasses.dataclass(frozen=True)
class Scan:
    """One session of one subject, as far as a model needs it.

    Attributes:
        name: folder of what is made of it, relative; no personal value beyond the tree's own names.
        subject: label of the subject in a BIDS data set.
        session: label of the session there; empty where there is none.
        kind: "dicom" or "bids".
        root: the tree.
        rows: that recognise maps, beyond the built-in table.
        series: of the session; empty where a manifest lists them.
        listed: the manifest without its other subjects, and the session in it; or None.
    """

    name: str
    subject: str
    session: str
    kind: str
    root: Path
    rows: tuple[SeriesRule, ...]
    series: tuple[SeriesFiles, ...] = ()
    listed: tuple[Manifest, Subject] | None = None


def whole_folder(root: Path, rows: Sequence[SeriesRule]) -> Scan:
    """Every DICOM series below a folder, as one scan.

    Raises:
        MismatchError: no such folder, or no DICOM files in it.
        DicomInputError: the only series goes on in a folder beside it.
    """
    found = _found(root, DICOM)
    if len(found.series) == 1:
        one_series(root)
    return Scan(root.name, "", "", DICOM, root, tuple(rows), found.series)


def scans_below(
    root: Path, *, kind: str, rows: Sequence[SeriesRule]
) -> tuple[list[Scan], list[str]]:
    """The sessions of everybody in a tree, and what belongs to nobody, with the reason.

    A scan is called after the folder that holds its series, or, where that holds another session
    too, after its first series or file; in BIDS after subject and session.

    Raises:
        MismatchError: no such folder, or no scans in it.
    """
    source, found = SOURCES[kind], _found(root, kind)
    closed = (
        (shown(path.relative_to(root)), why_folder_closed(path, root)) for path in found.ignored
    )
    refused = [f"{place}: {why}" for place, why in closed if why]
    sessions: dict[tuple[str, str], list[SeriesFiles]] = {}
    for one in found.series:
        try:
            sessions.setdefault(source.owner(one), []).append(one)
        except source.error as error:
            refused.append(str(error))
    homes = {owner: _home(series, root) for owner, series in sessions.items()}
    shared = {"."} | {home for home, count in Counter(homes.values()).items() if count > 1}
    shared |= {parent.as_posix() for home in homes.values() for parent in PurePath(home).parents}
    scans = []
    for owner, series in sessions.items():
        home = owner[1] if kind == BIDS else homes[owner]
        if kind == DICOM and home in shared:
            home = series[0].place.relative_to(root).as_posix()
        label = owner[0].removeprefix("sub-") if kind == BIDS else _letters(home)
        session = session_label(owner[1]) if kind == BIDS else ""
        scans.append(Scan(home, label, session, kind, root, tuple(rows), tuple(series)))
    return sorted(scans, key=lambda scan: scan.name), refused


def scans_listed(path: Path, *, split: str | None) -> list[Scan]:
    """The fast scans of a manifest, of one split or of everybody, under their pseudonyms.

    Raises:
        ManifestError: the manifest cannot be read, or nobody is in the split.
    """
    manifest = Manifest.load(path)
    subjects = manifest.subjects_of(split=split)
    if not subjects:
        raise ManifestError(f"{path}: nobody in split {split!r}; choose another --split")
    bare = dataclasses.replace(manifest, subjects=(), accepted=(), refused=(), ignored=())
    several = Counter(one.subject for one in subjects)
    return [
        Scan(
            name=one.case,
            subject=one.subject,
            session=one.session if several[one.subject] > 1 else "",
            kind=manifest.kind,
            root=manifest.root,
            rows=manifest.protocols,
            listed=(bare, one),
        )
        for one in subjects
    ]


def read_scan(scan: Scan, names: Sequence[str]) -> tuple[list[Series], list[str]]:
    """The series of a scan that can be read, and why others cannot.

    Args:
        scan: what to read.
        names: maps that are wanted; a manifest is asked for no others.

    Raises:
        DicomInputError, BidsError: the only series of a scan cannot be read.
        ManifestError: files changed since a manifest was made.
    """
    if scan.listed is not None:
        return [read_listed(*scan.listed, name, FAST) for name in names], []
    source = SOURCES[scan.kind]
    read: list[Series] = []
    reasons = []
    for one in scan.series:
        try:
            read += source.read(one, scan.rows, scan.root)
        except source.error as error:
            if len(scan.series) == 1:
                raise
            reasons.append(f"{one.place.name}: {error}")
    return read, reasons


def _found(root: Path, kind: str) -> Found:
    if not root.is_dir():
        raise MismatchError(f"{root}: no such folder; expected scans in it")
    found = SOURCES[kind].find(root)
    if not found.series:
        what = {DICOM: "no DICOM files", BIDS: "no maps named as in BIDS"}[kind]
        raise MismatchError(f"{root}: holds {what}")
    return found


def _home(series: Sequence[SeriesFiles], root: Path) -> str:
    """The folder that holds all series of a session, relative to the tree."""
    above = Path(os.path.commonpath([one.place.parent for one in series]))
    return above.relative_to(root).as_posix()


def _letters(name: str) -> str:
    """The letters and digits of a name, as BIDS wants labels."""
    parts = Path(name).parts
    return "".join(c for part in parts for c in part.removeprefix("sub-") if c.isalnum())
