"""Every lossless syntax has one decoder, every other is refused, and a decoder may die."""

import base64
import importlib.util
import struct
import time

import numpy as np
import pytest
from dicom_factory import SLICES, SLOPE, make_slices, save, stored_slice, write_series
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import (
    AllTransferSyntaxes,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from qsr_jax.data.dicom import (
    DecodeWorker,
    DicomInputError,
    decoder_child,
    decoder_process,
    read_series,
)
from qsr_jax.data.dicom.decoder_process import DecodeError
from qsr_jax.data.dicom.syntaxes import CODECS, NATIVE, why_not

HTJ2K = (
    "/0//UQApQAAAAAAQAAAAEAAAAAAAAAAAAAAAEAAAABAAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB"
    "/1wAEyCIkJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAHkAAf+TwAAmF+UFB3QA"
    "AMAAEsAAEwD+AId0AGz+Aod0AMAAEsAAE4DeAAJ0ADTT/ACDVADAABPAABVA7u6gp8J1AJQpKSnAMYHstgDAACrgABaQ"
    "JEmS58Cnp6dCeACyMplMJpPJ/v2IQHv2IQHsugD/2Q=="
)
"""``stored_slice(0)``, made with imagecodecs 2026.3.6 (OpenJPH 0.26.3), ``reversible=True``."""
JPEG = (
    "/9j/xAAXAAEBAQEAAAAAAAAAAAAAAAAGBwMP/8MACxAAEAAQAQARAP/aAAgBAAAGAADhdvvvvvvvvvvvvvvvvWlq1a"
    + "tWrVq1atWrVq1bWlq1a" * 14
    + "tWrVq1atWrVq1aD/2Q=="
)
"""``stored_slice(0)`` as JPEG process 14, made with imagecodecs 2026.3.6 (liblj92)."""
ENDLESS = (
    "/9j/9wALEAAgACABAREA//gADQH//wASAEMBFABA/9oACAEBAAAAAAO3wNgXBMDwWCwOBwcHBwcDAwLeg4OHDhw4cOHD"
    "hw4cOHLSB0DIKgiDQSCQSCgoKCgoKBvBjAAgoKBAgQIECBAgQIECB0tIECBAgQQQQQQQQQQLgCCCCCCCCCCCCCCCBkso"
    "IIIIIIIIIQhCEEwBCEIQhCEIQhCEFVhCEIQhCEIQhCIHgERERERERERBFXREREREREREFgERJJJJJJBqskkkkkkkgsAk"
    "kkqqqCaqqqqqoHAKqqr4JqP/fA4D/3wTTf9+DgP/fBaT/3wcB/94LRf/eDgP/3BaD/9wcB//YLPf/2BgP/9BZz//QMB/"
    "/wLNf/8BgP9/BABp4AQBAEAgEAgEBAQEBAQEBACaMBAgQIECBAgQIECBAgBLT/9wMD//QWa//0GB/34GY/98GB//YGW/"
    "/0GB/34GU/98GB//YGS//0GB/34GQ/98GB//YGO//0GB/34GM/98GB//YGK//0GB/34GI/98GB//YGG//0GB/34GE/98"
    "GB//YGC//0GB/34GA/98GB//YAA="
)
"""A JPEG-LS stream of 32 x 32 that CharLS computes over for 15 s: fuzz_dicom, seed 5, file 8555."""
PIXELS = stored_slice(0)
LOSSY = "1.2.840.10008.1.2.4."


def test_every_syntax_has_one_named_decoder_or_is_refused():
    for uid in AllTransferSyntaxes:
        if uid not in (*NATIVE, *CODECS):
            assert "expected an uncompressed or lossless" in why_not(uid)
    lossy = [LOSSY + end for end in ("50", "51", "81", "91", "203")]
    assert not {*NATIVE, *CODECS} & set(lossy)


def function_of(uid):
    """The function that pydicom calls when it is asked for our plugin."""
    plugin = CODECS[uid].plugin
    if plugin != "pylibjpeg":
        return get_decoder(uid)._available[plugin]
    from pydicom.pixels.decoders.pylibjpeg import _DECODERS

    (function,) = _DECODERS[uid].values()
    return function


CHOSEN = {
    RLELossless: "pydicom.pixels.decoders.rle",
    JPEGLSLossless: "pydicom.pixels.decoders.pyjpegls",
    JPEG2000Lossless: "openjpeg.utils",
    HTJ2KLossless: "openjpeg.utils",
    HTJ2KLosslessRPCL: "openjpeg.utils",
}


@pytest.mark.parametrize("uid", CHOSEN, ids=lambda uid: uid.name)
def test_the_chosen_decoder_is_the_one_in_the_table(uid):
    assert function_of(uid).__module__ == CHOSEN[uid]
    assert CODECS[uid].plugin != "gdcm"


def request(uid, content, **changes):
    return {
        "syntax": str(uid),
        "plugin": CODECS[uid].plugin,
        "frames": 1,
        "rows": 16,
        "columns": 16,
        "bits_stored": 16,
        "pixel_representation": 0,
        "bytes": len(content),
        "cpu_seconds": 60.0,
        **changes,
    }


def streams():
    """Syntax and encapsulated pixels of ``stored_slice(0)``."""
    ds = make_slices()[0]
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    yield RLELossless, ds.PixelData
    ds = make_slices()[0]
    ds.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    yield JPEGLSLossless, ds.PixelData
    for uid in (HTJ2KLossless, HTJ2KLosslessRPCL):
        yield uid, encapsulate([base64.b64decode(HTJ2K)])
    if importlib.util.find_spec("libjpeg"):
        yield JPEGLossless, encapsulate([base64.b64decode(JPEG)])


def test_other_decoders_are_never_asked(monkeypatch):
    """python-gdcm and pylibjpeg-rle would come first if pydicom were left to choose."""

    def poison(*args):
        raise AssertionError("a decoder that must never run")

    for uid, content in streams():
        decoder = get_decoder(uid)
        mine = decoder._available[CODECS[uid].plugin]
        others = {"gdcm": poison} | {name: poison for name in decoder._available}
        monkeypatch.setattr(decoder, "_available", others | {CODECS[uid].plugin: mine})
        words = decoder_child.decode(request(uid, content), content)
        np.testing.assert_array_equal(np.frombuffer(words, "<u2").reshape(16, 16), PIXELS)


def test_htj2k_series_are_read_exactly(tmp_path):
    def edit(slices):
        for ds in slices:
            ds.file_meta.TransferSyntaxUID = HTJ2KLossless
            ds.PixelData = encapsulate([base64.b64decode(HTJ2K)])
            ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True

    values = read_series(write_series(tmp_path / "s", edit)).volume.maps[..., 0]
    expected = np.broadcast_to(PIXELS * SLOPE, (SLICES, 16, 16)).astype(np.float32)
    np.testing.assert_array_equal(values, expected)


def test_jpeg_lossless_names_the_package_that_it_needs(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "libjpeg" else found(name)
    )
    folder = tmp_path / "s"
    folder.mkdir()
    for index, ds in enumerate(make_slices()):
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.70"
        ds.PixelData = encapsulate([base64.b64decode(JPEG)])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        save(ds, folder / f"{index}.dcm")
    with pytest.raises(DicomInputError, match="JPEG Lossless.*pylibjpeg-libjpeg .GPL") as caught:
        read_series(folder)
    assert caught.value.keyword == "TransferSyntaxUID"


RLE = next(streams())


def test_one_worker_serves_many_requests():
    with DecodeWorker() as helper:
        for uid, content in streams():
            words = helper.decode(request(uid, content), content)
            assert words == PIXELS.tobytes()


def test_a_damaged_stream_is_told_and_the_worker_lives_on():
    uid, content = RLE
    with DecodeWorker() as helper:
        with pytest.raises(DecodeError, match="Error"):
            helper.decode(request(uid, content), content[: len(content) // 2])
        with pytest.raises(DecodeError, match="Error"):
            helper.decode(request(uid, content, rows=15), content)
        twice = encapsulate([next(generate_frames(content, number_of_frames=1))] * 2)
        with pytest.raises(DecodeError, match="Warning"):  # pydicom would hand out both
            helper.decode(request(uid, twice), twice)
        assert helper.decode(request(uid, content), content) == PIXELS.tobytes()


def changed(stream, at, *octets):
    content = bytearray(stream)
    content[at : at + len(octets)] = bytes(octets)
    return bytes(content)


def stream_of(uid):
    content = dict(streams())[uid]
    return next(generate_frames(content, number_of_frames=1))


LS_FRAME, LS_SCAN, J2K_COD = b"\xff\xf7", b"\xff\xda", b"\xff\x52"


@pytest.mark.parametrize(
    ("uid", "mark", "offset", "octets"),
    [
        (JPEGLSLossless, LS_FRAME, 5, (0xFF, 0xFF, 0xFF, 0xFF)),
        (JPEGLSLossless, LS_FRAME, 7, (0, 17)),
        (JPEGLSLossless, LS_FRAME, 9, (3,)),
        (JPEGLSLossless, LS_SCAN, 7, (2,)),
        (JPEGLSLossless, LS_FRAME, 0, (0xFF, 0xFE)),
        (HTJ2KLossless, b"\xff\x51", 6, (0, 0, 0xFF, 0xFF)),
        (HTJ2KLossless, b"\xff\x51", 10, (0, 0, 0xFF, 0xFF)),
        (HTJ2KLossless, b"\xff\x51", 38, (0, 3)),
        (HTJ2KLossless, J2K_COD, 13, (0,)),
        (HTJ2KLossless, b"\xff\x4f", 0, (0, 0)),
    ],
    ids=["LS 65535 x 65535", "LS width", "LS colour", "LS lossy", "LS no frame"]
    + ["J2K width", "J2K height", "J2K colour", "J2K lossy", "J2K no codestream"],
)  # fmt: skip
def test_codestreams_that_claim_something_else_are_not_decoded(uid, mark, offset, octets):
    """What a stream says of itself is compared with the header before a decoder believes it."""
    stream = stream_of(uid)
    decoder_child.check_stream(str(uid), stream, 16, 16)
    bad = changed(stream, stream.index(mark) + offset, *octets)
    with pytest.raises(ValueError, match="another size or is lossy"):
        decoder_child.check_stream(str(uid), bad, 16, 16)
    with pytest.raises((struct.error, ValueError)):
        decoder_child.check_stream(str(uid), stream[:12], 16, 16)


def test_memory_is_limited():
    uid, content = RLE
    with DecodeWorker(memory=64 * 2**20) as helper:
        with pytest.raises(DecodeError, match="MemoryError"):
            helper.decode(request(uid, content, rows=65535, columns=65535), content)
        assert helper.decode(request(uid, content), content) == PIXELS.tobytes()


def test_computing_is_limited():
    content = encapsulate([base64.b64decode(ENDLESS)])
    with DecodeWorker() as helper:
        with pytest.raises(DecodeError, match="stopped after computing for 0.2 s"):
            helper.decode(request(JPEGLSLossless, content, rows=32, columns=32), content)
        uid, content = RLE
        assert helper.decode(request(uid, content), content) == PIXELS.tobytes()


def test_a_dead_worker_is_told_and_replaced():
    uid, content = RLE
    with DecodeWorker() as helper:
        helper.decode(request(uid, content), content)
        helper._process.kill()
        with pytest.raises(DecodeError, match="decoder died"):
            helper.decode(request(uid, content), content)
        assert helper.decode(request(uid, content), content) == PIXELS.tobytes()


def program(folder, decode):
    """A decoding process whose decoder is the given source."""
    path = folder / "child.py"
    path.write_text(
        "import importlib.util, os, time\n"
        f"spec = importlib.util.spec_from_file_location('c', {decoder_child.__file__!r})\n"
        "decode_child = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(decode_child)\n"
        f"class PanicException(BaseException): pass\n{decode}\n"
        "decode_child.decode = decode\n"
        "decode_child.main()\n"
    )
    return path


@pytest.mark.parametrize(
    ("decode", "why", "seconds"),
    [
        ("def decode(request, content): raise PanicException()", "PanicException", 60.0),
        ("def decode(request, content): os.abort()", "decoder died", 60.0),
        ("def decode(request, content): os.write(1, b'x' * 99); return b''", None, 60.0),
        ("def decode(request, content): time.sleep(60)", "stopped after 3.2 s", 3.0),
    ],
    ids=["panic", "abort", "chatter", "hang"],
)
def test_whatever_a_decoder_does_ends_in_one_error(tmp_path, monkeypatch, decode, why, seconds):
    monkeypatch.setattr(decoder_process, "_PROGRAM", program(tmp_path, decode))
    started = time.monotonic()
    with DecodeWorker(seconds=seconds) as helper:
        if why is None:
            assert helper.decode({"frames": 1, "rows": 1, "columns": 1}, b"") == b""
        else:
            with pytest.raises(DecodeError, match=why):
                helper.decode({"frames": 1, "rows": 1, "columns": 1}, b"")
    assert time.monotonic() - started < 50.0
