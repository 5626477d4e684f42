"""Small files that would become large, deep or endless: refused, with little memory and time."""

import io
import os
import struct
import time
import tracemalloc
import zlib

import pytest
from dicom_factory import SLICES, make_slices, save, write_series
from multiframe_factory import ENHANCED, make_frames
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from qsr_jax.data.dicom import DicomInputError, find_series, read_series

MOST_BYTES = 300 * 2**20
MOST_SECONDS = 20.0


def head(ds):
    """A file's bytes up to its pixels."""
    stream = io.BytesIO()
    del ds.PixelData
    ds.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def deflate_bomb(folder):
    """Two megabytes that inflate to 2 GiB: a private element of zeros behind a good dataset."""
    ds = make_slices()[0]
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(ds, folder / "000.dcm")
    content = (folder / "000.dcm").read_bytes()
    meta = content[: 132 + 12 + struct.unpack("<I", content[140:144])[0]]
    first = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = first.compress(b"\x09\x00\x10\x10OB\0\0" + struct.pack("<I", 2**31 - 2))
    again = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = again.compress(bytes(2**24)) + again.flush(zlib.Z_FULL_FLUSH)
    packed = start + first.flush(zlib.Z_FULL_FLUSH) + block * 2**7 + again.flush()
    (folder / "000.dcm").write_bytes(meta + packed)


def deflate_cut(folder):
    ds = make_slices()[0]
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save(ds, folder / "000.dcm")
    content = (folder / "000.dcm").read_bytes()
    (folder / "000.dcm").write_bytes(content[:-40])


def rle_claims(folder):
    """An RLE stream of a few bytes under a header of 65535 x 65535."""
    ds = make_slices()[0]
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    ds.Rows = ds.Columns = 65535
    save(ds, folder / "000.dcm")


def rle_claims_most(folder):
    """The largest image that a header may claim, over a stream of a few bytes."""
    for path in folder.iterdir():
        path.unlink()
    for index, ds in enumerate(make_slices()):
        ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
        ds.Rows = ds.Columns = 4096
        save(ds, folder / f"{index:03d}.dcm")


def frames_claim(number, side=16):
    def edit_files(folder):
        ds = make_frames(ENHANCED)
        ds.NumberOfFrames, ds.Rows, ds.Columns = number, side, side
        save(ds, folder / "000.dcm")

    return edit_files


def many_pixels(folder):
    ds = make_frames(ENHANCED)
    ds.Rows = ds.Columns = 4096
    save(ds, folder / "000.dcm")


def nested(depth, *, defined):
    """``depth`` sequences inside each other, with or without stated lengths, before the pixels."""
    tag = struct.pack("<HH", 0x0008, 0x2112)
    if defined:
        value = b""
        for _ in range(depth):
            item = b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value
            value = tag + b"SQ\0\0" + struct.pack("<I", len(item)) + item
    else:
        open_ended = b"\xff\xff\xff\xff"
        value = (tag + b"SQ\0\0" + open_ended + b"\xfe\xff\x00\xe0" + open_ended) * depth

    def edit_files(folder):
        ds = make_slices()[0]
        content = head(ds)
        at = content.index(b"\x08\x00\x60\x00CS")  # Modality follows the sequence's neighbours
        (folder / "000.dcm").write_bytes(content[:at] + value + content[at:])

    return edit_files


def claims_length(folder):
    """An element that says it has 4 GiB."""
    path = folder / "000.dcm"
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OW\0\0") + 8
    path.write_bytes(content[:at] + b"\xfe\xff\xff\xff" + content[at + 4 :])


BOMBS = [
    ("deflate bomb", deflate_bomb, "file"),
    ("deflate cut", deflate_cut, "file"),
    ("RLE 65535 x 65535", rle_claims, "Rows"),
    ("RLE 4096 x 4096", rle_claims_most, "PixelData"),
    ("2^31-1 frames", frames_claim(2**31 - 1), "NumberOfFrames"),
    ("frames and sides", many_pixels, "Rows"),
    ("length of 4 GiB", claims_length, "PixelData"),
    ("1000 open sequences", nested(1000, defined=False), "file"),
    ("5000 open sequences", nested(5000, defined=False), "file"),
    ("1000 closed sequences", nested(1000, defined=True), "PixelData"),
]


@pytest.mark.parametrize(("case", "edit_files", "keyword"), BOMBS, ids=[row[0] for row in BOMBS])
def test_bombs_are_refused_before_they_go_off(tmp_path, case, edit_files, keyword):
    folder = write_series(tmp_path / "series", edit_files=edit_files)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(DicomInputError) as caught:
        read_series(folder)
    seconds = time.process_time() - started
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.keyword == keyword
    assert caught.value.path.name == "000.dcm"
    assert peak < MOST_BYTES
    assert seconds < MOST_SECONDS


def test_a_loop_of_folders_ends(tmp_path):
    write_series(tmp_path / "tree" / "s")
    (tmp_path / "tree" / "s" / "again").symlink_to(tmp_path / "tree", target_is_directory=True)
    found = find_series(tmp_path / "tree")
    assert [one.place.name for one in found.series] == ["s"]
    assert [path.name for path in found.ignored] == ["again"]
    assert len(read_series(tmp_path / "tree" / "s").files) == SLICES


def test_folders_that_cannot_be_opened_are_refused_not_skipped(tmp_path, monkeypatch):
    write_series(tmp_path / "s")
    closed = tmp_path / "closed"
    closed.mkdir()
    really = os.scandir

    def scandir(path="."):
        if os.fspath(path) == os.fspath(closed):
            raise PermissionError(13, "Permission denied", os.fspath(closed))
        return really(path)

    monkeypatch.setattr("os.scandir", scandir)
    places = [one.place for one in find_series(tmp_path).series]
    assert places == [closed, tmp_path / "s"]
    monkeypatch.undo()

    def iterdir(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", iterdir)
    with pytest.raises(DicomInputError, match="closed: file: cannot be read .Permission denied"):
        read_series(closed)
