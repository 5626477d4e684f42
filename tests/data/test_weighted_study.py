"""Studies of T1w, T2w and FLAIR: found by their times, refused by what they are, on one grid."""

import numpy as np
import pytest
from dicom_edits import as_spin_echo
from dicom_factory import SIDE, SLICES, save, write_series
from multiframe_factory import holding, make_frames
from pydicom.uid import generate_uid

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.data.dicom.contrasts import read_weighted
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.studies.weighted_study import (
    StudyError,
    parse_times,
    read_dicom_study,
)

TIMES = {
    "t1w": {"RepetitionTime": 600, "EchoTime": 15},
    "t2w": {"RepetitionTime": 4500, "EchoTime": 100},
    "flair": {"RepetitionTime": 11000, "EchoTime": 140, "InversionTime": 2800},
}
STATED = parse_times("600,4500,11000", "15,100,140", "2800")


def series(folder, name, **changes):
    """A series of one study; ``changes`` of attributes, None leaves one out."""

    def edit(slices):
        for number, ds in enumerate(slices):
            as_spin_echo(ds, folder, number)
            del ds.RescaleSlope, ds.RescaleIntercept
            for keyword, value in (TIMES[name] | changes).items():
                if value is not None:
                    setattr(ds, keyword, value)

    return write_series(folder, edit)


@pytest.fixture
def study(tmp_path):
    for name in CONTRASTS:
        series(tmp_path / name, name)
    return tmp_path


def test_a_study_is_found_by_its_times(study):
    read = read_dicom_study(study)
    np.testing.assert_array_equal(read.acquisition_ms, STATED)
    assert read.images.shape == (SLICES, SIDE, SIDE, 3) == (*read.geometry.shape, 3)
    assert read.images.dtype == np.float32 and read.notes == ()
    np.testing.assert_array_equal(read.images[..., 0], read.images[..., 2])  # the same pixels
    assert read.source.map_name == "t2w" and len(read.source.files) == SLICES
    assert len(set(read.sha256.values())) == 3
    named = read_dicom_study({name: study / name for name in CONTRASTS}, grid="flair")
    np.testing.assert_array_equal(named.images, read.images)
    assert named.source.map_name == "flair"


def test_rescale_is_taken_where_it_is_said(study):
    series(study.with_name("other"), "t2w", RescaleSlope="2.5", RescaleIntercept="10")
    plain, _ = read_weighted(study / "t2w", "t2w")
    scaled, timing = read_weighted(study.with_name("other"), "t2w")
    np.testing.assert_allclose(scaled.volume.maps, 2.5 * plain.volume.maps + 10)
    assert (timing.tr_ms, timing.te_ms, np.isnan(timing.ti_ms)) == (4500, 100, True)
    with pytest.raises(ValueError, match="contrast 'pd' is not one of t1w, t2w, flair"):
        read_weighted(study / "t2w", "pd")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("flair", {"InversionTime": None, "SeriesDescription": "Ax T2 FLAIR"}, "without Inversion"),
        ("flair", {"InversionTime": None, "ScanningSequence": ["SE", "IR"]}, "without Inversion"),
        ("flair", {"InversionTime": 150}, "inverted at 150 ms; FLAIR nulls fluid"),
        ("t1w", {"RepetitionTime": 2000, "InversionTime": 860, "EchoTime": 10}, "a T1-FLAIR"),
        ("t1w", {"SeriesDescription": "sag T1 FLAIR"}, "a T1-FLAIR"),
        ("t1w", {"ScanningSequence": ["GR", "IR"], "InversionTime": 900}, "such as MPRAGE"),
        ("t1w", {"SequenceName": "*tfl3d1_16"}, "such as MPRAGE"),
        ("t1w", {"ContrastBolusAgent": "GADOLINIUM"}, "after a contrast agent"),
        ("t1w", {"EchoTime": 50}, "TR 600 and TE 50 ms are neither"),
        ("t2w", {"EchoTime": None}, "missing"),
    ],
)
def test_another_kind_of_scan_is_refused_with_the_reason(tmp_path, name, changes, message):
    for one in CONTRASTS:
        series(tmp_path / one, one, **(changes if one == name else {}))
    with pytest.raises(StudyError, match=f"none is {name}.*{message}"):
        read_dicom_study(tmp_path)
    if message != "missing":
        with pytest.raises(StudyError, match=f"given as {name}, but is .*{message}"):
            read_dicom_study({one: tmp_path / one for one in CONTRASTS})


