"""From a tree of scans to a manifest: every subject with three whole pairs, and why others not."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from qsr_jax.data.dicom import Series, named_tag
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
    salt: bytes,
    progress: Callable[[Iterable[str]], Iterable[str]],
) -> Manifest:
    """Pairs everything under ``root``; what does not fit is listed with its reason.

    Args:
        root: the tree.
        kind: "dicom" (one folder is one series) or "bids" (NIfTI files).
        scale: routine matrix over fast matrix.
        seed: of the split; the split does not depend on the salt or on the order of files.
        test_fraction: see :func:`qsr_jax.data.studies.split.split_subjects`.
        validation_fraction: likewise.
        folds: see :func:`qsr_jax.data.studies.split.fold_subjects`.
        groups: participant (the PatientID, or the subject's top folder) to
            "healthy" or "patient"; None makes everybody healthy.
        accepted: refusals that a subject overrules, "FOLDER:RULE" as the refusal says.
        protocols: rows that recognise maps, beyond the built-in table; kept in the manifest.
        salt: secret key of the hash that stands for a subject.
        progress: wraps the subjects, for a progress bar.

    Raises:
        ManifestError: no subject is left, or an acceptance that nothing needs.
        ValueError: fractions or folds that cannot be.
    """
    tree = _Tree(root, kind, scale, groups, _acceptances(accepted), tuple(protocols))
    found = tree.source.find(root)
    candidates, refused = _pair_everybody(tree, found.folders, progress)
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
    candidates: Mapping[str, Candidate],
    *,
    seed: int,
    test_fraction: float,
    validation_fraction: float,
    folds: int,
    salt: bytes,
) -> tuple[Subject, ...]:
    """The subjects under their hashes, each with its split and its folds, in the seeded order."""
    group_of = {patient: subject.group for patient, subject in candidates.items()}
    splits = split_subjects(
        seed, group_of, test_fraction=test_fraction, validation_fraction=validation_fraction
    )
    in_folds = fold_subjects(seed, group_of, folds=folds, validation_fraction=validation_fraction)
    return tuple(
        Subject(
            subject=hashed(patient, salt),
            split=split,
            folds=in_folds[patient],
            **vars(candidates[patient]),
        )
        for patient, split in splits.items()
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
    tree: _Tree, places: Sequence[Path], progress: Callable[[Iterable[str]], Iterable[str]]
) -> tuple[dict[str, Candidate], list[dict[str, str]]]:
    """PatientID to paired maps, and what was refused on the way."""
    refused: list[dict[str, str]] = []
    by_patient = _places_by_patient(tree, places, refused)
    candidates: dict[str, Candidate] = {}
    unneeded = {(what, rule) for what, rules in tree.accepted.items() for rule in rules}
    for patient in progress(sorted(by_patient)):
        home = _homes(tree.root, by_patient[patient])
        series = _read_all(tree, by_patient[patient], refused)
        try:
            paired = pair_subject(
                series, scale=tree.scale, accepted=tree.accepted.get(home, frozenset())
            )
            candidates[patient] = candidate(paired, tree.root, kind=tree.kind, groups=tree.groups)
        except PairError as error:
            overrule = " ".join(f"--accept {home!r}:{rule}" for rule in error.rules)
            hint = f"; to use it all the same: {overrule}" if overrule else ""
            _note(refused, home, _plain(error, tree.root) + hint)
        else:
            unneeded -= {
                (home, finding.rule)
                for findings in paired.findings.values()
                for finding in findings
                if finding.verdict == ACCEPTED
            }
    if unneeded:
        items = ", ".join(sorted(f"{what}:{rule}" for what, rule in unneeded))
        raise ManifestError(f"--accept {items}: overrules nothing; take it away or mend its name")
    if not candidates:
        reasons = "; ".join(f"{item['what']}: {item['reason']}" for item in refused[:3])
        raise ManifestError(
            f"{tree.root}: no subject has three whole pairs. {reasons or 'No series'}"
        )
    return candidates, refused


def _places_by_patient(
    tree: _Tree, places: Sequence[Path], refused: list[dict[str, str]]
) -> dict[str, list[Path]]:
    """Places of series by PatientID; a study that two PatientIDs claim is refused."""
    root = tree.root
    by_patient: dict[str, list[Path]] = defaultdict(list)
    first_of_study: dict[str, tuple[str, Path]] = {}
    disputed: dict[str, str] = {}
    for place in places:
        try:
            patient, study = tree.source.owner(place, root)
        except tree.source.error as error:
            _note(refused, place.relative_to(root).as_posix(), _plain(error, root))
            continue
        other, elsewhere = first_of_study.setdefault(study, (patient, place))
        if other != patient:
            both = f"{elsewhere.relative_to(root)} and {place.relative_to(root)}"
            disputed[patient] = disputed[other] = (
                f"{both}: {named_tag('PatientID')} differs in one study"
            )
        by_patient[patient].append(place)
    for patient, reason in disputed.items():
        _note(refused, _homes(root, by_patient.pop(patient)), reason)
    return by_patient


def _read_all(tree: _Tree, places: Sequence[Path], refused: list[dict[str, str]]) -> list[Series]:
    """The readable series of one subject; the others are noted."""
    series: list[Series] = []
    for place in places:
        try:
            series += tree.source.read(place, tree.protocols, tree.root)
        except tree.source.error as error:
            _note(refused, place.relative_to(tree.root).as_posix(), _plain(error, tree.root))
    return series


def _homes(root: Path, places: Sequence[Path]) -> str:
    """The folders that hold a subject's series, relative to the tree."""
    return ", ".join(sorted({place.parent.relative_to(root).as_posix() for place in places}))


def _plain(error: Exception, root: Path) -> str:
    """An error's text with paths relative to the tree."""
    return str(error).replace(f"{root}{os.sep}", "")


def _note(refused: list[dict[str, str]], what: str, reason: str) -> None:
    item = {"what": what, "reason": reason}
    if item not in refused:
        refused.append(item)
