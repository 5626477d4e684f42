"""Folds by subject, from the table of subjects to the records of one fold."""

import json

import pytest

from data_tools import build_dataset, pair_studies
from qsr_jax.data.records.open import DatasetError, config_name, open_records
from qsr_jax.data.studies.manifest import Manifest, ManifestError, parse_fold
from qsr_jax.data.studies.split import fold_subjects

PAPER = {f"h{i:03d}": "healthy" for i in range(151)} | {f"p{i}": "patient" for i in range(7)}


@pytest.mark.parametrize("folds", [2, 3, 5, 10])
@pytest.mark.parametrize("validation", [0.0, 0.05, 0.1])
def test_every_healthy_subject_tests_once_and_patients_always(folds, validation):
    splits = fold_subjects(0, PAPER, folds=folds, validation_fraction=validation)
    assert splits.keys() == PAPER.keys()
    for name, parts in splits.items():
        assert len(parts) == folds
        assert parts.count("test") == (folds if name[0] == "p" else 1)
    for fold in range(folds):
        tests = sum(v[fold] == "test" for k, v in splits.items() if k[0] == "h")
        assert tests in (151 // folds, 151 // folds + 1)
        chosen = sum(v[fold] == "validation" for v in splits.values())
        assert chosen == round(validation * 158)


def test_order_of_listing_does_not_matter_and_the_seed_does():
    def deal(groups, seed):
        return fold_subjects(seed, groups, folds=5, validation_fraction=0.1)

    assert list(deal(PAPER, 0).items()) == list(deal(dict(reversed(PAPER.items())), 0).items())
    assert deal(PAPER, 0) != deal(PAPER, 1)
    assert set(fold_subjects(0, PAPER, folds=0, validation_fraction=0).values()) == {()}


@pytest.mark.parametrize(("folds", "validation", "reason"), [
    (1, 0, "1 folds of 151"), (-1, 0, "-1 folds"), (152, 0, "152 folds of 151"),
    (2, 0.5, "nobody to train on"),
])  # fmt: skip
def test_impossible_folds_are_refused(folds, validation, reason):
    with pytest.raises(ValueError, match=reason):
        fold_subjects(0, PAPER, folds=folds, validation_fraction=validation)


@pytest.mark.parametrize("text", ["3", "0/5", "6/5", "1/1", "a/b", "1/5/2", ""])
def test_what_is_no_fold_is_refused(text):
    with pytest.raises(ManifestError, match="expected k/n"):
        parse_fold(text)


def test_config_names_of_folds():
    assert parse_fold("3/5") == (3, 5)
    assert (config_name("t1", None), config_name("pd", "3/5")) == ("t1", "pd_fold3of5")


def test_a_fold_goes_from_the_manifest_to_its_records(tree, tmp_path, capsys):
    out, data_dir = tmp_path / "m.json", tmp_path / "d"
    pair_studies.main(["--dicom", str(tree), "--out", str(out), "--folds", "2"])
    build_dataset.main(["--manifest", str(out), "--data_dir", str(data_dir), "--fold", "2/2"])
    manifest = Manifest.load(out)
    fold = manifest.in_fold("2/2")
    assert manifest.in_fold(None) is manifest
    assert fold.fingerprint not in (manifest.fingerprint, manifest.in_fold("1/2").fingerprint)
    for split in ("train", "test"):
        records = open_records(data_dir, "t1", split, fold="2/2")
        assert records.fingerprint == fold.fingerprint
        subjects = [p.subject for p in fold.subjects_of(split=split)]
        assert [records[i]["subject"] for i in range(0, len(records), 3)] == subjects
    tests = [
        {p.subject for p in manifest.in_fold(f"{k}/2").subjects_of(split="test")} for k in (1, 2)
    ]
    patient = {p.subject for p in manifest.subjects_of(group="patient")}
    assert tests[0] & tests[1] == patient
    assert tests[0] | tests[1] == {p.subject for p in manifest.subjects}
    with pytest.raises(DatasetError, match="no dataset here"):
        open_records(data_dir, "t1", "train")
    with pytest.raises(SystemExit, match="2 folds; pair with --folds 5"):
        build_dataset.main(["--manifest", str(out), "--data_dir", str(data_dir), "--fold", "3/5"])
    assert "t1_fold2of2" in capsys.readouterr().out
    card = json.loads((data_dir / "qmri_pairs/t1_fold2of2/4.0.0/card.json").read_text())
    assert card["metadata"]["fold"] == "2/2"
    assert card["subjects"]["test"]["patient"] == 1
