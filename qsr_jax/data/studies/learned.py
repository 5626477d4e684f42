"""Whom a model has learned from, so that nobody can be mistaken for unseen later."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from qsr_jax.data.studies.manifest import SIDES, Manifest, Subject

TRAINING = ("train", "validation")
"""Splits whose subjects a model knows: it learned from them or was chosen by them."""

LEARNED, BEFORE = "learned", "learned_before"
"""Keys of a model's document: whom its training learned from, and whom the models it began from."""


@dataclasses.dataclass(frozen=True)
class Learned:
    """Subjects of a training.

    Attributes:
        salt: see :class:`qsr_jax.data.studies.manifest.Manifest`; subjects' hashes of two salts
            cannot be compared.
        subjects: hashes.
        values: digests of the values of their maps, whatever their files.
    """

    salt: str
    subjects: frozenset[str]
    values: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        """Sorted, as plain JSON."""
        return {
            "salt": self.salt,
            "subjects": sorted(self.subjects),
            "values": sorted(self.values),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Learned":
        """What :meth:`to_json` wrote."""
        return cls(content["salt"], frozenset(content["subjects"]), frozenset(content["values"]))


def learned_of(manifest: Manifest) -> Learned:
    """Whom a training on this manifest learns from."""
    known = [subject for subject in manifest.subjects if subject.split in TRAINING]
    return Learned(
        salt=manifest.salt,
        subjects=frozenset(subject.subject for subject in known),
        values=frozenset(value for subject in known for value in values_of(subject)),
    )


def values_of(subject: Subject) -> list[str]:
    """Digests of the values of a subject's scans."""
    return [pair.values[side] for pair in subject.maps.values() for side in SIDES]


def lineage(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Whom a model learned from, its own training first, then those of what it began from."""
    return [document[LEARNED], *document.get(BEFORE, [])]
