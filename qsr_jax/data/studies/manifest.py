"""The manifest: which series of a tree form pairs, how good they are, and who learns or tests.

A subject is named by a salted hash; the file holds no PatientID, date or UID. Folders are given
relative to the tree, and every series by the sha256 of its files, so a changed file is noticed.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from qsr_jax.data.dicom.series_rules import ProtocolError, SeriesRule, rule_from
from qsr_jax.data.studies.entry import (
    ACCEPTED,
    BIDS,
    DICOM,
    FAST,
    FLAGGED,
    GOOD,
    GROUPS,
    HEALTHY,
    KINDS,
    PATIENT,
    ROUTINE,
    SIDES,
    SPLITS,
    VERDICTS,
    Pair,
    Subject,
    check_leakage,
    subject_from_json,
    subject_to_json,
)
from qsr_jax.data.studies.strict_json import ManifestError, Node
from qsr_jax.files.digest import json_sha256

__all__ = [
    "ACCEPTED",
    "BIDS",
    "DICOM",
    "FAST",
    "FLAGGED",
    "GOOD",
    "GROUPS",
    "HEALTHY",
    "KINDS",
    "PATIENT",
    "ROUTINE",
    "SIDES",
    "SPLITS",
    "VERDICTS",
    "Manifest",
    "ManifestError",
    "Pair",
    "Subject",
    "check_leakage",
    "parse_fold",
]

FORMAT, VERSION = "qsr_jax-manifest", 4


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
        salt: 16 hex digits that two manifests share whose subjects were hashed with one salt.
        flagged: {"what": folders, "reason": text} of subjects that a person should look at.
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
    salt: str
    flagged: tuple[Mapping[str, str], ...]
    accepted: tuple[Mapping[str, str], ...]
    refused: tuple[Mapping[str, str], ...]
    ignored: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of what ends in the records: subjects, splits, grids and files' digests."""
        content = [self.scale] + [
            [p.subject, p.session, p.group, p.split, p.folds, p.grid_alignment, p.fast_shape]
            + [[name, pair.sha256] for name, pair in sorted(p.maps.items())]
            for p in self.subjects
        ]
        return json_sha256(content)

    def subjects_of(self, *, split: str | None = None, group: str | None = None) -> list[Subject]:
        """The sessions of a split and a group; None stands for any."""
        return [
            subject
            for subject in self.subjects
            if split in (None, subject.split) and group in (None, subject.group)
        ]

    def count(self, *, split: str | None = None, group: str | None = None) -> int:
        """How many subjects; several sessions of one subject count once."""
        return len({one.subject for one in self.subjects_of(split=split, group=group)})

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
            "subjects": [subject_to_json(subject) for subject in self.subjects],
            "salt": self.salt,
            "flagged": [dict(item) for item in self.flagged],
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
            "format version kind root protocols scale seed subjects salt flagged accepted refused "
            "ignored fingerprint"
        )
        manifest = cls(
            kind=node.one_of("kind", KINDS),
            root=(path.parent / node.take("root", str)).resolve(),
            protocols=tuple(_row_from_json(row) for row in node.children("protocols")),
            scale=node.take("scale", int),
            seed=node.take("seed", int),
            subjects=tuple(subject_from_json(subject) for subject in node.children("subjects")),
            salt=node.take("salt", str),
            flagged=node.table("flagged", "what reason"),
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


def _row_from_json(node: Node) -> SeriesRule:
    try:
        return rule_from(node.content, f"{node.path}: {node.place}")
    except ProtocolError as error:
        raise ManifestError(str(error)) from None


def _relative_or_absolute(target: Path, folder: Path) -> str:
    """``target`` relative to ``folder`` where it lies inside, else absolute."""
    target, folder = target.resolve(), folder.resolve()
    inside = target.is_relative_to(folder)
    return target.relative_to(folder).as_posix() if inside else target.as_posix()
