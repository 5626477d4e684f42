"""Who is one person: scans that are the same, and the names that a person gives."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from qsr_jax.data.studies.candidate import Candidate
from qsr_jax.data.studies.strict_json import ManifestError
from qsr_jax.files.tree import shown

Sessions = Mapping[str, Candidate]
"""Label to a session of one subject."""


def twins(candidates: Mapping[str, Sessions]) -> dict[str, str]:
    """Each subject that has a scan of another one to that other one.

    Scans are compared by their values (:func:`qsr_jax.files.digest.values_digest`), so that other
    headers, files, pseudonyms or a turned image hide nothing.
    """
    owner: dict[str, str] = {}
    found: dict[str, str] = {}
    for patient in sorted(candidates):
        for session in candidates[patient].values():
            for pair in session.maps.values():
                for digest in pair.values.values():
                    other = owner.setdefault(digest, patient)
                    if other != patient:
                        found.setdefault(patient, other)
                        found.setdefault(other, patient)
    return found


def named_subjects(
    candidates: Mapping[str, Sessions], wanted: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """PatientID to the split that a person chose for it.

    Args:
        candidates: everybody.
        wanted: split to names, each a PatientID or the top folder of a subject.

    Raises:
        ManifestError: a name of nobody or of several subjects, or one in two splits.
    """
    meant: dict[str, set[str]] = defaultdict(set)
    for patient, sessions in candidates.items():
        for name in {patient, *_tops(sessions.values())}:
            meant[name].add(patient)
    chosen: dict[str, str] = {}
    for split, names in wanted.items():
        for name in names:
            if len(meant[name]) != 1:
                raise ManifestError(
                    f"--{split} {shown(name)}: is the PatientID or the top folder of "
                    f"{len(meant[name])} subjects that pair, expected 1"
                )
            (patient,) = meant[name]
            if chosen.setdefault(patient, split) != split:
                raise ManifestError(f"--{split} {shown(name)}: named for two splits")
    return chosen


def _tops(sessions: Iterable[Candidate]) -> set[str]:
    """The folders of the tree that hold a subject."""
    places = (
        PurePosixPath(folder).parts
        for one in sessions
        for pair in one.maps.values()
        for folder in pair.folders.values()
    )
    return {parts[0] for parts in places if len(parts) > 1}
