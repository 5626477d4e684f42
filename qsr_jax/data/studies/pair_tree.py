"""From a tree of scans to a manifest: every subject with three whole pairs, and why others not."""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from qsr_jax.data.dicom import SeriesFiles
from qsr_jax.data.dicom.people import ALIKE, alike
from qsr_jax.data.dicom.series_rules import SeriesRule
from qsr_jax.data.studies.candidate import Candidate
from qsr_jax.data.studies.identities import named_subjects, twins
from qsr_jax.data.studies.manifest import Manifest, ManifestError, Subject
from qsr_jax.data.studies.pair_quality import OVERRULED
from qsr_jax.data.studies.pair_visits import Tree, Visit, candidate_of, pair_visits, plain
from qsr_jax.data.studies.pseudonyms import hashed, mark_of
from qsr_jax.data.studies.sessions import SessionChoice, one_patient_each
from qsr_jax.data.studies.split import Shares, split_subjects
from qsr_jax.files.journal import Job, Journal, Schedule
from qsr_jax.files.tree import shown, why_folder_closed

PARTICIPANTS = "participants.tsv"


def pair_studies(
    root: Path,
    *,
    kind: str,
    scale: int,
    seed: int,
    shares: Shares,
    named: Mapping[str, Sequence[str]],
    groups: Mapping[str, str] | None,
    accepted: Sequence[str],
    protocols: Sequence[SeriesRule],
    choice: SessionChoice,
    salt: bytes,
    journal: Path,
    schedule: Schedule,
) -> Manifest | None:
    """Pairs everything under ``root``; what does not fit is listed with its reason.

    Args:
        root: the tree.
        kind: "dicom" (one SeriesInstanceUID is one series) or "bids" (NIfTI files).
        scale: routine matrix over fast matrix.
        seed: of the split; a subject's split depends on it and on the PatientID alone.
        shares: how many test and validate, see :func:`qsr_jax.data.studies.split.split_subjects`.
        named: split to subjects (PatientID or top folder) that a person put there.
        groups: participant (the PatientID, or the subject's top folder) to
            "healthy" or "patient"; None makes everybody healthy.
        accepted: refusals that a subject overrules, "FOLDER:RULE" as the refusal says.
        protocols: rows that recognise maps, beyond the built-in table; kept in the manifest.
        choice: which sessions of each subject are paired; all of them share a split.
        salt: secret key of the hash that stands for a subject.
        journal: folder that keeps the subjects that are done.
        schedule: who pairs whom; the manifest does not depend on it.

    Returns:
        The manifest; None where other machines have shards to do.

    Raises:
        ManifestError: no subject is left, an acceptance that nothing needs, or a name of nobody.
        ValueError: a split stays empty, or a schedule that cannot be.
        IncompleteError: a merge lacks subjects.
    """
    tree = Tree(root, kind, scale, groups, tuple(protocols), choice.by_day)
    rules, found = _acceptances(accepted), tree.source.find(root)
    refused, flagged = _closed(root, found.ignored), list[dict[str, str]]()
    jobs = _jobs(tree, _series_by_patient(tree, choice, found.series, refused), choice, rules)
    results = Journal(journal)
    if not results.work(pair_visits, list(jobs.values()), schedule, label="pairing"):
        return None
    candidates = _without_twins(_gathered(results, jobs, refused, flagged, rules), jobs, refused)
    if not candidates:
        raise ManifestError(_nobody(root, refused))
    subjects = _dealt(candidates, seed, shares, named_subjects(candidates, named), salt)
    return Manifest(
        kind=kind,
        root=root,
        protocols=tree.protocols,
        scale=scale,
        seed=seed,
        subjects=subjects,
        salt=mark_of(salt),
        flagged=(*flagged, *_alike({patient: jobs[patient].name for patient in candidates})),
        accepted=_listed(rules),
        refused=_once(refused),
        ignored=_ignored(root, found.ignored, subjects),
    )


def _without_twins(
    candidates: dict[str, dict[str, Candidate]],
    jobs: Mapping[str, Job],
    refused: list[dict[str, str]],
) -> dict[str, dict[str, Candidate]]:
    """Takes away whoever has another subject's scan, and notes it."""
    for patient, other in twins(candidates).items():
        why = f"has a scan of {jobs[other].name}, value by value: one person under two PatientIDs?"
        refused.append({"what": jobs[patient].name, "reason": f"{why} Use --exclude for one"})
        del candidates[patient]
    return candidates


def _alike(homes: Mapping[str, str]) -> list[dict[str, str]]:
    """Subjects whose PatientIDs look like one."""
    return [{"what": " and ".join(places), "reason": ALIKE} for places in alike(homes)]


def _ignored(root: Path, paths: Sequence[Path], subjects: Sequence[Subject]) -> tuple[str, ...]:
    """Files that nothing has a use for, relative to the tree."""
    used = {subject.truth for subject in subjects} | {PARTICIPANTS}
    others = [path.relative_to(root).as_posix() for path in paths]
    return tuple(place for place in others if not {place, place.rpartition("/")[0]} & used)


def _closed(root: Path, paths: Sequence[Path]) -> list[dict[str, str]]:
    """What must not be opened, and why: a subject may lie behind it."""
    told = ((shown(path.relative_to(root)), why_folder_closed(path, root)) for path in paths)
    return [{"what": what, "reason": reason} for what, reason in told if reason]


