"""The catalogue of bad series: each is refused by file and tag, each good one read exactly."""

import os
import shutil
import struct

import numpy as np
import pytest
from dicom_factory import (
    CANARY,
    SIDE,
    SLICES,
    SLOPE,
    make_slices,
    save,
    stored_slice,
    write_series,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless, generate_uid

from qsr_jax.data.dicom import DicomInputError, find_series, read_series
from qsr_jax.data.dicom.header import Header

GOOD_T1 = np.stack([stored_slice(i) for i in range(SLICES)]) * SLOPE


def each(keyword, value):
    def edit(slices):
        for ds in slices:
            setattr(ds, keyword, value)

    return edit


def one(index, keyword, value):
    def edit(slices):
        setattr(slices[index], keyword, value)

    return edit


def without(index, keyword):
    def edit(slices):
        for ds in slices if index is None else [slices[index]]:
            delattr(ds, keyword)

    return edit


def move(index, shift):
    def edit(slices):
        position = np.array(slices[index].ImagePositionPatient, float) + shift
        slices[index].ImagePositionPatient = [float(p) for p in position]

    return edit


def shear(slices):
    for index, ds in enumerate(slices):
        ds.ImagePositionPatient = [-40.0 + 2.0 * index, -50.0, -20.0 + 5.0 * index]


def drop(index):
    return lambda slices: slices.pop(index)


def same_place_other_pixels(slices):
    slices[4].ImagePositionPatient = slices[3].ImagePositionPatient


def wrapped_signed(slices):
    for index, ds in enumerate(slices):
        ds.PixelRepresentation = 1
        ds.PixelData = (stored_slice(index) + 30000).astype(np.int16).tobytes()


def rgb(slices):
    for ds in slices:
        ds.PhotometricInterpretation, ds.SamplesPerPixel = "RGB", 3
        ds.PlanarConfiguration = 0


def real_world(slope=SLOPE, unit="ms", **drop_key):
    def edit(slices):
        for ds in slices:
            units, item = Dataset(), Dataset()
            units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
            item.MeasurementUnitsCodeSequence = Sequence([units])
            item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 0.0
            for keyword in drop_key:
                delattr(item, keyword)
            ds.RealWorldValueMappingSequence = Sequence([item])

    return edit


def syntax(uid):
    def edit(slices):
        for ds in slices:
            ds.file_meta.TransferSyntaxUID = uid
            ds.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
            ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True

    return edit


def rename(folder):
    order = [3, 0, 4, 2, 1]
    for source, target in enumerate(order):
        (folder / f"{source:03d}.dcm").rename(folder / f"x{target}")


def in_file(index, old, new):
    def edit_files(folder):
        path = folder / f"{index:03d}.dcm"
        content = path.read_bytes()
        assert content.count(old) == 1, content.count(old)
        path.write_bytes(content.replace(old, new))

    return edit_files


def cut(folder):
    path = folder / "003.dcm"
    path.write_bytes(path.read_bytes()[: -SIDE * SIDE])


def other_file(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def copy_of_one(folder):
    shutil.copy(folder / "003.dcm", folder / "008.dcm")


def bare(folder):
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[132:])


def corrupt_rle(folder):
    path = folder / "003.dcm"
    content = bytearray(path.read_bytes())
    start = content.index(struct.pack("<I", 2) + struct.pack("<I", 64))
    content[start + 64 : start + 80] = b"\x7f" * 16
    path.write_bytes(bytes(content))


def compress(slices):
    for ds in slices:
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)


def implicit(folder):
    for index, ds in enumerate(make_slices()):
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
        save(ds, folder / f"{index:03d}.dcm")


def pipe(folder):
    os.mkfifo(folder / "999.dcm")


def link_out(folder):
    outside = folder.parent / "outside.dcm"
    outside.write_bytes((folder / "000.dcm").read_bytes())
    (folder / "999.dcm").symlink_to(outside)


def link_to_nothing(folder):
    (folder / "999.dcm").symlink_to(folder / "gone.dcm")


def huge(folder):
    with (folder / "000.dcm").open("r+b") as file:
        file.truncate(65 * 2**20)


def deep(folder):
    """A thousand sequences inside each other, at the end of a file."""
    level = b"\x08\x00\x12\x21SQ\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with (folder / "000.dcm").open("ab") as file:
        file.write(level * 3000)


def empty(folder):
    for path in folder.iterdir():
        path.unlink()


