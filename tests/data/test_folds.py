"""Folds by subject, from the table of subjects to the records of one fold."""

import json

import pytest

from data_tools import build_dataset, pair_studies
from qsr_jax.data.records.open import DatasetError, config_name, open_records
from qsr_jax.data.studies.manifest import Manifest, ManifestError, parse_fold


@pytest.mark.parametrize("text", ["3", "0/5", "6/5", "1/1", "a/b", "1/5/2", ""])
def test_what_is_no_fold_is_refused(text):
    with pytest.raises(ManifestError, match="expected k/n"):
        parse_fold(text)


def test_config_names_of_folds():
    assert parse_fold("3/5") == (3, 5)
    assert (config_name("t1", None), config_name("pd", "3/5")) == ("t1", "pd_fold3of5")


def test_a_fold_goes_from_the_manifest_to_its_records(tree, tmp_path, capsys):
    out, data_dir = tmp_path / "m.json", tmp_path / "d"
    pair_studies.main(
        ["--dicom", str(tree), "--out", str(out), "--folds", "2", "--test-fraction", "0"]
    )
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
