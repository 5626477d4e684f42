"""How far heads had moved, as numbers of their pairs in the manifest.

``qsr build --register rigid`` finds them and writes them there. They change nothing of what the
manifest says of subjects, splits and series: its fingerprint stays.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from qsr_jax.data.studies.manifest import Manifest, Subject
from qsr_jax.files.atomic import write_text_atomically

AXES = ("x_mm", "y_mm", "z_mm", "about_x_deg", "about_y_deg", "about_z_deg")
KEYS = tuple(f"moved_{axis}" for axis in AXES)
"""Of ``qc``: displacement along the patient's left, back and head, and turns about these axes."""

Movement = Mapping[str, Sequence[float]]
"""Name of a case to :data:`KEYS`'s values."""


def movement_in(manifest: Manifest) -> dict[str, list[float]]:
    """What a manifest says, of the subjects of whom it says something."""
    found = {}
    for subject in manifest.subjects:
        qc = next(iter(subject.maps.values())).qc
        if all(key in qc for key in KEYS):
            found[subject.case] = [qc[key] for key in KEYS]
    return found


def with_movement(manifest: Manifest, moved: Movement) -> Manifest:
    """The same manifest with these numbers among those of the pairs."""
    subjects = tuple(_told(subject, moved.get(subject.case)) for subject in manifest.subjects)
    return dataclasses.replace(manifest, subjects=subjects)


def write_movement(path: Path, moved: Movement) -> None:
    """Adds these numbers to a manifest file.

    Raises:
        ManifestError: the file cannot be read.
        WriteError: the disk refused; the manifest is as it was.
    """
    text = with_movement(Manifest.load(path), moved).to_json(folder=path.parent)
    if text != path.read_text(encoding="utf-8"):
        write_text_atomically(path, text)


def _told(subject: Subject, numbers: Sequence[float] | None) -> Subject:
    if numbers is None:
        return subject
    more = dict(zip(KEYS, numbers, strict=True))
    maps = {
        name: dataclasses.replace(pair, qc=dict(pair.qc) | more)
        for name, pair in subject.maps.items()
    }
    return dataclasses.replace(subject, maps=maps)
