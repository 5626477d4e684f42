"""The manifest: which series of a tree form pairs, how good they are, and who learns or tests.

A subject is named by a salted hash; the file holds no PatientID, date or UID. Folders are given
relative to the tree, and every series by the sha256 of its files, so a changed file is noticed.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.dicom.series_rules import ProtocolError, SeriesRule, rule_from
from qsr_jax.data.studies.strict_json import ManifestError, Node
from qsr_jax.files.digest import json_sha256
from qsr_jax.maps import MAPS
from qsr_jax.types import ALIGNMENTS

FORMAT, VERSION = "qsr_jax-manifest", 3
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
        folders: "fast" and "routine" to the series' folder (a file in BIDS), relative to the tree.
        sha256: "fast" and "routine" to the digest of the series' files.
        qc: numbers found while pairing.
        verdict: "good", "flagged" or "accepted".
        findings: {"rule", "verdict", "text"} of every rule that was not passed cleanly.
    """

    folders: Mapping[str, str]
    sha256: Mapping[str, str]
    qc: Mapping[str, float]
    verdict: str
    findings: tuple[Mapping[str, str], ...]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One subject: three pairs on one pair of grids.

    Attributes:
        subject: 16 hex digits, HMAC-SHA256 of the PatientID with the manifest's salt.
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
    group: str
    split: str
    folds: tuple[str, ...]
    grid_alignment: str
    fast_shape: tuple[int, int, int]
    fast_spacing_mm: tuple[float, float, float]
    truth: str | None
    maps: Mapping[str, Pair]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A tree of scans, sorted out.

    Attributes:
        kind: what the tree holds, one of :data:`KINDS`.
        root: the tree.
        protocols: rows that recognise maps, beyond the built-in table.
        scale: routine matrix over fast matrix.
        seed: of the split.
        subjects: in the seeded order of the split, which says nothing about their names.
        accepted: {"what": folder, "rule": rule} of every refusal that a subject overruled.
        refused: {"what": folder, "reason": text} of everything that was not used for a reason.
        ignored: files that are no images.
    """

    kind: str
    root: Path
    protocols: tuple[SeriesRule, ...]
    scale: int
    seed: int
    subjects: tuple[Subject, ...]
    accepted: tuple[Mapping[str, str], ...]
    refused: tuple[Mapping[str, str], ...]
    ignored: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of what ends in the records: subjects, splits, grids and files' digests."""
        content = [self.scale] + [
            [p.subject, p.group, p.split, p.folds, p.grid_alignment, p.fast_shape]
            + [[name, pair.sha256] for name, pair in sorted(p.maps.items())]
            for p in self.subjects
        ]
        return json_sha256(content)

    def subjects_of(self, *, split: str | None = None, group: str | None = None) -> list[Subject]:
        """The subjects of a split and a group; None stands for any."""
        return [
            subject
            for subject in self.subjects
            if split in (None, subject.split) and group in (None, subject.group)
        ]

    def in_fold(self, fold: str | None) -> "Manifest":
        """The same subjects split as fold ``"k/n"`` says; None keeps the manifest's own split.

        Raises:
            ManifestError: the manifest has no such fold.
        """
        if fold is None:
            return self
        number, count = parse_fold(fold)
        has = len(self.subjects[0].folds) if self.subjects else 0
        if has != count:
            raise ManifestError(
                f"fold {fold}: the manifest has {has} folds; pair with --folds {count}"
            )
        return dataclasses.replace(
            self,
            subjects=tuple(
                dataclasses.replace(subject, split=subject.folds[number - 1], folds=())
                for subject in self.subjects
            ),
        )

    def to_json(self, *, folder: Path) -> str:
        """The text of a manifest file that lies in ``folder``."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "root": _relative_or_absolute(self.root, folder),
            "protocols": [row.to_json() for row in self.protocols],
            "scale": self.scale,
            "seed": self.seed,
            "subjects": [_subject_to_json(subject) for subject in self.subjects],
            "accepted": [dict(item) for item in self.accepted],
            "refused": [dict(item) for item in self.refused],
            "ignored": list(self.ignored),
            "fingerprint": self.fingerprint,
        }
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Reads and checks a manifest.

        Raises:
            ManifestError: unreadable, a key missing, unknown or out of range, a subject in two
                splits or data under two subjects, or contents that do not match the fingerprint.
        """
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ManifestError(
                f"{path}: cannot be read ({error}); make it with `qsr pair`"
            ) from None
        node = Node(path, "manifest", content)
        node.version(FORMAT, VERSION)
        node.keys(
            "format version kind root protocols scale seed subjects accepted refused ignored "
            "fingerprint"
        )
        manifest = cls(
            kind=node.one_of("kind", KINDS),
            root=(path.parent / node.take("root", str)).resolve(),
            protocols=tuple(_row_from_json(row) for row in node.children("protocols")),
            scale=node.take("scale", int),
            seed=node.take("seed", int),
            subjects=tuple(_subject_from_json(subject) for subject in node.children("subjects")),
            accepted=node.table("accepted", "what rule"),
            refused=node.table("refused", "what reason"),
            ignored=tuple(node.take("ignored", list)),
        )
        check_leakage(manifest.subjects, where=path)
        if len({len(subject.folds) for subject in manifest.subjects}) > 1:
            node.refuse("subjects", "differ in their number of folds")
        if node.take("fingerprint", str) != manifest.fingerprint:
            node.refuse("fingerprint", "does not match the subjects; pair the studies again")
        return manifest


