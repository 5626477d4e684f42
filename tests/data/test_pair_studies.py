"""The door that pairs a tree: refusals are listed, groups, splits and salt do as they are told."""

import json

import pytest
from dicom_factory import CANARY, write_subject
from pairing_edits import on_side

from data_tools import pair_studies
from qsr_jax.data import dicom
from qsr_jax.data.studies.manifest import Manifest

ALL_TRAIN = ("--test-fraction", "0")


@pytest.fixture
def mixed_tree(tmp_path):
    """Two good subjects and one of each kind of trouble."""
    tree = tmp_path / "tree"
    for seed, name in enumerate(("good-1", "good-2")):
        write_subject(tree / name, seed=seed)
    write_subject(tree / "no-t2", seed=3, skip=("fast_t2",))
    write_subject(tree / "torn", seed=4)
    (tree / "torn" / "fast_pd" / "002.dcm").unlink()
    write_subject(tree / "odd", seed=5, change=on_side("fast", patient_id=f"{CANARY}-else"))
    write_subject(tree / "twice-a", seed=6, subject="twice")
    write_subject(tree / "twice-b", seed=7, subject="twice")
    (tree / "notes").mkdir()
    (tree / "notes" / "readme.txt").write_text("x")
    (tree / "notes" / "broken.dcm").write_text("x")
    return tree


def test_door_lists_refusals_and_goes_on(mixed_tree, capsys):
    out = mixed_tree.parent / "m.json"
    pair_studies.main(["--dicom", str(mixed_tree), "--out", str(out), *ALL_TRAIN])
    manifest = Manifest.load(out)
    assert len(manifest.subjects) == 2
    folders = {pair.folders["fast"] for p in manifest.subjects for pair in p.maps.values()}
    assert {folder.split("/")[0] for folder in folders} == {"good-1", "good-2"}
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert "T2: 1 readable series" in reasons["no-t2"]
    assert "PD: 1 readable series" in reasons["torn"]
    assert "SpacingBetweenSlices (0018,0088): 5 mm" in reasons["torn/fast_pd"]
    assert reasons["notes"].startswith("notes/broken.dcm: file: ")
    assert "PatientID (0010,0020) differs in one study" in reasons["odd"]
    assert "T1: 4 readable series" in reasons["twice-a, twice-b"]
    assert str(mixed_tree) not in json.dumps(manifest.refused)
    assert "6 refused" in capsys.readouterr().out


def test_rows_of_the_participants_table_decide_the_group(tmp_path, tree):
    rows = {
        line.split("\t")[0]: line.split("\t")[1]
        for line in (tree / "participants.tsv").read_text().splitlines()[1:]
    }
    out = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(out), *ALL_TRAIN])
    for subject in Manifest.load(out).subjects:
        assert subject.group == rows[subject.maps["t1"].folders["fast"].split("/")[0]]
        assert subject.split == "test" or subject.group == "healthy"


@pytest.mark.parametrize(("table", "reason"), [
    ("participant_id\tsex\nsub-001\tF\n", "column group is missing"),
    ("participant_id\tgroup\nsub-001\tsick\n", ":2: group is not one of"),
    ("participant_id\tgroup\nsub-001\thealthy\nsub-001\thealthy\n", ":3: participant_id comes"),
    ("participant_id\tgroup\nnobody\thealthy\n", "no subject has three whole pairs.*0 groups"),
])  # fmt: skip
def test_bad_participants_tables(tmp_path, tree, table, reason):
    path = tmp_path / "p.tsv"
    path.write_text(table)
    with pytest.raises(SystemExit, match=f"(?s)error: .*{reason}"):
        pair_studies.main(
            [
                "--dicom",
                str(tree),
                "--out",
                str(tmp_path / "m.json"),
                "--participants",
                str(path),
                *ALL_TRAIN,
            ]
        )
    assert not (tmp_path / "m.json").exists()


def splits_by_folder(manifest):
    return {p.maps["t1"].folders["fast"]: p.split for p in manifest.subjects}


