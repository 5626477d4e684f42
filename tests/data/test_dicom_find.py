"""What a tree holds: series folders, and everything else by name."""

import os
import pickle

from dicom_factory import write_series

from qsr_jax.data.dicom import SeriesFiles, find_series, named_tag, owner_of, read_series
from qsr_jax.data.dicom.errors import DicomInputError


def test_every_file_is_a_series_or_ignored(tmp_path):
    write_series(tmp_path / "p" / "a")
    write_series(tmp_path / "p" / "b")
    for path in (tmp_path / "p" / "b").iterdir():
        path.rename(path.with_suffix(""))
    for name in ("participants.tsv", "p/a/.DS_Store", "p/note.txt"):
        (tmp_path / name).write_text("x")
    for name in ("__MACOSX", ".hidden"):
        write_series(tmp_path / name / "ghost")
    (tmp_path / "link").symlink_to(tmp_path / "p", target_is_directory=True)
    os.mkfifo(tmp_path / "pipe")
    found = find_series(tmp_path)
    assert [s.place.relative_to(tmp_path).as_posix() for s in found.series] == ["p/a", "p/b"]
    ignored = {p.relative_to(tmp_path).as_posix() for p in found.ignored}
    assert ignored == {"participants.tsv", "p/a/.DS_Store", "p/note.txt", "link", "pipe"} | {
        "__MACOSX",
        ".hidden",
    }


def test_links_inside_the_series_folder_are_followed(tmp_path):
    folder = write_series(tmp_path / "s")
    (folder / "000.dcm").rename(folder / ".store")
    (folder / "000.dcm").symlink_to(folder / ".store")
    assert read_series(folder).volume.maps.shape[0] == 5


def test_owner_is_patient_and_study(tmp_path):
    patient, study = owner_of(SeriesFiles(write_series(tmp_path / "s"), ()))
    assert patient == "CANARY-ID"
    assert study == read_series(tmp_path / "s").study_uid


def test_error_carries_path_keyword_and_tag(tmp_path):
    error = DicomInputError(tmp_path, "RescaleSlope", "missing")
    assert error.tag == (0x0028, 0x1053)
    assert str(error) == f"{tmp_path}: RescaleSlope (0028,1053): missing"
    assert DicomInputError(tmp_path, "file", "gone").tag is None
    assert named_tag("PixelData") == "PixelData (7FE0,0010)"


def test_error_says_got_expected_and_why_and_travels_between_processes(tmp_path):
    error = DicomInputError(tmp_path, "Rows", "is it cut?", expected="16", got="8")
    assert error.why == "8, expected 16; is it cut?"
    assert (error.got, error.expected) == ("8", "16")
    copy = pickle.loads(pickle.dumps(error))
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)
