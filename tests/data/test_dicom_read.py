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
    set_stored,
    stored_slice,
    write_series,
)
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from qsr_jax.data.dicom import DicomInputError, read_series

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


def corrupt_after(mark):
    def edit_files(folder):
        path = folder / "003.dcm"
        content = bytearray(path.read_bytes())
        start = content.rindex(mark) + len(mark)
        content[start : start + 24] = b"\xff" * 24
        path.write_bytes(bytes(content))

    return edit_files


def compress(uid, plugin):
    def edit(slices):
        for ds in slices:
            ds.compress(uid, encoding_plugin=plugin, generate_instance_uid=False)

    return edit


RLE = compress(RLELossless, "pydicom")
JPEG_LS = compress(JPEGLSLossless, "pyjpegls")


def j2k(slices):
    """Sixteen times each image, because the encoder wants a side of 32 at least."""
    for index, ds in enumerate(slices):
        set_stored(ds, np.tile(stored_slice(index), (4, 4)))
    compress(JPEG2000Lossless, "pylibjpeg")(slices)


def encoded(uid):
    """The same series in another uncompressed transfer syntax."""

    def edit_files(folder):
        for index, ds in enumerate(make_slices()):
            ds.file_meta.TransferSyntaxUID = uid
            if uid == ExplicitVRBigEndian:
                ds.PixelData = stored_slice(index).astype(">u2").tobytes()
            save(ds, folder / f"{index:03d}.dcm")

    return edit_files


def scanner_bits(slices):
    """A quarter of a slice at the largest number that 12 bits hold."""
    for ds in slices:
        ds.BitsStored, ds.HighBit = 12, 11
        pixels = np.full((SIDE, SIDE), 1000, np.uint16)
        pixels[: SIDE // 4] = 4095
        ds.PixelData = pixels.tobytes()


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


def padded(slices):
    """The first two columns hold a padding value that would be 6300 ms."""
    for index, ds in enumerate(slices):
        pixels = stored_slice(index)
        pixels[:, :2] = [63000, 63001]
        set_stored(ds, pixels)
        ds.add_new("PixelPaddingValue", "SS", 63000 - 65536)
        ds.add_new("PixelPaddingRangeLimit", "SS", 63001 - 65536)


def empty_slice(slices):
    set_stored(slices[0], 0 * stored_slice(0))


def litter(folder):
    for name in (".DS_Store", "Thumbs.db", "DICOMDIR", "desktop.ini"):
        (folder / name).write_bytes(b"litter")
    (folder / "sub").mkdir()
    (folder / "__MACOSX").mkdir()


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
    ("22 rle", RLE, None, GOOD_T1),
    ("23 jpeg-ls", JPEG_LS, None, GOOD_T1),
    ("24 j2k", j2k, None, np.tile(GOOD_T1, (1, 4, 4))),
    ("24 j2k, signed", lambda s: [signed(s), j2k(s)], None, np.tile(GOOD_T1, (1, 4, 4))),
    ("08 bundle of one map", each("ImageType", ["DERIVED", "PRIMARY", "MULTI_QMAP", "T1"]), None,
     GOOD_T1),
    ("signed in range", signed, None, GOOD_T1),
    ("M3 padding", padded, None, GOOD_T1 * (np.arange(SIDE) > 1)),
    ("M4 implicit little endian", None, encoded(ImplicitVRLittleEndian), GOOD_T1),
    ("M4 big endian", None, encoded(ExplicitVRBigEndian), GOOD_T1),
    ("M4 deflated", None, encoded(DeflatedExplicitVRLittleEndian), GOOD_T1),
    ("M9 one empty slice", empty_slice, None, GOOD_T1 * np.array([0, 1, 1, 1, 1])[:, None, None]),
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


def test_the_whole_catalogue_is_walked():
    """Cases 00 to 49, of which 43 has a test of its own, and M1 to M10; M2 lies with the frames."""
    walked = {row[0].split()[0] for row in (*REFUSED, *ACCEPTED)}
    numbered = {f"{number:02d}" for number in range(50)} - {"43"}
    further = {f"M{number}" for number in range(1, 11)} - {"M2"}
    assert numbered | further <= walked
    must_be_accepted = {"00", "01", "02", "03", "09", "15", "16", "18", "22", "23", "24"}
    assert must_be_accepted <= {row[0].split()[0] for row in ACCEPTED}


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


def test_digest_follows_the_files(tmp_path):
    first = read_series(write_series(tmp_path / "a"))
    again = read_series(write_series(tmp_path / "b"))
    other = read_series(write_series(tmp_path / "c", one(2, "SOPInstanceUID", generate_uid())))
    assert first.sha256 == again.sha256 != other.sha256
