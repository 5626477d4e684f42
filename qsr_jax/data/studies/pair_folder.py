"""From a folder of scans to a manifest on disk: what the door and a notebook both call."""

import contextlib
import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from qsr_jax.data.dicom.series_rules import PROTOCOLS, SeriesRule, load_rows
from qsr_jax.data.studies.manifest import Manifest, ManifestError
from qsr_jax.data.studies.movement_numbers import movement_in, with_movement
from qsr_jax.data.studies.pair_tree import PARTICIPANTS, pair_studies
from qsr_jax.data.studies.pseudonyms import load_salt, read_groups
from qsr_jax.data.studies.sessions import SessionChoice
from qsr_jax.data.studies.split import Shares
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.journal import Schedule

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
    named: Mapping[str, Sequence[str]] | None = None,
    participants: Path | None = None,
    salt_file: Path | None = None,
    rules: Path | None = None,
    accepted: Sequence[str] = (),
    choice: SessionChoice = ALL_SESSIONS,
    journal: Path | None = None,
    schedule: Schedule | None = None,
) -> Manifest | None:
    """Pairs the scans under ``root``; nothing there is changed, and nothing is written but a salt.

    Args:
        root: the tree.
        out: where the manifest is going to be; a new salt is made beside it.
        kind: "dicom" or "bids", see :func:`qsr_jax.data.studies.pair_tree.pair_studies`.
        seed: of the split by subject.
        test_fraction: of the healthy subjects, set aside for testing; on average, because each
            subject is dealt by its own hash (:mod:`qsr_jax.data.studies.split`).
        validation_fraction: likewise, set aside for choices made while training.
        folds: also deals the healthy subjects to so many folds; 0 for none.
        named: split ("test", "validation") to subjects, by PatientID or top folder, that are put
            there whatever their hash.
        participants: table of groups; without it the tree's own is used where there is one.
        salt_file: secret behind the pseudonyms; made when it is missing.
        rules: TOML or JSON with rows that recognise other scanners' maps.
        accepted: refusals that a person overrules, "FOLDER:RULE".
        choice: which sessions of each subject; all of a subject go into one split.
        journal: keeps the subjects that are done, and stays; without it they are kept beside
            ``out`` until the manifest is written (:func:`write_manifest`).
        schedule: who pairs whom; the manifest does not depend on it.

    Returns:
        The manifest; None where other machines have shards to do.

    Raises:
        ManifestError: no such folder, ``out`` is one, a secret inside the tree, no subject is left,
            or a name of nobody.
        ValueError: fractions or folds that cannot be, a split that stays empty, or a table that
            cannot be read.
        IncompleteError: a merge lacks subjects.
    """
    _check_places(root, out)
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
        shares=Shares(test_fraction, validation_fraction, folds),
        named=named or {},
        groups=None if participants is None else read_groups(participants),
        accepted=accepted,
        protocols=() if rules is None else added_rows(rules),
        choice=choice,
        salt=load_salt(salt_file),
        journal=journal or journal_of(out),
        schedule=schedule or Schedule(),
    )


def _check_places(root: Path, out: Path) -> None:
    """Refuses no tree, and a folder where the manifest is to be."""
    if not root.is_dir():
        raise ManifestError(f"{root}: no such folder")
    if out.is_dir():
        raise ManifestError(f"{out}: is a folder; expected the manifest's file, such as {out}.json")


def added_rows(path: Path) -> tuple[SeriesRule, ...]:
    """The rows of a file, without the built-in ones."""
    return tuple(row for row in load_rows(path) if row not in PROTOCOLS)


def journal_of(out: Path) -> Path:
    """Where subjects are kept until their manifest is written."""
    return out.with_name(f".{out.name}.unfinished")


def write_manifest(manifest: Manifest, out: Path, *, further: bool = False) -> bool:
    """Writes a manifest whole; an equal one is left alone, a different one is not replaced.

    Args:
        manifest: what to write.
        out: where.
        further: whether a manifest of fewer subjects gets the new ones, see :func:`with_further`.

    Returns:
        Whether it was written.

    Raises:
        FileExistsError: another manifest is there.
        ManifestError: ``further``, and an earlier subject is not as it was.
        WriteError: the disk refused.
    """
    if out.exists():  # what a build found out about the pairs since is kept
        with contextlib.suppress(ManifestError):
            manifest = with_movement(manifest, movement_in(Manifest.load(out)))
    if further and out.exists():
        manifest = with_further(Manifest.load(out), manifest, where=out)
    text = manifest.to_json(folder=out.parent)
    same = out.exists() and out.read_text() == text
    if out.exists() and not same and not further:
        raise FileExistsError(
            f"{out} exists and differs; remove it, choose another --out, or give --append where "
            "subjects were only added"
        )
    if not same:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text_atomically(out, text)
    shutil.rmtree(journal_of(out), ignore_errors=True)
    return not same


def with_further(earlier: Manifest, now: Manifest, *, where: Path) -> Manifest:
    """The manifest ``now`` with the subjects of ``earlier`` first, in their order.

    Raises:
        ManifestError: an earlier subject is gone, or its split, series or numbers are others.
    """
    entries = {subject.case: subject for subject in now.subjects}
    for subject in earlier.subjects:
        if entries.get(subject.case) != subject:
            what = "is not as it was" if subject.case in entries else "is gone"
            raise ManifestError(
                f"{where}: subject {subject.case} {what}; --append adds subjects and changes none. "
                "Pair with the same flags, or choose another --out"
            )
    known = [subject.case for subject in earlier.subjects]
    new = [case for case in entries if case not in set(known)]
    return dataclasses.replace(now, subjects=tuple(entries[case] for case in (*known, *new)))