def multiframe(folder, *, tr, te, **modifier):
    """One enhanced file, its times in functional groups as the standard has them."""
    ds = make_frames()
    ds.SeriesInstanceUID = ds.SOPInstanceUID = generate_uid(entropy_srcs=[folder.name])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.EchoPulseSequence = "SPIN"
    shared = ds.SharedFunctionalGroupsSequence[0]
    shared.MRTimingAndRelatedParametersSequence = [holding(RepetitionTime=tr)]
    shared.MREchoSequence = [holding(EffectiveEchoTime=te)]
    shared.MRModifierSequence = [holding(**modifier)]
    folder.mkdir()
    save(ds, folder / "enhanced.dcm")
    return folder


def test_multi_frame_files_say_their_times_in_functional_groups(tmp_path):
    multiframe(tmp_path / "a", tr=600.0, te=15.0, InversionRecovery="NO")
    multiframe(tmp_path / "b", tr=4500.0, te=100.0, InversionRecovery="NO")
    flair = {"InversionRecovery": "YES", "InversionTimes": 2800.0}
    multiframe(tmp_path / "c", tr=11000.0, te=140.0, **flair)
    study = read_dicom_study(tmp_path)
    np.testing.assert_array_equal(study.acquisition_ms, STATED)
    assert len(study.source.frames) == SLICES
    multiframe(tmp_path / "d", tr=11000.0, te=140.0, InversionRecovery="YES")
    (tmp_path / "c" / "enhanced.dcm").unlink()
    with pytest.raises(StudyError, match="FLAIR without InversionTime"):
        read_dicom_study(tmp_path)


def test_two_of_a_kind_are_not_chosen_between(study):
    series(study / "again", "t2w")
    with pytest.raises(StudyError, match=r"2 are t2w \(again, t2w\)"):
        read_dicom_study(study)
    with pytest.raises(StudyError, match="given as t1w, but is t2w"):
        read_dicom_study({"t1w": study / "again", "t2w": study / "t2w", "flair": study / "flair"})
    with pytest.raises(StudyError, match="series for t1w; expected t1w, t2w, flair"):
        read_dicom_study({"t1w": study / "t1w"})
    with pytest.raises(StudyError, match="4 series, expected that of t1w alone"):
        read_dicom_study(dict.fromkeys(CONTRASTS, study))


@pytest.mark.parametrize("keyword", ["PatientID", "StudyInstanceUID"])
def test_series_of_two_people_or_studies_are_refused(tmp_path, keyword):
    for name in CONTRASTS:
        series(tmp_path / name, name, **({keyword: "1.2.3"} if name == "flair" else {}))
    with pytest.raises(StudyError, match="different PatientID or StudyInstanceUID") as error:
        read_dicom_study(tmp_path)
    assert "1.2.3" not in str(error.value)


def test_a_repositioned_patient_is_told(tmp_path):
    for name in CONTRASTS:
        series(tmp_path / name, name, **({"FrameOfReferenceUID": "1.2"} if name == "t1w" else {}))
    assert "FrameOfReferenceUID" in read_dicom_study(tmp_path).notes[0]


def test_what_cannot_be_is_refused(study, tmp_path):
    with pytest.raises(ValueError, match="grid 'pd', register 'none'; expected one of t1w"):
        read_dicom_study(study, grid="pd")

    def move(slices):
        for ds in slices:
            x, y, z = ds.ImagePositionPatient
            ds.ImagePositionPatient = [400.0 + x, y, z]
            ds.SeriesInstanceUID = "1.2.9"
            for keyword, value in TIMES["t1w"].items():
                setattr(ds, keyword, value)

    far = write_series(tmp_path / "off", move)
    with pytest.raises(StudyError, match="t1w and t2w share no place"):
        read_dicom_study({"t1w": far, "t2w": study / "t2w", "flair": study / "flair"})


def test_images_that_are_no_magnitude_are_refused(tmp_path):
    negative = series(tmp_path / "phase", "t2w", RescaleSlope="1", RescaleIntercept="-4096")
    with pytest.raises(DicomInputError, match="negative values; expected a magnitude image"):
        read_weighted(negative, "t2w")

    def empty(slices):
        for ds in slices:
            ds.PixelData = bytes(len(ds.PixelData))
            ds.RepetitionTime, ds.EchoTime = 4500, 100

    with pytest.raises(DicomInputError, match="the image is empty"):
        read_weighted(write_series(tmp_path / "empty", empty), "t2w")
