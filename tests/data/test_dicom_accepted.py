"""The catalogue of good series: each is read exactly, and in one orientation."""

import numpy as np
import pytest
from dicom_edits import GOOD_T1, JPEG_LS, RLE, each, encoded, j2k, one, real_world, rename
from dicom_factory import SIDE, SLICES, SLOPE, set_stored, stored_slice, write_series
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

from qsr_jax.data.dicom import read_series


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


def test_digest_follows_the_files(tmp_path):
    first = read_series(write_series(tmp_path / "a"))
    again = read_series(write_series(tmp_path / "b"))
    other = read_series(write_series(tmp_path / "c", one(2, "SOPInstanceUID", generate_uid())))
    assert first.sha256 == again.sha256 != other.sha256
