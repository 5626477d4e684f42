"""A test subject that the model has learned from is refused, in whatever guise it comes back."""

import dataclasses
from pathlib import Path

import pytest
from evaluation_house import make_manifest, make_subject, manifest_of

from qsr_jax.data.studies.learned import BEFORE, LEARNED, Learned, learned_of, lineage
from qsr_jax.evaluation.unseen import (
    LeakageError,
    check_unseen,
    whom_it_saw,
    whom_its_models_saw,
)

WORKDIR, NEW = Path("t1"), Path("new.json")
TRAINED = manifest_of(
    tuple(make_subject(i, split=split) for i, split in enumerate(["train", "validation", "test"]))
)
DOCUMENT = {"data_fingerprint": TRAINED.fingerprint, LEARNED: learned_of(TRAINED).to_json()}


def said_of(*subjects, salt=TRAINED.salt):
    """What is said about a model of TRAINED that is tested on these."""
    manifest = dataclasses.replace(manifest_of(subjects), salt=salt)
    learned = whom_it_saw(WORKDIR, DOCUMENT, manifest, NEW, same=True)
    return check_unseen(WORKDIR, learned, NEW, manifest, manifest.subjects)


def scanned_again(subject, *, name=None):
    """Another session: other files, other values; under another name, if one is given."""
    pair = subject.maps["t1"]
    again = {side: f"another {value}" for side, value in pair.values.items()}
    maps = {"t1": dataclasses.replace(pair, sha256=again, values=again)}
    return dataclasses.replace(subject, subject=name or subject.subject, maps=maps)


def deidentified(subject):
    """Other files and another pseudonym; the values of the scans stay."""
    pair = subject.maps["t1"]
    files = {side: f"new file {side}" for side in pair.sha256}
    maps = {"t1": dataclasses.replace(pair, sha256=files)}
    return dataclasses.replace(subject, subject="f" * 16, maps=maps)


def test_new_subjects_and_those_that_tested_are_unseen():
    assert said_of(make_subject(7), make_subject(2)) == []


@pytest.mark.parametrize("known", [0, 1])
def test_a_later_session_of_a_training_subject_is_refused(known):
    """It passed: its files differ from those of the training."""
    later = scanned_again(make_subject(known))
    with pytest.raises(LeakageError, match=f"new.json: t1 learned from subject {known:016x}, per"):
        said_of(make_subject(7), later)


@pytest.mark.parametrize("salt", [TRAINED.salt, "another"])
def test_a_training_scan_after_deidentification_is_refused(salt):
    """It passed: the digests of its files and its pseudonym differ."""
    with pytest.raises(LeakageError, match="learned from subject f+: .* value by value"):
        said_of(deidentified(make_subject(0)), salt=salt)


def test_two_salts_hide_later_sessions_and_that_is_said():
    later = scanned_again(make_subject(0), name="e" * 16)
    (doubt,) = said_of(later, salt="another")
    assert "in another session cannot be told" in doubt
    assert "--salt-file" in doubt


def test_the_manifest_of_the_training_deals_everybody_to_one_split():
    assert whom_it_saw(WORKDIR, DOCUMENT, TRAINED, NEW, same=True) is None
    assert check_unseen(WORKDIR, None, NEW, TRAINED, TRAINED.subjects) == []
    given = whom_it_saw(WORKDIR, DOCUMENT, TRAINED, NEW, same=False)
    assert given == Learned.from_json(DOCUMENT[LEARNED])
    assert given.subjects == {f"{i:016x}" for i in (0, 1)}


def test_a_model_of_another_manifest_that_does_not_say_whom_it_saw_is_refused():
    older = {"data_fingerprint": TRAINED.fingerprint}
    other = make_manifest(["test"])
    with pytest.raises(LeakageError, match="trained on data .* did not write it down"):
        whom_it_saw(WORKDIR, older, other, NEW, same=True)
    with pytest.raises(LeakageError, match="new.json is .* also --trained-on MANIFEST"):
        whom_it_saw(WORKDIR, DOCUMENT, other, NEW, same=False)


def test_the_people_of_the_model_it_began_from_are_refused_too():
    """Also after a second finetuning, and of a model that was trained with the tested manifest."""
    mine = manifest_of((make_subject(8, split="train"), make_subject(0, split="test")))
    document = {LEARNED: learned_of(mine).to_json(), BEFORE: lineage(DOCUMENT)}
    again = {LEARNED: learned_of(mine).to_json(), BEFORE: lineage(document)}
    assert whom_its_models_saw(DOCUMENT) == []
    for tuned, count in ((document, 1), (again, 2)):
        before = whom_its_models_saw(tuned)
        assert len(before) == count
        with pytest.raises(LeakageError, match=f"learned from subject {0:016x}"):
            for learned in before:
                check_unseen(WORKDIR, learned, NEW, mine, mine.subjects_of(split="test"))
