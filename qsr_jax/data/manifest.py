"""The manifest: which series of a DICOM tree form pairs, and which person learns or tests.

A person is named by a salted hash; the file holds no PatientID, date or UID. Folders are given
relative to the tree, and every series by the sha256 of its files, so a changed file is noticed.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from qsr_jax.maps import MAPS
from qsr_jax.types import ALIGNMENTS

FORMAT, VERSION = "qsr_jax-manifest", 1
SPLITS = ("train", "validation", "test")
HEALTHY, PATIENT = "healthy", "patient"
GROUPS = (HEALTHY, PATIENT)
FAST, ROUTINE = "fast", "routine"
SIDES = (FAST, ROUTINE)


class ManifestError(ValueError):
    """A manifest that cannot be trusted; the text names the file and the key."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One map of one person, scanned twice.

    Attributes:
        folders: "fast" and "routine" to the series folder, relative to the tree.
        sha256: "fast" and "routine" to the digest of the series' files.
        qc: numbers found while pairing.
    """

    folders: Mapping[str, str]
    sha256: Mapping[str, str]
    qc: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Person:
    """One person: three pairs on one pair of grids.

    Attributes:
        person: 16 hex digits, HMAC-SHA256 of the PatientID with the manifest's salt.
        group: "healthy" or "patient".
        split: "train", "validation" or "test".
        grid_alignment: how the routine grid lies on the fast one, see :mod:`qsr_jax.types`.
        fast_shape: (slices, rows, columns) of the fast grid.
        fast_spacing_mm: distance between (slices, rows, columns) of the fast grid.
        truth: folder of the simulated truth, relative to the tree, or None.
        maps: key of MAPS to its pair.
    """

    person: str
    group: str
    split: str
    grid_alignment: str
    fast_shape: tuple[int, int, int]
    fast_spacing_mm: tuple[float, float, float]
    truth: str | None
    maps: Mapping[str, Pair]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A DICOM tree, sorted out.

    Attributes:
        dicom_dir: the tree.
        scale: routine matrix over fast matrix.
        seed: of the split.
        persons: in the seeded order of the split, which says nothing about their names.
        refused: {"what": folder, "reason": text} of everything that was not used for a reason.
        ignored: files that are no images.
    """

    dicom_dir: Path
    scale: int
    seed: int
    persons: tuple[Person, ...]
    refused: tuple[Mapping[str, str], ...]
    ignored: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Hex sha256 of what ends in the records: persons, splits, grids and files' digests."""
        content = [self.scale] + [
            [p.person, p.group, p.split, p.grid_alignment, p.fast_shape]
            + [[name, pair.sha256] for name, pair in sorted(p.maps.items())]
            for p in self.persons
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def people(self, *, split: str | None = None, group: str | None = None) -> list[Person]:
        """The persons of a split and a group; None stands for any."""
        return [
            person
            for person in self.persons
            if split in (None, person.split) and group in (None, person.group)
        ]

    def to_json(self, *, folder: Path) -> str:
        """The text of a manifest file that lies in ``folder``."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "dicom_dir": _relative_or_absolute(self.dicom_dir, folder),
            "scale": self.scale,
            "seed": self.seed,
            "persons": [_person_to_json(person) for person in self.persons],
            "refused": [dict(item) for item in self.refused],
            "ignored": list(self.ignored),
            "fingerprint": self.fingerprint,
        }
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> "Manifest":
        """Reads and checks a manifest.

        Raises:
            ManifestError: unreadable, a key missing, unknown or out of range, a person in two
                splits or data under two persons, or contents that do not match the fingerprint.
        """
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise ManifestError(
                f"{path}: cannot be read ({error}); make it with data_tools.pair_studies"
            ) from None
        node = _Node(path, "manifest", content)
        node.keys("format version dicom_dir scale seed persons refused ignored fingerprint")
        node.one_of("format", (FORMAT,))
        node.one_of("version", (VERSION,))
        refused = node.children("refused")
        for item in refused:
            item.keys("what reason")
        manifest = cls(
            dicom_dir=(path.parent / node.take("dicom_dir", str)).resolve(),
            scale=node.take("scale", int),
            seed=node.take("seed", int),
            persons=tuple(_person_from_json(person) for person in node.children("persons")),
            refused=tuple(item.content for item in refused),
            ignored=tuple(node.take("ignored", list)),
        )
        check_leakage(manifest.persons, where=path)
        if node.take("fingerprint", str) != manifest.fingerprint:
            node.refuse("fingerprint", "does not match the persons; pair the studies again")
        return manifest


def check_leakage(persons: Sequence[Person], *, where: Path) -> None:
    """Refuses a person listed twice, and series that two entries share.

    Raises:
        ManifestError: naming both entries.
    """
    owner: dict[str, str] = {}
    for index, person in enumerate(persons):
        entry = f"persons[{index}] ({person.split})"
        marks = [f"person {person.person}"]
        for pair in person.maps.values():
            marks += [f"folder {folder}" for folder in pair.folders.values()]
            marks += [f"series with sha256 {digest}" for digest in pair.sha256.values()]
        for mark in marks:
            if mark in owner:
                raise ManifestError(
                    f"{where}: {mark} is in {owner[mark]} and in {entry}; "
                    "a person may be in one split only: pair the studies again"
                )
            owner[mark] = entry


@dataclasses.dataclass(frozen=True)
class _Node:
    """A JSON object at a place of a file, read with suspicion."""

    path: Path
    place: str
    content: Any

    def refuse(self, key: str, why: str) -> None:
        raise ManifestError(f"{self.path}: {self.place}.{key}: {why}")

    def keys(self, names: str) -> None:
        """Refuses missing and unknown keys."""
        expected = set(names.split())
        if not isinstance(self.content, dict):
            self.refuse("*", f"is {type(self.content).__name__}, expected an object")
        for key in sorted(expected ^ set(self.content)):
            self.refuse(key, "missing" if key in expected else "unknown key")

    def take(self, key: str, kind: type) -> Any:
        """The value of ``key``, of the given type."""
        value = self.content[key]
        if type(value) is not kind:
            self.refuse(key, f"is {type(value).__name__}, expected {kind.__name__}")
        return value

    def one_of(self, key: str, allowed: Sequence[Any]) -> Any:
        """The value of ``key``, out of ``allowed``."""
        value = self.content[key]
        if value not in allowed:
            self.refuse(key, f"{value!r}; expected one of {', '.join(map(str, allowed))}")
        return value

    def child(self, key: str) -> "_Node":
        """The object under ``key``."""
        return _Node(self.path, f"{self.place}.{key}", self.take(key, dict))

    def children(self, key: str) -> list["_Node"]:
        """The objects of the list under ``key``."""
        items = self.take(key, list)
        return [_Node(self.path, f"{key}[{index}]", item) for index, item in enumerate(items)]

    def three(self, key: str, kind: type) -> tuple:
        """Three positive numbers of one kind: slices, rows, columns."""
        values = self.take(key, list)
        if len(values) != 3 or not all(type(v) is kind and v > 0 for v in values):
            self.refuse(key, f"{values}; expected three positive {kind.__name__}")
        return tuple(values)

    def folder(self, key: str) -> str:
        """A relative folder that stays inside the tree."""
        text = self.take(key, str)
        parts = PurePosixPath(text)
        if parts.is_absolute() or ".." in parts.parts or not text:
            self.refuse(key, "expected a folder inside dicom_dir, relative to it")
        return text


def _person_from_json(node: _Node) -> Person:
    node.keys("person group split grid_alignment fast_shape fast_spacing_mm truth maps")
    name = node.take("person", str)
    if len(name) != 16 or set(name) - set("0123456789abcdef"):
        node.refuse("person", "expected 16 hex digits")
    maps = node.child("maps")
    maps.keys(" ".join(MAPS))
    return Person(
        person=name,
        group=node.one_of("group", GROUPS),
        split=node.one_of("split", SPLITS),
        grid_alignment=node.one_of("grid_alignment", ALIGNMENTS),
        fast_shape=node.three("fast_shape", int),
        fast_spacing_mm=node.three("fast_spacing_mm", float),
        truth=None if node.content["truth"] is None else node.folder("truth"),
        maps={key: _pair_from_json(maps.child(key)) for key in MAPS},
    )


def _pair_from_json(node: _Node) -> Pair:
    node.keys("fast routine sha256 qc")
    digests = node.child("sha256")
    digests.keys(" ".join(SIDES))
    return Pair(
        folders={side: node.folder(side) for side in SIDES},
        sha256={side: digests.take(side, str) for side in SIDES},
        qc=node.take("qc", dict),
    )


def _person_to_json(person: Person) -> dict[str, Any]:
    maps = {
        key: {**pair.folders, "sha256": dict(pair.sha256), "qc": dict(pair.qc)}
        for key, pair in person.maps.items()
    }
    fields = {field.name: getattr(person, field.name) for field in dataclasses.fields(person)}
    return {**fields, "maps": maps}


def _relative_or_absolute(target: Path, folder: Path) -> str:
    """``target`` relative to ``folder`` where it lies inside, else absolute."""
    target, folder = target.resolve(), folder.resolve()
    inside = target.is_relative_to(folder)
    return target.relative_to(folder).as_posix() if inside else target.as_posix()