def _listed(accepted: Mapping[str, frozenset[str]]) -> tuple[dict[str, str], ...]:
    """What the manifest says about overruled refusals."""
    items = sorted(accepted.items())
    return tuple({"what": what, "rule": rule} for what, rules in items for rule in sorted(rules))


def _dealt(
    candidates: Mapping[str, Mapping[str, Candidate]],
    seed: int,
    shares: Shares,
    named: Mapping[str, str],
    salt: bytes,
) -> tuple[Subject, ...]:
    """The sessions under their subject's hash, each subject with one split, in the seeded order."""
    group_of = {
        patient: next(iter(sessions.values())).group for patient, sessions in candidates.items()
    }
    return tuple(
        Subject(
            subject=hashed(patient, salt),
            session=session,
            split=dealt.split,
            folds=dealt.folds,
            **vars(one),
        )
        for patient, dealt in split_subjects(seed, group_of, shares, named=named).items()
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


def _jobs(
    tree: Tree,
    by_patient: Mapping[str, Sequence[tuple[str, SeriesFiles]]],
    choice: SessionChoice,
    accepted: Mapping[str, frozenset[str]],
) -> dict[str, Job]:
    """PatientID to what is to be done; nothing of other subjects travels to another process."""
    jobs = {}
    sorted_out = {patient: choice.sort(by_patient[patient]) for patient in sorted(by_patient)}
    choice.check_label({label for sessions in sorted_out.values() for label in sessions})
    for patient, sessions in sorted_out.items():
        visits = []
        for session in choice.chosen(sessions):
            home = _home(tree.root, sessions[session], session if len(sessions) > 1 else "")
            rules = accepted.get(home, frozenset())
            visits.append(Visit(session, home, tuple(sessions[session]), rules))
        alone = dataclasses.replace(tree, groups=_groups_of(tree, patient, by_patient[patient]))
        name = ", ".join(visit.home for visit in visits) or "no session that is wanted"
        jobs[patient] = Job(name, alone.inputs_of(visits), (alone, tuple(visits)))
    return jobs


def _groups_of(
    tree: Tree, patient: str, owned: Sequence[tuple[str, SeriesFiles]]
) -> dict[str, str] | None:
    """What the table of groups may say about one subject."""
    if tree.groups is None:
        return None
    places = (one.place.relative_to(tree.root) for _, one in owned)
    names = sorted({patient} | {place.parts[0] for place in places if place.parts})
    return {name: tree.groups[name] for name in names if name in tree.groups}


def _gathered(
    results: Journal,
    jobs: Mapping[str, Job],
    refused: list[dict[str, str]],
    flagged: list[dict[str, str]],
    accepted: Mapping[str, frozenset[str]],
) -> dict[str, dict[str, Candidate]]:
    """PatientID to sessions to paired maps; adds what was refused and flagged on the way."""
    candidates: dict[str, dict[str, Candidate]] = {}
    needed: set[tuple[str, str]] = set()
    for patient, job in jobs.items():
        result = results.result(job)
        refused += result["refused"]
        flagged += result["flagged"]
        needed |= {(what, rule) for what, rule in result["needed"]}
        if result["sessions"]:
            candidates[patient] = {
                label: candidate_of(one) for label, one in result["sessions"].items()
            }
    asked = {(what, rule) for what, rules in accepted.items() for rule in rules}
    if asked - needed:
        items = ", ".join(sorted(f"{what}:{rule}" for what, rule in asked - needed))
        raise ManifestError(f"--accept {items}: overrules nothing; take it away or mend its name")
    return candidates


def _nobody(root: Path, refused: Sequence[Mapping[str, str]]) -> str:
    reasons = "; ".join(f"{item['what']}: {item['reason']}" for item in refused[:3])
    return f"{root}: no subject has three whole pairs. {reasons or 'No series'}"


def _once(refused: Sequence[Mapping[str, str]]) -> tuple[dict[str, str], ...]:
    """What was refused, by place; told once."""
    told = dict.fromkeys((item["what"], item["reason"]) for item in refused)
    rows = [{"what": what, "reason": reason} for what, reason in told]
    return tuple(sorted(rows, key=lambda item: item["what"]))


def _series_by_patient(
    tree: Tree,
    choice: SessionChoice,
    series: Sequence[SeriesFiles],
    refused: list[dict[str, str]],
) -> dict[str, list[tuple[str, SeriesFiles]]]:
    """Studies and series by PatientID; a study that two PatientIDs claim is refused."""
    root = tree.root
    places = [PurePosixPath(one.place.relative_to(root)) for one in series]
    choice.check(places)
    owned: list[tuple[str, str, SeriesFiles]] = []
    for one, place in zip(series, places, strict=True):
        if choice.leaves_out(place):
            refused.append({"what": place.as_posix(), "reason": "left out by --exclude"})
            continue
        try:
            owned.append((*tree.source.owner(one), one))
        except tree.source.error as error:
            refused.append({"what": place.as_posix(), "reason": plain(error, root)})
    by_patient, disputed = one_patient_each(owned)
    for patient, reason in disputed.items():
        disputing = [one for _, one in by_patient.pop(patient)]
        why = reason.replace(f"{root}{os.sep}", "")
        refused.append({"what": _home(root, disputing, ""), "reason": why})
    return by_patient


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
