"""From a folder of scans to a manifest on disk: what the door and a notebook both call."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule, load_rows
from qsr_jax.data.studies.manifest import Manifest, ManifestError
from qsr_jax.data.studies.pair_tree import PARTICIPANTS, pair_studies
from qsr_jax.data.studies.pseudonyms import load_salt, read_groups
from qsr_jax.data.studies.sessions import SessionChoice
from qsr_jax.files.atomic import write_text_atomically

ALL_SESSIONS = SessionChoice()
SCALE = 2
"""Routine matrix over fast matrix, as in the paper (JMIR Med Inform 2026;14:e79389)."""


def pair_folder(
    root: Path,
    out: Path,
    *,
    kind: str,
    seed: int,
    test_fraction: float,
    validation_fraction: float = 0.0,
    folds: int = 0,
    participants: Path | None = None,
    salt_file: Path | None = None,
    rules: Path | None = None,
    accepted: Sequence[str] = (),
    choice: SessionChoice = ALL_SESSIONS,
    progress: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> Manifest:
    """Pairs the scans under ``root``; nothing there is changed, and nothing is written but a salt.

    Args:
        root: the tree.
        out: where the manifest is going to be; a new salt is made beside it.
        kind: "dicom" or "bids", see :func:`qsr_jax.data.studies.pair_tree.pair_studies`.
        seed: of the split by subject.
        test_fraction: of all subjects, set aside for testing.
        validation_fraction: of all subjects, set aside for choices made while training.
        folds: also deals the healthy subjects to so many folds; 0 for none.
        participants: table of groups; without it the tree's own is used where there is one.
        salt_file: secret behind the pseudonyms; made when it is missing.
        rules: TOML or JSON with rows that recognise other scanners' maps.
        accepted: refusals that a person overrules, "FOLDER:RULE".
        choice: which sessions of each subject; all of a subject go into one split.
        progress: wraps the subjects, for a progress bar.

    Raises:
        ManifestError: no such folder, a secret inside the tree, or no subject is left.
        ValueError: fractions or folds that cannot be, or a table that cannot be read.
    """
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder")
    if participants is None and (root / PARTICIPANTS).is_file():
        participants = root / PARTICIPANTS
    salt_file = salt_file or out.with_name(f"{out.name}.salt")
    if salt_file.resolve().is_relative_to(root.resolve()):
        raise ManifestError(f"{salt_file}: the secret must not lie inside the tree; move --out")
    return pair_studies(
        root,
        kind=kind,
        scale=SCALE,
        seed=seed,
        test_fraction=test_fraction,
        validation_fraction=validation_fraction,
        folds=folds,
        groups=None if participants is None else read_groups(participants),
        accepted=accepted,
        protocols=() if rules is None else added_rows(rules),
        choice=choice,
        salt=load_salt(salt_file),
        progress=progress,
    )


def added_rows(path: Path) -> tuple[SeriesRule, ...]:
    """The rows of a file, without the built-in ones."""
    return tuple(row for row in load_rows(path) if row not in PROTOCOLS)


def write_manifest(manifest: Manifest, out: Path) -> bool:
    """Writes a manifest whole; an equal one is left alone, a different one is not replaced.

    Returns:
        Whether it was written.

    Raises:
        FileExistsError: another manifest is there.
        WriteError: the disk refused.
    """
    text = manifest.to_json(folder=out.parent)
    if out.exists():
        if out.read_text() == text:
            return False
        raise FileExistsError(f"{out} exists and differs; remove it or choose another --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(out, text)
    return True
