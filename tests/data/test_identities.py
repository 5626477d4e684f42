"""One person is one subject: copies, padded and nearly equal identifiers, two people under one."""

import dataclasses
import json
import shutil

import numpy as np
import pydicom
import pytest
from dicom_factory import CANARY, write_subject

from data_tools import convert, inspect_dicom, pair_studies
from qsr_jax.data.dicom import read_series
from qsr_jax.data.dicom.identity import identity_of
from qsr_jax.data.dicom.people import likeness_key
from qsr_jax.data.studies.entry import check_leakage
from qsr_jax.data.studies.manifest import Manifest, ManifestError
from qsr_jax.files.digest import values_digest


def pair(tree, *flags, kind="--dicom"):
    out = tree.parent / f"m{len(list(tree.parent.glob('m*.json')))}.json"
    salt = ["--salt-file", str(tree.parent / "salt")]
    pair_studies.main([kind, str(tree), "--out", str(out), "--test-fraction", "0", *salt, *flags])
    return Manifest.load(out)


def rewritten(folder, edit):
    for path in sorted(folder.rglob("*.dcm")):
        ds = pydicom.dcmread(path)
        edit(path, ds)
        ds.save_as(path)


def renamed(patient_id):
    """Another PatientID and other UIDs, as a second registration of the same scan has."""

    def edit(path, ds):
        ds.PatientID = patient_id
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
            ds[keyword].value = f"{ds[keyword].value}.9"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.9"

    return edit


@pytest.fixture
def two(tmp_path):
    """Two subjects, and a copy of the first one under another PatientID."""
    tree = tmp_path / "tree"
    for seed, name in enumerate(("ann", "bob")):
        write_subject(tree / name, seed=seed)
    shutil.copytree(tree / "ann", tree / "copy")
    rewritten(tree / "copy", renamed("someone else"))
    return tree


def test_the_same_values_under_two_patient_ids_are_refused_both(two, capsys):
    manifest = pair(two)
    assert {s.maps["t1"].folders["fast"].split("/")[0] for s in manifest.subjects} == {"bob"}
    reasons = {item["what"]: item["reason"] for item in manifest.refused}
    assert "has a scan of copy, value by value" in reasons["ann"]
    assert "has a scan of ann, value by value" in reasons["copy"]
    assert "someone else" not in capsys.readouterr().out
    assert len(pair(two, "--exclude", "copy").subjects) == 2


def test_one_shared_map_is_enough(two):
    shutil.rmtree(two / "copy")
    shutil.copytree(two / "ann", two / "copy")
    rewritten(two / "copy", renamed("someone else"))

    def nudge(path, ds):
        if path.parent.name != "routine_pd":
            ds.PixelData = (ds.pixel_array + (ds.pixel_array > 0)).astype("<u2").tobytes()

    rewritten(two / "copy", nudge)
    assert {item["what"] for item in pair(two).refused} == {"ann", "copy"}


def test_values_do_not_depend_on_files_format_or_orientation(two, tmp_path):
    """DICOM to NIfTI in other units, rows turned round: the digest stays."""
    dicom = pair(two, "--exclude", "copy")
    raw = tmp_path / "raw"
    for subject in dicom.subjects:
        name = subject.maps["t1"].folders["fast"].split("/")[0]
        for key, pair_ in subject.maps.items():
            for side, folder in pair_.folders.items():
                stem = {"t1": "T1map", "t2": "T2map", "pd": "PDmap"}[key]
                out = raw / f"sub-{name}" / "anat" / f"sub-{name}_acq-{side}_{stem}.nii.gz"
                out.parent.mkdir(parents=True, exist_ok=True)
                convert.main(["--input", str(two / folder), "--output", str(out)])
    bids = pair(raw, kind="--bids")
    digests = [
        sorted(v for s in manifest.subjects for p in s.maps.values() for v in p.values.values())
        for manifest in (dicom, bids)
    ]
    assert digests[0] == digests[1] and len(set(digests[0])) == 12
    stored = np.random.default_rng(0).integers(0, 60000, (3, 8, 8)).astype(np.uint16)
    assert values_digest(stored) == values_digest(stored[::-1, :, ::-1].swapaxes(1, 2))


def test_spaces_around_a_patient_id_mean_nothing(tmp_path):
    """LO, PS3.5 6.2: " P1" and "P1 " are one subject, here with two studies."""
    tree = tmp_path / "tree"
    write_subject(tree / "first", seed=0, subject="x")
    write_subject(tree / "second", seed=1, subject="y")
    rewritten(tree / "first", lambda _, ds: setattr(ds, "PatientID", "P1 "))
    rewritten(tree / "second", lambda _, ds: setattr(ds, "PatientID", "  P1"))
    path = next((tree / "second").rglob("*.dcm"))
    assert identity_of(path).patient_id == read_series(path.parent).patient_id == "P1"
    manifest = pair(tree)
    assert manifest.count() == 1 and len(manifest.subjects) == 2


