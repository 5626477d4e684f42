"""The catalogue of bad series: each is refused by file and tag."""

import pytest
from dicom_edits import (
    JPEG_LS,
    RLE,
    bare,
    copy_of_one,
    corrupt_after,
    corrupt_rle,
    cut,
    deep,
    drop,
    each,
    empty,
    huge,
    in_file,
    j2k,
    link_out,
    link_to_nothing,
    move,
    one,
    other_file,
    pipe,
    real_world,
    rgb,
    same_place_other_pixels,
    scanner_bits,
    shear,
    syntax,
    without,
    wrapped_signed,
)
from dicom_factory import CANARY, SIDE, SLICES, set_stored, stored_slice, write_series
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless

from qsr_jax.data.dicom import DicomInputError, read_series

# (case, edit of datasets, edit of files, keyword at fault, file at fault or None for the folder)
REFUSED = [
    ("04 gap", drop(2), None, "ImagePositionPatient", "002.dcm"),
    ("05 exact duplicate", None, copy_of_one, "SOPInstanceUID", "008.dcm"),
    ("06 duplicate position", same_place_other_pixels, None, "ImagePositionPatient", "004.dcm"),
    ("07 mixed series", one(4, "SeriesInstanceUID", "2.25.1"), None, "SeriesInstanceUID", "004"),
    ("07 mixed study", one(4, "StudyInstanceUID", "2.25.1"), None, "StudyInstanceUID", "004.dcm"),
    ("08 bundle that names no maps",
     each("ImageType", ["DERIVED", "PRIMARY", "MULTI_QMAP", "T1", "T2", "PD"]), None,
     "RealWorldValueMappingSequence", "000.dcm"),
    ("08 two layouts", one(3, "ImageType", ["DERIVED", "PRIMARY", "QMAP", "T1"]), None,
     "ImageType", "003.dcm"),
    ("08 two maps, no bundle", one(3, "ImageType", ["DERIVED", "PRIMARY", "T2"]), None,
     "ImageType", "003.dcm"),
    ("10 slope missing once", without(3, "RescaleSlope"), None, "RescaleSlope", "003.dcm"),
    ("11 slope missing", without(None, "RescaleSlope"), None, "RescaleSlope", "000.dcm"),
    ("11 intercept missing", without(2, "RescaleIntercept"), None, "RescaleIntercept", "002.dcm"),
    ("12 slope zero", one(2, "RescaleSlope", "0"), None, "RescaleSlope", "002.dcm"),
    ("13 slope negative", one(2, "RescaleSlope", "-0.1"), None, "RescaleSlope", "002.dcm"),
    ("14 slope text", None, in_file(2, b"DS\x04\x000.10", b"DS\x04\x00N/A "),
     "RescaleSlope", "002.dcm"),
    ("17 wrapped signed", wrapped_signed, None, "PixelData", "000.dcm"),
    ("19 high bit", each("BitsStored", 12), None, "HighBit", "000.dcm"),
    ("20 monochrome1", each("PhotometricInterpretation", "MONOCHROME1"), None,
     "PhotometricInterpretation", "000.dcm"),
    ("21 rgb", rgb, None, "PhotometricInterpretation", "000.dcm"),
    ("24 j2k that may be lossy", syntax("1.2.840.10008.1.2.4.91"), None,
     "TransferSyntaxUID", "000.dcm"),
    ("24 jpeg baseline", syntax("1.2.840.10008.1.2.4.50"), None, "TransferSyntaxUID", "000.dcm"),
    ("25 lossy jpeg-ls", syntax("1.2.840.10008.1.2.4.81"), None, "TransferSyntaxUID", "000.dcm"),
    ("25 lossy flag", each("LossyImageCompression", "01"), None, "LossyImageCompression", "000"),
    ("26 truncated pixels", None, cut, "PixelData", "003.dcm"),
    ("27 zero bytes", None, other_file("999.dcm", b""), "file", "999.dcm"),
    ("28 text file", None, other_file("999.dcm", b"hello" * 50), "file", "999.dcm"),
    ("29 no pixels", without(3, "PixelData"), None, "PixelData", "003.dcm"),
    ("29 empty pixels", one(3, "PixelData", b""), None, "PixelData", "003.dcm"),
    ("29 pixels that are text", lambda s: s[3].add_new("PixelData", "UT", "x" * 512), None,
     "PixelData", "003.dcm"),
    ("30 rows differ", lambda s: setattr(s[3], "Rows", 8), None, "Rows", "003.dcm"),
    ("31 spacing differs", one(3, "PixelSpacing", [1, 1]), None, "PixelSpacing", "003.dcm"),
    ("32 spacing missing", without(None, "PixelSpacing"), None, "PixelSpacing", "000.dcm"),
    ("33 spacing zero", each("PixelSpacing", [0, 0]), None, "PixelSpacing", "000.dcm"),
    ("34 localizer", one(3, "ImageOrientationPatient", [1, 0, 0, 0, 0, -1]), None,
     "ImageOrientationPatient", "003.dcm"),
    ("35 not orthonormal", each("ImageOrientationPatient", [1, 0, 0, 0.1, 1, 0]), None,
     "ImageOrientationPatient", "000.dcm"),
    ("36 position missing", without(None, "ImagePositionPatient"), None,
     "ImagePositionPatient", "000.dcm"),
    ("36 position of two", one(1, "ImagePositionPatient", [1, 2]), None,
     "ImagePositionPatient", "001.dcm"),
    ("36 position of words",
     lambda s: s[1].add_new("ImagePositionPatient", "LO", ["a", "b", "c"]), None,
     "ImagePositionPatient", "001.dcm"),
    ("37 sheared", shear, None, "ImagePositionPatient", "004.dcm"),
    ("38 frame differs", one(3, "FrameOfReferenceUID", "2.25.1"), None,
     "FrameOfReferenceUID", "003.dcm"),
    ("38 frame missing", without(None, "FrameOfReferenceUID"), None,
     "FrameOfReferenceUID", "000.dcm"),
    ("39 uneven", move(2, [0, 0, 0.8]), None, "ImagePositionPatient", "002.dcm"),
    ("40 patient differs", one(3, "PatientID", f"{CANARY}-OTHER"), None, "PatientID", "003.dcm"),
    ("41 synthetic", each("ImageType", ["DERIVED", "PRIMARY", "T1", "SYNTHETIC"]), None,
     "ImageType", "000.dcm"),
    ("41 T1W_SYNTHETIC", each("ImageType", ["DERIVED", "PRIMARY", "T1W_SYNTHETIC"]), None,
     "ImageType", "000.dcm"),
    ("41 ImageType that swallowed the name",
     lambda s: s[0].add_new("ImageType", "LO", ["DERIVED", f"{CANARY}^NAME"]), None,
     "ImageType", "000.dcm"),
    ("42 burned in", each("BurnedInAnnotation", "YES"), None, "BurnedInAnnotation", "000.dcm"),
    ("44 claims 60000", lambda s: [setattr(d, k, 60000) for d in s for k in ("Rows", "Columns")],
     None, "Rows", "000.dcm"),
    ("45 corrupt rle", RLE, corrupt_rle, "PixelData", "003.dcm"),
    ("45 corrupt jpeg-ls", JPEG_LS, corrupt_after(b"\xff\xd8"), "PixelData", "003.dcm"),
    ("45 corrupt j2k", j2k, corrupt_after(b"\xff\x4f"), "PixelData", "003.dcm"),
    ("45 no codestream", syntax(JPEG2000Lossless), None, "PixelData", "000.dcm"),
    ("46 no preamble", None, bare, "file", "000.dcm"),
    ("47 rows lie", each("Rows", SIDE // 2), None, "PixelData", "000.dcm"),
    ("48 frames lie", each("NumberOfFrames", 3), None, "NumberOfFrames", "000.dcm"),
    ("49 non-square", each("PixelSpacing", [3.4375, 1.71875]), None, "PixelSpacing", "000.dcm"),
    ("P10 seconds by unit", real_world(unit="s"), None, "RealWorldValueMappingSequence", "000"),
    ("P10 seconds by value", each("RescaleSlope", "0.0001"), None, "PixelData", "000.dcm"),
    ("P11 two slopes", real_world(slope=0.2), None, "RealWorldValueMappingSequence", "000.dcm"),
    ("P11 no slope", real_world(RealWorldValueSlope=0), None, "RealWorldValueMappingSequence", "0"),
    ("M1 enhanced by name only", each("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4.1"), None,
     "NumberOfFrames", "000.dcm"),
    ("M1 another modality", each("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"), None,
     "SOPClassUID", "000.dcm"),
    ("M1 damaged class", None, in_file(0, b"1.1.4\0\x08\0\x18", b"1.1.!\0\x08\0\x18"),
     "SOPClassUID", "000.dcm"),
    ("M1 unknown class", each("SOPClassUID", "2.25.77"), None, "SOPClassUID", "000.dcm"),
    ("M4 unregistered", None, in_file(0, b"1.2.840.10008.1.2.1\0", b"2.25.99999999999999\0"),
     "TransferSyntaxUID", "000.dcm"),
    ("M7 pipe", None, pipe, "file", "999.dcm"),
    ("M7 link out", None, link_out, "file", "999.dcm"),
    ("M7 dangling link", None, link_to_nothing, "file", "999.dcm"),
    ("M8 myelin", each("ImageType", ["DERIVED", "PRIMARY", "MYC", "T1"]), None, "ImageType", "000"),
    ("M8 weighted", each("ImageType", ["ORIGINAL", "PRIMARY", "T1"]), None, "ImageType", "000.dcm"),
    ("M8 no image type", without(None, "ImageType"), None, "ImageType", "000.dcm"),
    ("M8 encrypted", each("ImageType", ["DERIVED", "PRIMARY", "MULTI_QMAP", "ENCRYPTED", "T1"]),
     None, "ImageType", "000.dcm"),
    ("M9 all zero", lambda s: [set_stored(d, 0 * stored_slice(0)) for d in s], None,
     "PixelData", "000.dcm"),
    ("M9 saturated", scanner_bits, None, "PixelData", "000.dcm"),
    ("M10 too large", None, huge, "file", "000.dcm"),
    ("M10 deep", None, deep, "file", "000.dcm"),
    ("no files", None, empty, "file", ""),
    ("one slice", lambda s: s.__delitem__(slice(1, None)), None, "ImagePositionPatient", "000.dcm"),
    ("every other slice", lambda s: [setattr(d, "SpacingBetweenSlices", 2.5) for d in s], None,
     "SpacingBetweenSlices", "000.dcm"),
    ("last slice lost", each("ImagesInAcquisition", SLICES + 1), None,
     "ImagesInAcquisition", "000.dcm"),
    ("lookup table", each("ModalityLUTSequence", Sequence([Dataset()])), None,
     "ModalityLUTSequence", "000.dcm"),
    ("two kinds of pixels", each("FloatPixelData", b"\0" * 1024), None,
     "FloatPixelData", "000.dcm"),
    ("8 bit", each("BitsAllocated", 8), None, "BitsAllocated", "000.dcm"),
    ("signedness missing", without(None, "PixelRepresentation"), None,
     "PixelRepresentation", "000.dcm"),
]  # fmt: skip


def state_of(folder):
    """Everything a reader could have changed: names, sizes, times, contents."""
    return {
        path: (path.lstat().st_size, path.lstat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize(
    ("case", "edit", "edit_files", "keyword", "name"),
    REFUSED,
    ids=[row[0] for row in REFUSED],
)
def test_bad_series_are_refused_by_file_and_tag(
    tmp_path, caplog, case, edit, edit_files, keyword, name
):
    folder = write_series(tmp_path / "series", edit, edit_files=edit_files)
    caplog.clear()
    before = state_of(tmp_path)
    with pytest.raises(DicomInputError) as caught:
        read_series(folder)
    assert state_of(tmp_path) == before
    error = caught.value
    assert error.keyword == keyword
    assert error.path == folder if not name else error.path.name.startswith(name.split(".")[0])
    assert (error.tag is None) == (keyword == "file")
    assert str(error).startswith(f"{error.path}: {keyword}")
    assert CANARY not in str(error).replace(str(tmp_path), "")
    assert not caplog.text
    assert not any(word in str(error) for word in ("2.25.", "19700101", "20260101"))


def test_46_a_file_without_its_head_is_told(tmp_path):
    folder = write_series(tmp_path / "series", edit_files=bare)
    with pytest.raises(DicomInputError, match="000.dcm: file: no File Meta Information"):
        read_series(folder)


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(DicomInputError, match="no such folder"):
        read_series(tmp_path / "nowhere")


def test_unreadable_file_is_refused(tmp_path, monkeypatch):
    folder = write_series(tmp_path / "series")

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(DicomInputError, match="Permission denied"):
        read_series(folder)