# (case, edit of datasets, edit of files, keyword at fault, file at fault or None for the folder)
REFUSED = [
    ("04 gap", drop(2), None, "ImagePositionPatient", "002.dcm"),
    ("05 exact duplicate", None, copy_of_one, "SOPInstanceUID", "008.dcm"),
    ("06 duplicate position", same_place_other_pixels, None, "ImagePositionPatient", "004.dcm"),
    ("07 mixed series", one(4, "SeriesInstanceUID", "2.25.1"), None, "SeriesInstanceUID", "004"),
    ("07 mixed study", one(4, "StudyInstanceUID", "2.25.1"), None, "StudyInstanceUID", "004.dcm"),
    ("08 bundle", each("ImageType", ["DERIVED", "PRIMARY", "MULTI_QMAP", "T1", "T2", "PD"]), None,
     "ImageType", "000.dcm"),
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
    ("23 jpeg-ls", syntax("1.2.840.10008.1.2.4.80"), None, "TransferSyntaxUID", "000.dcm"),
    ("24 j2k", syntax("1.2.840.10008.1.2.4.90"), None, "TransferSyntaxUID", "000.dcm"),
    ("25 lossy jpeg-ls", syntax("1.2.840.10008.1.2.4.81"), None, "TransferSyntaxUID", "000.dcm"),
    ("25 lossy flag", each("LossyImageCompression", "01"), None, "LossyImageCompression", "000"),
    ("26 truncated pixels", None, cut, "PixelData", "003.dcm"),
    ("27 zero bytes", None, other_file("999.dcm", b""), "file", "999.dcm"),
    ("28 text file", None, other_file("999.dcm", b"hello" * 50), "file", "999.dcm"),
    ("29 no pixels", without(3, "PixelData"), None, "PixelData", "003.dcm"),
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
    ("42 burned in", each("BurnedInAnnotation", "YES"), None, "BurnedInAnnotation", "000.dcm"),
    ("44 claims 60000", lambda s: [setattr(d, k, 60000) for d in s for k in ("Rows", "Columns")],
     None, "Rows", "000.dcm"),
    ("45 corrupt stream", compress, corrupt_rle, "PixelData", "003.dcm"),
    ("46 no preamble", None, bare, "file", "000.dcm"),
    ("47 rows lie", each("Rows", SIDE // 2), None, "PixelData", "000.dcm"),
    ("48 frames lie", each("NumberOfFrames", 3), None, "NumberOfFrames", "000.dcm"),
    ("49 non-square", each("PixelSpacing", [3.4375, 1.71875]), None, "PixelSpacing", "000.dcm"),
    ("P10 seconds by unit", real_world(unit="s"), None, "RealWorldValueMappingSequence", "000"),
    ("P10 seconds by value", each("RescaleSlope", "0.0001"), None, "PixelData", "000.dcm"),
    ("P11 two slopes", real_world(slope=0.2), None, "RealWorldValueMappingSequence", "000.dcm"),
    ("P11 no slope", real_world(RealWorldValueSlope=0), None, "RealWorldValueMappingSequence", "0"),
    ("M1 enhanced", each("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4.1"), None,
     "SOPClassUID", "000.dcm"),
    ("M1 damaged class", None, in_file(0, b"1.1.4\0\x08\0\x18", b"1.1.!\0\x08\0\x18"),
     "SOPClassUID", "000.dcm"),
    ("M1 unknown class", each("SOPClassUID", "2.25.77"), None, "SOPClassUID", "000.dcm"),
    ("M4 big endian", syntax("1.2.840.10008.1.2.2"), None, "TransferSyntaxUID", "000.dcm"),
    ("M4 deflated", syntax("1.2.840.10008.1.2.1.99"), None, "TransferSyntaxUID", "000.dcm"),
    ("M4 unregistered", None, in_file(0, b"1.2.840.10008.1.2.1\0", b"2.25.99999999999999\0"),
     "TransferSyntaxUID", "000.dcm"),
    ("M7 pipe", None, pipe, "file", "999.dcm"),
    ("M7 link out", None, link_out, "file", "999.dcm"),
    ("M7 dangling link", None, link_to_nothing, "file", "999.dcm"),
    ("M8 myelin", each("ImageType", ["DERIVED", "PRIMARY", "MYC", "T1"]), None, "ImageType", "000"),
    ("M8 weighted", each("ImageType", ["ORIGINAL", "PRIMARY", "T1"]), None, "ImageType", "000.dcm"),
    ("M8 no image type", without(None, "ImageType"), None, "ImageType", "000.dcm"),
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
    ("8 bit", each("BitsAllocated", 8), None, "BitsAllocated", "000.dcm"),
    ("signedness missing", without(None, "PixelRepresentation"), None,
     "PixelRepresentation", "000.dcm"),
]  # fmt: skip


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
    with pytest.raises(DicomInputError) as caught:
        read_series(folder)
    error = caught.value
    assert error.keyword == keyword
    assert error.path == folder if not name else error.path.name.startswith(name.split(".")[0])
    assert (error.tag is None) == (keyword == "file")
    assert str(error).startswith(f"{error.path}: {keyword}")
    assert CANARY not in str(error).replace(str(tmp_path), "")
    assert not caplog.text
    assert not any(word in str(error) for word in ("2.25.", "19700101", "20260101"))


def values(stored, slope=SLOPE, intercept=0.0):
    return np.asarray(stored) * slope + intercept


def slopes_differ(slices):
    for index, ds in enumerate(slices):
        ds.RescaleSlope = ["0.1", "0.2"][index % 2]


def intercept(slices):
    each("RescaleIntercept", "25.5")(slices)


def unsigned_large(slices):
    for index, ds in enumerate(slices):
        ds.PixelData = (stored_slice(index) + 35000).astype("<u2").tobytes()


def signed(slices):
    each("PixelRepresentation", 1)(slices)


def overlay_bits(slices):
    for index, ds in enumerate(slices):
        ds.BitsStored, ds.HighBit = 14, 13
        ds.PixelData = (stored_slice(index) | 0xC000).astype("<u2").tobytes()


def litter(folder):
    for name in (".DS_Store", "Thumbs.db", "DICOMDIR", "desktop.ini"):
        (folder / name).write_bytes(b"litter")
    (folder / "sub").mkdir()


LARGE = np.stack([stored_slice(i) for i in range(SLICES)]) + 35000.0
ACCEPTED = [
    ("00 good", None, None, GOOD_T1),
    ("01 shuffled names", None, rename, GOOD_T1),
    ("02 reversed numbers", lambda s: [setattr(d, "InstanceNumber", 9 - i) for i, d in
                                       enumerate(s)], None, GOOD_T1),
    ("03 constant number", each("InstanceNumber", 1), None, GOOD_T1),
    ("09 slope per slice", slopes_differ, None, GOOD_T1 * np.array([1, 2, 1, 2, 1])[:, None, None]),
    ("15 intercept", intercept, None, GOOD_T1 + 25.5),
    ("16 over 32767", unsigned_large, None, LARGE * SLOPE),
    ("18 bits above BitsStored", overlay_bits, None, GOOD_T1),
    ("22 rle", compress, None, GOOD_T1),
    ("signed in range", signed, None, GOOD_T1),
    ("implicit little endian", None, implicit, GOOD_T1),
    ("real world values agree", real_world(), None, GOOD_T1),
    ("counts several images per slice", each("ImagesInAcquisition", 8 * SLICES), None, GOOD_T1),
    ("M5 unknown character set", each("SpecificCharacterSet", "ISO_IR 999"), None, GOOD_T1),
    ("M6 litter", None, litter, GOOD_T1),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Unknown encoding")  # pydicom, while the factory writes
@pytest.mark.parametrize(
    ("case", "edit", "edit_files", "expected"), ACCEPTED, ids=[row[0] for row in ACCEPTED]
)
def test_good_series_are_read_exactly(tmp_path, case, edit, edit_files, expected):
    series = read_series(write_series(tmp_path / "series", edit, edit_files=edit_files))
    np.testing.assert_array_equal(series.volume.maps[..., 0], expected.astype(np.float32))
    assert series.map_name == "t1"
    assert series.volume.geometry.origin_mm == (-40.0, -50.0, -20.0)
    assert series.volume.geometry.spacing_mm == (5.0, 3.4375, 3.4375)


@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("flip_y", [False, True])
def test_43_turned_images_come_out_in_one_orientation(tmp_path, flip_x, flip_y):
    """The same head, stored with rows and columns the other way round, is the same volume."""

    def turn(slices):
        extent = (SIDE - 1) * 3.4375
        for index, ds in enumerate(slices):
            pixels = stored_slice(index)[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
            ds.PixelData = np.ascontiguousarray(pixels).tobytes()
            x, y, z = (float(v) for v in ds.ImagePositionPatient)
            ds.ImagePositionPatient = [x + extent * flip_x, y + extent * flip_y, z]
            ds.ImageOrientationPatient = [1 - 2 * flip_x, 0, 0, 0, 1 - 2 * flip_y, 0]

    series = read_series(write_series(tmp_path / "series", turn))
    np.testing.assert_array_equal(series.volume.maps[..., 0], GOOD_T1.astype(np.float32))
    geometry = series.volume.geometry
    assert geometry.row_dir == (1.0, 0.0, 0.0)
    assert geometry.col_dir == (0.0, 1.0, 0.0)
    np.testing.assert_allclose(geometry.origin_mm, (-40.0, -50.0, -20.0))
    assert [path.name for path in series.files] == [f"{i:03d}.dcm" for i in range(SLICES)]


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


def test_digest_follows_the_files(tmp_path):
    first = read_series(write_series(tmp_path / "a"))
    again = read_series(write_series(tmp_path / "b"))
    other = read_series(write_series(tmp_path / "c", one(2, "SOPInstanceUID", generate_uid())))
    assert first.sha256 == again.sha256 != other.sha256


def test_real_files_are_read_or_refused(test_data):
    """Vendor files of all kinds: nothing but DicomInputError ever comes out."""
    refused = []
    for folder in find_series(test_data("dicom")).folders:
        for path in (folder, *folder.iterdir()):
            try:
                if path == folder:
                    assert read_series(path).volume.maps.size
                elif path.is_file():
                    header = Header(path)
                    header.check_image()
                    assert header.stored_pixels().ndim == 2
            except DicomInputError as error:
                refused.append(error.keyword)
    assert {"TransferSyntaxUID", "SOPClassUID", "ImageType", "PixelSpacing"} <= set(refused)


def test_real_encodings_agree(test_data):
    names = ("MR_small.dcm", "MR_small_implicit.dcm", "MR_small_RLE.dcm")
    first, *others = (Header(test_data("dicom/pydicom") / n).stored_pixels() for n in names)
    for other in others:
        np.testing.assert_array_equal(first, other)
