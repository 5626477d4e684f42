"""One entry of a manifest: a session of a subject, its pairs, and what no two entries may share."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.studies.strict_json import ManifestError, Node
from qsr_jax.maps import MAPS
from qsr_jax.types import ALIGNMENTS

SPLITS = ("train", "validation", "test")
HEALTHY, PATIENT = "healthy", "patient"
GROUPS = (HEALTHY, PATIENT)
FAST, ROUTINE = "fast", "routine"
SIDES = (FAST, ROUTINE)
DICOM, BIDS = "dicom", "bids"
KINDS = (DICOM, BIDS)
"""What the tree holds: folders of DICOM files, or a BIDS data set of NIfTI files."""
GOOD, FLAGGED, ACCEPTED = "good", "flagged", "accepted"
VERDICTS = (GOOD, FLAGGED, ACCEPTED)
"""Of a pair, the worst last; "accepted" is a refusal that a subject overruled."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One map of one subject, scanned twice.

    Attributes:
        folders: "fast" and "routine" to the series' folder or file, relative to the tree, see
            :func:`qsr_jax.data.dicom.place_text`.
        sha256: "fast" and "routine" to the digest of the series' files.
        values: "fast" and "routine" to the digest of the map's values, whatever its files, see
            :func:`qsr_jax.files.digest.values_digest`.
        qc: numbers found while pairing.
        verdict: "good", "flagged" or "accepted".
        findings: {"rule", "verdict", "text"} of every rule that was not passed cleanly.
    """

    folders: Mapping[str, str]
    sha256: Mapping[str, str]
    values: Mapping[str, str]
    qc: Mapping[str, float]
    verdict: str
    findings: tuple[Mapping[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One session of one subject: three pairs on one pair of grids.

    A subject with several sessions stands here several times, in one split and one group.

    Attributes:
        subject: 16 hex digits, HMAC-SHA256 of the PatientID with the manifest's salt.
        session: label of the session, the number of the study or what BIDS calls it; empty where
            BIDS names none.
        group: "healthy" or "patient".
        split: "train", "validation" or "test".
        folds: the split in each fold, empty where there are none.
        grid_alignment: how the routine grid lies on the fast one, see :mod:`qsr_jax.types`.
        fast_shape: (slices, rows, columns) of the fast grid.
        fast_spacing_mm: distance between (slices, rows, columns) of the fast grid.
        truth: folder of the simulated truth, relative to the tree, or None.
        maps: key of MAPS to its pair.
    """

    subject: str
    session: str
    group: str
    split: str
    folds: tuple[str, ...]
    grid_alignment: str
    fast_shape: tuple[int, int, int]
    fast_spacing_mm: tuple[float, float, float]
    truth: str | None
    maps: Mapping[str, Pair]

    @property
    def case(self) -> str:
        """One name for subject and session: the subject's, but for further sessions."""
        return self.subject if self.session in ("", "1") else f"{self.subject}-{self.session}"


def one_session_each(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """The first session of each subject, so that whoever counts entries counts subjects."""
    firsts: dict[str, Subject] = {}
    for one in subjects:
        firsts.setdefault(one.subject, one)
    return tuple(firsts.values())


def check_leakage(subjects: Sequence[Subject], *, where: Path) -> None:
    """Refuses a session listed twice, a subject in two splits, and series that two entries share.

    Series are the same where their files are, or the values of their maps under another subject.

    The maps of one subject may lie in one folder, as the scanner bundles them.

    Raises:
        ManifestError: naming both entries.
    """
    owner: dict[str, str] = {}
    dealt: dict[str, tuple[str, Subject]] = {}
    whose: dict[str, Subject] = {}
    for index, subject in enumerate(subjects):
        entry = f"subjects[{index}] ({subject.split})"
        earlier, first = dealt.setdefault(subject.subject, (entry, subject))
        if any(getattr(first, key) != getattr(subject, key) for key in ("group", "split", "folds")):
            raise ManifestError(
                f"{where}: subject {subject.subject} is in {earlier} and in {entry}, in two splits "
                "or groups; a person may be in one only: pair the studies again"
            )
        for digest in (d for pair in subject.maps.values() for d in pair.values.values()):
            other = whose.setdefault(digest, subject)
            if other.subject != subject.subject:
                raise ManifestError(
                    f"{where}: subjects {other.subject} and {subject.subject} share a scan, value "
                    "by value; a person may be in one split only: pair the studies again"
                )
        marks = [f"subject {subject.case}"]
        for pair in subject.maps.values():
            marks += [f"folder {folder}" for folder in pair.folders.values()]
            marks += [f"series with sha256 {digest}" for digest in pair.sha256.values()]
        for mark in marks:
            if owner.get(mark, entry) != entry or (mark in owner and "sha256" in mark):
                raise ManifestError(
                    f"{where}: {mark} is in {owner[mark]} and in {entry}; "
                    "a person may be in one split only: pair the studies again"
                )
            owner[mark] = entry


def subject_from_json(node: Node) -> Subject:
    """The entry under ``node``, every value checked."""
    node.keys(
        "subject session group split folds grid_alignment fast_shape fast_spacing_mm truth maps"
    )
    name = node.take("subject", str)
    if len(name) != 16 or set(name) - set("0123456789abcdef"):
        node.refuse("subject", "expected 16 hex digits")
    maps = node.child("maps")
    maps.keys(" ".join(MAPS))
    return Subject(
        subject=name,
        session=node.take("session", str),
        group=node.one_of("group", GROUPS),
        split=node.one_of("split", SPLITS),
        folds=node.all_of("folds", SPLITS),
        grid_alignment=node.one_of("grid_alignment", ALIGNMENTS),
        fast_shape=node.three("fast_shape", int),
        fast_spacing_mm=node.three("fast_spacing_mm", float),
        truth=None if node.content["truth"] is None else node.folder("truth"),
        maps={key: _pair_from_json(maps.child(key)) for key in MAPS},
    )


def _pair_from_json(node: Node) -> Pair:
    node.keys("fast routine sha256 values qc verdict findings")
    digests, values = node.child("sha256"), node.child("values")
    for child in (digests, values):
        child.keys(" ".join(SIDES))
    return Pair(
        folders={side: node.folder(side) for side in SIDES},
        sha256={side: digests.take(side, str) for side in SIDES},
        values={side: values.take(side, str) for side in SIDES},
        qc=node.take("qc", dict),
        verdict=node.one_of("verdict", VERDICTS),
        findings=node.table("findings", "rule verdict text"),
    )


def subject_to_json(subject: Subject) -> dict[str, Any]:
    """What :func:`subject_from_json` reads."""
    maps = {
        key: {
            **pair.folders,
            "sha256": dict(pair.sha256),
            "values": dict(pair.values),
            "qc": dict(pair.qc),
            "verdict": pair.verdict,
            "findings": [dict(finding) for finding in pair.findings],
        }
        for key, pair in subject.maps.items()
    }
    fields = {field.name: getattr(subject, field.name) for field in dataclasses.fields(subject)}
    return {**fields, "maps": maps}
