"""What archives export: all files in one folder, one series in two, copies, a renamed DICOMDIR."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest
from dicom_factory import make_slices, save, write_series, write_subject
from exports import flattened
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from data_tools import convert, deidentify, inspect_dicom, pair_studies
from qsr_jax.data.dicom import (
    DicomInputError,
    find_series,
    make_uid,
    place_text,
    placed,
    read_series,
    survey,
)
from qsr_jax.data.dicom.identity import identity_of
from qsr_jax.data.dicom.series_rules import PROTOCOLS
from qsr_jax.data.nifti.files import read_nifti
from qsr_jax.data.studies.case import load_case
from qsr_jax.data.studies.manifest import Manifest


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Two subjects in folders, and the same files in one."""
    root = tmp_path_factory.mktemp("exports")
    for seed in (1, 2):
        write_subject(root / "folders" / f"sub-{seed}", seed=seed)
    flattened(root / "folders", root / "flat" / "export")
    return root


def paired(tree, out, *flags):
    pair_studies.main(["--dicom", str(tree), "--out", str(out), "--test-fraction", "0", *flags])
    return Manifest.load(out)


def test_a_flat_export_is_sorted_by_pairing_and_read_again(trees, tmp_path):
    salt = ["--salt-file", str(tmp_path / "salt")]
    flat = paired(trees / "flat", tmp_path / "flat.json", *salt)
    tidy = paired(trees / "folders", tmp_path / "tidy.json", *salt)
    assert [s.subject for s in flat.subjects] == [s.subject for s in tidy.subjects]
    for mine, theirs in zip(flat.subjects, tidy.subjects, strict=True):
        np.testing.assert_array_equal(
            load_case(flat, mine).routine.maps, load_case(tidy, theirs).routine.maps
        )


def test_a_flat_export_is_sorted_by_inspection_and_deidentification(trees, tmp_path, capsys):
    inspect_dicom.main([str(trees / "flat"), "--json"])
    held = json.loads(capsys.readouterr().out)
    assert [item["status"] for item in held] == ["accepted"] * 12
    deidentify.main(["--input", str(trees / "flat"), "--output", str(tmp_path / "clean")])
    assert "2 subjects, 12 series" in capsys.readouterr().out
    assert len(paired(tmp_path / "clean", tmp_path / "m.json").subjects) == 2
    (tmp_path / "table.tsv").write_text("participant_id\tgroup\nsub-1\thealthy\n")
    with pytest.raises(SystemExit, match="in no folder: participants table gives 0 groups"):
        paired(trees / "flat" / "export", tmp_path / "n.json",
               "--participants", str(tmp_path / "table.tsv"))  # fmt: skip


def test_any_file_of_a_flat_export_stands_for_its_series(trees, tmp_path):
    flat = trees / "flat" / "export"
    with pytest.raises(SystemExit, match="12 series .*name one of them"):
        convert.main(["--input", str(flat), "--output", str(tmp_path / "x.nii.gz")])
    one = find_series(flat).series[0]
    for number, path in enumerate(one.files):
        out = tmp_path / f"{number}.nii.gz"
        convert.main(["--input", str(path), "--output", str(out)])
        np.testing.assert_array_equal(read_nifti(out)[0], read_nifti(tmp_path / "0.nii.gz")[0])
    assert read_nifti(out)[0].shape[0] == len(one.files) == 3


def test_headers_are_streamed(tmp_path):
    """The walk and the reading of a folder need a small part of what it holds."""
    root = tmp_path / "flat"
    root.mkdir()
    for series in range(40):
        for number, ds in enumerate(make_slices()):
            ds.SeriesInstanceUID = make_uid(str(series))
            ds.PixelData, ds.Rows, ds.Columns = bytes(2 * 128 * 128), 128, 128
            ds["PixelData"].VR = "OW"
            save(ds, root / f"{series:02d}{number}")
    size = sum(path.stat().st_size for path in root.iterdir())
    tracemalloc.start()
    found = survey(root, protocols=PROTOCOLS, known=lambda path: "")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 40
    assert most < size / 4, f"{most} bytes for {size}"


def halves(folder):
    """One series in two folders, and another one that is whole."""
    write_series(folder / "visit" / "a")
    (folder / "visit" / "b").mkdir()
    for name in ("003", "004"):
        (folder / "visit" / "a" / f"{name}.dcm").rename(folder / "visit" / "b" / f"{name}.dcm")
    return folder