@pytest.mark.parametrize(("one", "other"), [
    ("0012", "12"), ("P1", "p1"), ("P-1", "P 01"), ("MÜLLER_3", "müller3"),
])  # fmt: skip
def test_identifiers_that_may_be_one_person_are_alike(one, other):
    assert likeness_key(one) == likeness_key(other)


@pytest.mark.parametrize(("one", "other"), [("12", "21"), ("1-12", "11-2"), ("P1", "Q1")])
def test_other_identifiers_are_not(one, other):
    assert likeness_key(one) != likeness_key(other)


def test_nearly_equal_identifiers_are_flagged_without_being_shown(tmp_path, capsys):
    tree = tmp_path / "tree"
    for seed, (name, patient) in enumerate({"a": "P007", "b": "p7", "c": "P8"}.items()):
        write_subject(tree / name, seed=seed)
        rewritten(tree / name, lambda _, ds, patient=patient: setattr(ds, "PatientID", patient))
    manifest = pair(tree)
    (flag,) = manifest.flagged
    assert flag["what"] == "a and b"
    assert "zeros in front" in flag["reason"]
    assert len(manifest.subjects) == 3
    printed = capsys.readouterr().out
    assert "flagged  a and b: their PatientIDs differ in case" in printed
    inspect_dicom.main([str(tree)])
    printed += capsys.readouterr().out
    assert "a/fast_pd and b/fast_pd: their PatientIDs differ" in printed
    assert "P007" not in printed + json.dumps([dict(item) for item in manifest.flagged])


def test_two_people_under_one_patient_id_are_told_by_attribute_alone(tmp_path, capsys):
    tree = tmp_path / "tree"
    for seed, name in enumerate(("a", "b")):
        write_subject(tree / name, seed=seed)

    def edit(path, ds):
        ds.PatientName = "Doe^Jane" if "fast" in str(path) else "DOE^JANE^^"
        ds.PatientBirthDate = "19700101" if "pd" in path.parent.name else "19700102"
        ds.PatientSex = "F" if "t1" in path.parent.name else ""

    rewritten(tree / "b", edit)
    (flag,) = pair(tree).flagged
    assert flag["what"] == "b"
    assert flag["reason"].startswith("PatientBirthDate (0010,0030) differs between")
    inspect_dicom.main([str(tree)])
    printed = capsys.readouterr().out
    assert "; PatientBirthDate (0010,0030) differs between series of one PatientID" in printed
    assert "1970" not in printed
    rewritten(tree / "a", lambda path, ds: setattr(ds, "PatientName", path.parent.name))
    rewritten(tree / "a", lambda path, ds: setattr(ds, "PatientSex", path.parent.name[0].upper()))
    told = {item["what"]: item["reason"] for item in pair(tree).flagged}
    assert told["a"].startswith("PatientName (0010,0010) and PatientSex (0010,0040) differ")


def test_a_manifest_with_a_shared_scan_is_refused(two, tmp_path):
    manifest = pair(two, "--exclude", "copy")
    one, other = manifest.subjects
    values = other.maps["t2"].values | {"fast": one.maps["t1"].values["fast"]}
    shared = dataclasses.replace(
        other, maps={**other.maps, "t2": dataclasses.replace(other.maps["t2"], values=values)}
    )
    with pytest.raises(ManifestError, match="share a scan, value by value"):
        check_leakage((one, shared), where=tmp_path)


def test_named_subjects(two):
    flags = ("--exclude", "copy", "--test", "ann")
    tested = {s.maps["t1"].folders["fast"][:3]: s.split for s in pair(two, *flags).subjects}
    assert tested == {"ann": "test", "bob": "train"}
    by_id = pair(two, "--exclude", "copy", "--validation", f"{CANARY}-bob")
    assert {s.split for s in by_id.subjects} == {"train", "validation"}


@pytest.mark.parametrize(("flags", "reason"), [
    (("--test", "nobody"), "--test nobody: is the PatientID or the top folder of 0 subjects"),
    (("--test", "ann", "--validation", "ann"), "--validation ann: named for two splits"),
])  # fmt: skip
def test_names_that_do_not_fit_are_refused(two, flags, reason):
    with pytest.raises(SystemExit, match=f"error: {reason}"):
        pair(two, "--exclude", "copy", *flags)
