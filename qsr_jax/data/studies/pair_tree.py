"""From a tree of scans to a manifest: every subject with three whole pairs, and why others not."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from qsr_jax.data.dicom import Series, SeriesFiles
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.studies.candidate import Candidate, candidate
from qsr_jax.data.studies.geometry_match import PairError
from qsr_jax.data.studies.manifest import (
    ACCEPTED,
    Manifest,
    ManifestError,
    Subject,
)
from qsr_jax.data.studies.pair_quality import OVERRULED
from qsr_jax.data.studies.pair_subject import pair_subject
from qsr_jax.data.studies.pseudonyms import hashed
from qsr_jax.data.studies.scan_sources import SOURCES, Source
from qsr_jax.data.studies.sessions import SessionChoice, one_patient_each
from qsr_jax.data.studies.split import fold_subjects, split_subjects

PARTICIPANTS = "participants.tsv"


@dataclasses.dataclass(frozen=True)
class _Tree:
    """What is being paired, and how."""

    root: Path
    kind: str
    scale: int
    groups: Mapping[str, str] | None
    accepted: Mapping[str, frozenset[str]]
    protocols: tuple[SeriesRule, ...]
    choice: SessionChoice

    @property
    def source(self) -> Source:
        """How trees of this kind are read."""
        return SOURCES[self.kind]


def pair_studies(
    root: Path,
    *,
    kind: str,
    scale: int,
    seed: int,
    test_fraction: float,
    validation_fraction: float,
    folds: int,
    groups: Mapping[str, str] | None,
    accepted: Sequence[str],
    protocols: Sequence[SeriesRule],
    choice: SessionChoice,
    salt: bytes,
    progress: Callable[[Iterable[str]], Iterable[str]],
) -> Manifest:
    """Pairs everything under ``root``; what does not fit is listed with its reason.

    Args:
        root: the tree.
        kind: "dicom" (one SeriesInstanceUID is one series) or "bids" (NIfTI files).
        scale: routine matrix over fast matrix.
        seed: of the split; the split does not depend on the salt or on the order of files.
        test_fraction: see :func:`qsr_jax.data.studies.split.split_subjects`.
        validation_fraction: likewise.
        folds: see :func:`qsr_jax.data.studies.split.fold_subjects`.
        groups: participant (the PatientID, or the subject's top folder) to
            "healthy" or "patient"; None makes everybody healthy.
        accepted: refusals that a subject overrules, "FOLDER:RULE" as the refusal says.
        protocols: rows that recognise maps, beyond the built-in table; kept in the manifest.
        choice: which sessions of each subject are paired; all of them share a split.
        salt: secret key of the hash that stands for a subject.
        progress: wraps the subjects, for a progress bar.

    Raises:
        ManifestError: no subject is left, or an acceptance that nothing needs.
        ValueError: fractions or folds that cannot be.
    """
    tree = _Tree(root, kind, scale, groups, _acceptances(accepted), tuple(protocols), choice)
    found = tree.source.find(root)
    candidates, refused = _pair_everybody(tree, found.series, progress)
    subjects = _dealt(
        candidates,
        seed=seed,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        folds=folds,
        salt=salt,
    )
    used = {subject.truth for subject in subjects} | {PARTICIPANTS}
    others = [path.relative_to(root).as_posix() for path in found.ignored]
    return Manifest(
        kind=kind,
        root=root,
        protocols=tree.protocols,
        scale=scale,
        seed=seed,
        subjects=subjects,
        accepted=_listed(tree.accepted),
        refused=tuple(sorted(refused, key=lambda item: item["what"])),
        ignored=tuple(p for p in others if not {p, p.rpartition("/")[0]} & used),
    )


def _listed(accepted: Mapping[str, frozenset[str]]) -> tuple[dict[str, str], ...]:
    """What the manifest says about overruled refusals."""
    items = sorted(accepted.items())
    return tuple({"what": what, "rule": rule} for what, rules in items for rule in sorted(rules))


def _dealt(
    candidates: Mapping[str, Mapping[str, Candidate]],
    *,
    seed: int,
    test_fraction: float,
    validation_fraction: float,
    folds: int,
    salt: bytes,
) -> tuple[Subject, ...]:
    """The sessions under their subject's hash, each subject with one split, in the seeded order."""
    group_of = {
        patient: next(iter(sessions.values())).group for patient, sessions in candidates.items()
    }
    splits = split_subjects(
        seed, group_of, test_fraction=test_fraction, validation_fraction=validation_fraction
    )
    in_folds = fold_subjects(seed, group_of, folds=folds, validation_fraction=validation_fraction)
    return tuple(
        Subject(
            subject=hashed(patient, salt),
            session=session,
            split=split,
            folds=in_folds[patient],
            **vars(one),
        )
        for patient, split in splits.items()
        for session, one in candidates[patient].items()
    )


def _acceptances(accepted: Sequence[str]) -> dict[str, frozenset[str]]:
    """What stands before the last colon, to the rules behind it."""
    rules: dict[str, set[str]] = defaultdict(set)
    for item in accepted:
        what, _, rule = item.rpartition(":")
        if not what or rule not in OVERRULED:
            raise ManifestError(
                f"--accept {item}: expected FOLDER:RULE, RULE one of {', '.join(OVERRULED)}"
            )
        rules[what].add(rule)
    return {what: frozenset(names) for what, names in rules.items()}


def _pair_everybody(
    tree: _Tree, series: Sequence[SeriesFiles], progress: Callable[[Iterable[str]], Iterable[str]]
) -> tuple[dict[str, dict[str, Candidate]], list[dict[str, str]]]:
    """PatientID to sessions to paired maps, and what was refused on the way."""
    refused: list[dict[str, str]] = []
    by_patient = _series_by_patient(tree, series, refused)
    candidates: dict[str, dict[str, Candidate]] = defaultdict(dict)
    needed: set[tuple[str, str]] = set()
    for patient in progress(sorted(by_patient)):
        sessions = tree.choice.sort(by_patient[patient])
        for session in tree.choice.chosen(sessions):
            home = _home(tree.root, sessions[session], session if len(sessions) > 1 else "")
            made = _pair_session(tree, sessions[session], home, refused, needed)
            if made is None:
                continue
            if any(made.group != other.group for other in candidates[patient].values()):
                _note(refused, home, "another group than that of the subject's other sessions")
                continue
            candidates[patient][session] = made
    asked = {(what, rule) for what, rules in tree.accepted.items() for rule in rules}
    if asked - needed:
        items = ", ".join(sorted(f"{what}:{rule}" for what, rule in asked - needed))
        raise ManifestError(f"--accept {items}: overrules nothing; take it away or mend its name")
    candidates = {patient: held for patient, held in candidates.items() if held}
    if not candidates:
        reasons = "; ".join(f"{item['what']}: {item['reason']}" for item in refused[:3])
        raise ManifestError(
            f"{tree.root}: no subject has three whole pairs. {reasons or 'No series'}"
        )
    return candidates, refused


def _pair_session(
    tree: _Tree,
    places: Sequence[SeriesFiles],
    home: str,
    refused: list[dict[str, str]],
    needed: set[tuple[str, str]],
) -> Candidate | None:
    """One session; notes why it is refused, and adds the acceptances that it needed."""
    series = _read_all(tree, places, refused)
    try:
        paired = pair_subject(
            series,
            scale=tree.scale,
            accepted=tree.accepted.get(home, frozenset()),
            any_study=tree.choice.by_day,
        )
        made = candidate(paired, tree.root, kind=tree.kind, groups=tree.groups)
    except PairError as error:
        overrule = " ".join(f"--accept {home!r}:{rule}" for rule in error.rules)
        hint = f"; to use it all the same: {overrule}" if overrule else ""
        _note(refused, home, _plain(error, tree.root) + hint)
        return None
    needed |= {
        (home, finding.rule)
        for findings in paired.findings.values()
        for finding in findings
        if finding.verdict == ACCEPTED
    }
    return made


def _series_by_patient(
    tree: _Tree, series: Sequence[SeriesFiles], refused: list[dict[str, str]]
) -> dict[str, list[tuple[str, SeriesFiles]]]:
    """Studies and series by PatientID; a study that two PatientIDs claim is refused."""
    root = tree.root
    places = [PurePosixPath(one.place.relative_to(root)) for one in series]
    tree.choice.check(places)
    owned: list[tuple[str, str, SeriesFiles]] = []
    for one, place in zip(series, places, strict=True):
        if tree.choice.leaves_out(place):
            _note(refused, place.as_posix(), "left out by --exclude")
            continue
        try:
            owned.append((*tree.source.owner(one), one))
        except tree.source.error as error:
            _note(refused, place.as_posix(), _plain(error, root))
    by_patient, disputed = one_patient_each(owned)
    for patient, reason in disputed.items():
        disputing = [one for _, one in by_patient.pop(patient)]
        _note(refused, _home(root, disputing, ""), reason.replace(f"{root}{os.sep}", ""))
    return by_patient


def _read_all(
    tree: _Tree, places: Sequence[SeriesFiles], refused: list[dict[str, str]]
) -> list[Series]:
    """The readable series of one session; the others are noted."""
    series: list[Series] = []
    for one in places:
        try:
            series += tree.source.read(one, tree.protocols, tree.root)
        except tree.source.error as error:
            what = one.place.relative_to(tree.root).as_posix()
            _note(refused, what, _plain(error, tree.root))
    return series


def _home(root: Path, places: Sequence[SeriesFiles], session: str) -> str:
    """What a session is called in refusals: the folders of its series, and which session it is.

    Where one folder holds the files of several series, the first file stands for the session.
    """
    folders = {one.place.parent for one in places if one.place not in one.files}
    singles = sorted(one.place for one in places if one.place in one.files)
    if singles and ".nii" in singles[0].suffixes:
        folders, singles = {path.parent for path in singles}, []
    names = sorted({path.relative_to(root).as_posix() for path in (*folders, *singles[:1])})
    return ", ".join(names) + (f", session {session}" if session else "")


def _plain(error: Exception, root: Path) -> str:
    """An error's text with paths relative to the tree."""
    return str(error).replace(f"{root}{os.sep}", "")


def _note(refused: list[dict[str, str]], what: str, reason: str) -> None:
    item = {"what": what, "reason": reason}
    if item not in refused:
        refused.append(item)