def test_split_and_order_do_not_depend_on_the_salt(tmp_path, tree):
    manifests = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.json"
        pair_studies.main(["--dicom", str(tree), "--out", str(out), "--seed", "3"])
        manifests.append(Manifest.load(out))
    first, second = manifests
    assert list(splits_by_folder(first).items()) == list(splits_by_folder(second).items())
    assert not {p.subject for p in first.subjects} & {p.subject for p in second.subjects}
    assert first.fingerprint != second.fingerprint


def test_the_same_salt_gives_the_same_manifest(tmp_path, tree, capsys):
    salt, texts = tmp_path / "salt", []
    for name in ("a", "b"):
        arguments = ["--dicom", str(tree), "--out", str(tmp_path / f"{name}.json"), *ALL_TRAIN]
        pair_studies.main([*arguments, "--salt-file", str(salt)])
        texts.append((tmp_path / f"{name}.json").read_text())
    assert texts[0] == texts[1]
    assert salt.stat().st_mode & 0o777 == 0o600
    pair_studies.main([*arguments, "--salt-file", str(salt)])
    assert "exists and is the same" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="exists and differs"):
        pair_studies.main([*arguments, "--salt-file", str(salt), "--test", "sub-001"])
    assert (tmp_path / "b.json").read_text() == texts[1]


@pytest.mark.parametrize("text", ["", "not hex", "abcd"])
def test_a_weak_salt_is_refused(tmp_path, tree, text):
    salt = tmp_path / "salt"
    salt.write_text(text)
    with pytest.raises(SystemExit, match="32 bytes in hex"):
        pair_studies.main(
            [
                "--dicom",
                str(tree),
                "--out",
                str(tmp_path / "m.json"),
                "--salt-file",
                str(salt),
                *ALL_TRAIN,
            ]
        )


def test_no_tree_and_no_subjects_are_errors(tmp_path):
    (tmp_path / "empty").mkdir()
    for tree, reason in ((tmp_path / "gone", "no such"), (tmp_path / "empty", "No series")):
        with pytest.raises(SystemExit, match=reason):
            pair_studies.main(["--dicom", str(tree), "--out", str(tmp_path / "m" / "m.json")])


def test_a_folder_is_no_manifest(tmp_path, tree):
    with pytest.raises(SystemExit, match="is a folder; expected the manifest's file, such as"):
        pair_studies.main(["--dicom", str(tree), "--out", str(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_truth_must_belong_to_the_study(tmp_path):
    tree = tmp_path / "tree"
    for seed, (name, uid) in enumerate(
        {"right": dicom.make_uid("study right"), "wrong": "2.25.1", "torn": None}.items()
    ):
        write_subject(tree / name, seed=seed)
        (tree / name / "truth").mkdir()
        (tree / name / "truth" / "truth.json").write_text(
            json.dumps({"study_uid": uid} if uid else [])
        )
    out = tmp_path / "m.json"
    pair_studies.main(["--dicom", str(tree), "--out", str(out), *ALL_TRAIN])
    manifest = Manifest.load(out)
    assert [subject.truth for subject in manifest.subjects] == ["right/truth"]
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert "another study" in reasons["wrong"]
    assert "study_uid cannot be read" in reasons["torn"]


def test_two_truths_for_one_subject_are_refused(tmp_path):
    write_subject(tmp_path / "tree" / "a", seed=0)
    for name in ("a", "b"):
        (tmp_path / "tree" / name / "truth").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "fast_t1").rename(tmp_path / "tree" / "b" / "fast_t1")
    with pytest.raises(SystemExit, match="2 truth folders beside one subject"):
        pair_studies.main(["--dicom", str(tmp_path / "tree"), "--out", str(tmp_path / "m.json")])


def test_a_manifest_that_cannot_be_written_leaves_nothing(tmp_path, tree, monkeypatch):
    out, salt = tmp_path / "new" / "m.json", tmp_path / "salt"
    salt.write_text("ab" * 32)

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(SystemExit, match=r"m\.json.* could not be written \(No space left"):
        pair_studies.main(
            ["--dicom", str(tree), "--out", str(out), "--salt-file", str(salt), *ALL_TRAIN]
        )
    assert not list(out.parent.iterdir())


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        pair_studies.main(["--help"])
    assert caught.value.code == 0
    assert "(default: 0.2)" in capsys.readouterr().out