@pytest.mark.parametrize("above", ["", "deep/er"])
def test_one_series_in_two_folders_is_one_series(tmp_path, above):
    root = tmp_path / "tree"
    (one,) = find_series(halves(root / above)).series
    assert len(one.files) == 5
    text = place_text(one.place, one.files, root)
    assert text == "/./".join(filter(None, [f"{above}/visit".lstrip("/"), "a/000.dcm"]))
    assert read_series(placed(text, root)).volume.maps.shape[0] == 5


def test_halves_right_below_the_tree_are_found_again(tmp_path):
    root = halves(tmp_path) / "visit"
    (one,) = find_series(root).series
    text = place_text(one.place, one.files, root)
    assert text == "./a/000.dcm"
    assert placed(text, root).files == one.files


def test_a_split_series_is_paired_and_read_again(tmp_path):
    scan = write_subject(tmp_path / "tree" / "sub", seed=1)
    (scan / "more").mkdir()
    (scan / "fast_t1" / "003.dcm").rename(scan / "more" / "003.dcm")
    manifest = paired(tmp_path / "tree", tmp_path / "m.json")
    (subject,) = manifest.subjects
    assert subject.maps["t1"].folders["fast"] == "sub/./fast_t1/001.dcm"
    assert load_case(manifest, subject).fast.maps.shape[0] == 3


def test_a_copy_is_a_series_of_its_own(tmp_path):
    write_series(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert [one.place.name for one in find_series(tmp_path).series] == ["a", "b"]


@pytest.mark.parametrize("more", [[], ["--maps-only"]])
def test_a_copy_stays_one_without_the_subject(tmp_path, more):
    """Mixed with the first, neither could be read, and no --exclude could tell them apart."""
    write_series(tmp_path / "tree" / "a")
    shutil.copytree(tmp_path / "tree" / "a", tmp_path / "tree" / "b")
    deidentify.main(["--input", str(tmp_path / "tree"), "--output", str(tmp_path / "clean"), *more])
    made = [read_series(one) for one in sorted((tmp_path / "clean").glob("*/*"))]
    assert len(made) == 2
    assert made[0].sha256 == made[1].sha256


def test_a_file_stands_for_its_series(tmp_path):
    write_series(tmp_path / "a")
    series = read_series(tmp_path / "a" / "002.dcm")
    assert series.volume.maps.shape[0] == 5
    save(make_slices()[0], tmp_path / "a" / "005.dcm")  # a folder that changed is looked at again
    with pytest.raises(DicomInputError, match="SOPInstanceUID .*also in"):
        read_series(tmp_path / "a" / "002.dcm")


def test_one_uid_of_two_patients_in_one_folder_is_refused(tmp_path):
    def other(slices):
        slices[4].PatientID = "other"

    write_series(tmp_path / "a", other)
    (one,) = find_series(tmp_path).series
    with pytest.raises(DicomInputError, match="PatientID .*differs"):
        read_series(one)


def dicomdir(path):
    """The least that says it is a directory of a medium, under a name that does not."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    ds.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds.FileSetID = "EXPORT"
    ds.save_as(path, enforce_file_format=True)


def test_a_directory_under_another_name_is_no_series(trees, tmp_path, capsys):
    flat = shutil.copytree(trees / "flat" / "export", tmp_path / "flat")
    dicomdir(flat / "INDEX.dcm")
    inspect_dicom.main([str(flat)])
    assert "ignored   INDEX.dcm" in capsys.readouterr().out
    deidentify.main(["--input", str(flat), "--output", str(tmp_path / "clean")])
    assert "+ 1 that are no images" in capsys.readouterr().out


def test_damage_in_a_flat_folder_is_told_by_file(trees, tmp_path, capsys):
    flat = shutil.copytree(trees / "flat" / "export", tmp_path / "flat")
    (flat / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\1" * 64)
    (flat / "note.txt").write_text("hello")
    with pytest.raises(SystemExit) as stop:
        inspect_dicom.main([str(flat)])
    assert stop.value.code == inspect_dicom.SOMETHING_REFUSED
    text = capsys.readouterr().out
    assert "refused   broken.dcm" in text and "12 accepted, 2 refused" in text


def test_what_is_no_dicom_has_no_identity(tmp_path):
    (tmp_path / "x").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    assert identity_of(tmp_path / "x") is None
    assert identity_of(tmp_path) is None
    assert identity_of(tmp_path / "absent") is None
