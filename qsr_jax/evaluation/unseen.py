"""The proof that a model is tested on nobody it has learned from.

A model says which manifest its records came from, the hashes of its training subjects, and the
digests of their scans' values. On another manifest it may be tested where none of these returns:
the same scan under any pseudonym, header or format, and another session of the same person, as long
as both manifests were made with one salt. What began from a trained model has also learned from
that model's people.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.data.studies.learned import BEFORE, LEARNED, Learned, learned_of, values_of
from qsr_jax.data.studies.manifest import Manifest, Subject


class LeakageError(ValueError):
    """A model may have learned from subjects it is to be tested on."""


def whom_it_saw(
    workdir: Path,
    document: Mapping[str, Any],
    said: Manifest,
    where: Path | None,
    *,
    same: bool,
) -> Learned | None:
    """Whom a model learned from.

    Args:
        workdir: of the model.
        document: of its checkpoint.
        said: the manifest it was trained with, as somebody says.
        where: that manifest's file.
        same: whether ``said`` is also the manifest whose subjects are tested.

    Returns:
        Its subjects; None where it was trained with the very manifest it is tested on, which deals
        everybody to one split.

    Raises:
        LeakageError: it was trained with another manifest and does not say on whom.
    """
    found = document["data_fingerprint"]
    if found == said.fingerprint:
        return None if same else learned_of(said)
    if same and LEARNED in document:
        return Learned.from_json(document[LEARNED])
    raise LeakageError(
        f"{workdir}: trained on data {found[:12]}…, {where} is {said.fingerprint[:12]}…; whom it "
        "learned from cannot be told: the model is of a version that did not write it down, or the "
        "wrong manifest was given. Give the manifest it was trained with, or, to test it on new "
        "subjects, also --trained-on MANIFEST"
    )


def whom_its_models_saw(document: Mapping[str, Any]) -> list[Learned]:
    """Whom the models learned from that a model began from."""
    return [Learned.from_json(one) for one in document.get(BEFORE, [])]


def check_unseen(
    workdir: Path,
    learned: Learned | None,
    path: Path,
    manifest: Manifest,
    subjects: Sequence[Subject],
) -> list[str]:
    """Refuses a model that learned from one of ``subjects``.

    Returns:
        What could not be checked, in words.

    Raises:
        LeakageError: naming the subject.
    """
    if learned is None:
        return []
    for subject in subjects:
        if learned.values.intersection(values_of(subject)):
            raise LeakageError(
                f"{path}: {workdir} learned from subject {subject.subject}: a scan of theirs is "
                "that of a training subject, value by value"
            )
        if learned.salt == manifest.salt and subject.subject in learned.subjects:
            raise LeakageError(
                f"{path}: {workdir} learned from subject {subject.subject}, perhaps in another "
                "session"
            )
    if learned.salt == manifest.salt:
        return []
    return [
        "no scan that the model learned from is tested, but whether a tested person is a training "
        "subject in another session cannot be told: the manifests were made with two salts (pair "
        "with --salt-file and the salt of the training)"
    ]