def parse_fold(text: str) -> tuple[int, int]:
    """Takes "3/5", the third of five folds, apart: (3, 5).

    Raises:
        ManifestError: not a fold.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) > 1):
        raise ManifestError(f"fold {text!r}: expected k/n with k from 1 to n, as in 3/5")
    return int(number), int(count)


def check_leakage(subjects: Sequence[Subject], *, where: Path) -> None:
    """Refuses a subject listed twice, and series that two entries share.

    The maps of one subject may lie in one folder, as the scanner bundles them.

    Raises:
        ManifestError: naming both entries.
    """
    owner: dict[str, str] = {}
    for index, subject in enumerate(subjects):
        entry = f"subjects[{index}] ({subject.split})"
        marks = [f"subject {subject.subject}"]
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


def _row_from_json(node: Node) -> SeriesRule:
    try:
        return rule_from(node.content, f"{node.path}: {node.place}")
    except ProtocolError as error:
        raise ManifestError(str(error)) from None


def _subject_from_json(node: Node) -> Subject:
    node.keys("subject group split folds grid_alignment fast_shape fast_spacing_mm truth maps")
    name = node.take("subject", str)
    if len(name) != 16 or set(name) - set("0123456789abcdef"):
        node.refuse("subject", "expected 16 hex digits")
    maps = node.child("maps")
    maps.keys(" ".join(MAPS))
    return Subject(
        subject=name,
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
    node.keys("fast routine sha256 qc verdict findings")
    digests = node.child("sha256")
    digests.keys(" ".join(SIDES))
    return Pair(
        folders={side: node.folder(side) for side in SIDES},
        sha256={side: digests.take(side, str) for side in SIDES},
        qc=node.take("qc", dict),
        verdict=node.one_of("verdict", VERDICTS),
        findings=node.table("findings", "rule verdict text"),
    )


def _subject_to_json(subject: Subject) -> dict[str, Any]:
    maps = {
        key: {
            **pair.folders,
            "sha256": dict(pair.sha256),
            "qc": dict(pair.qc),
            "verdict": pair.verdict,
            "findings": [dict(finding) for finding in pair.findings],
        }
        for key, pair in subject.maps.items()
    }
    fields = {field.name: getattr(subject, field.name) for field in dataclasses.fields(subject)}
    return {**fields, "maps": maps}


def _relative_or_absolute(target: Path, folder: Path) -> str:
    """``target`` relative to ``folder`` where it lies inside, else absolute."""
    target, folder = target.resolve(), folder.resolve()
    inside = target.is_relative_to(folder)
    return target.relative_to(folder).as_posix() if inside else target.as_posix()
