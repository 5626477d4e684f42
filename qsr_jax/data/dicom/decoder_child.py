"""The program that :mod:`qsr_jax.data.dicom.decoder_process` runs; it imports nothing of qsr_jax.

Reads requests from stdin (a line of JSON, then bytes) and answers on stdout in the same way.
"""

import contextlib
import json
import os
import signal
import struct
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.pixels import get_decoder
from pydicom.uid import JPEGLSLossless, RLELossless

J2K_START = b"\xff\x4f\xff\x51"
J2K_CODING, J2K_TILE = 0xFF52, 0xFF90
JPEG_FRAMES = {0xFFC3, 0xFFF7}
"""Start of frame: lossless Huffman, and JPEG-LS."""
JPEG_SCAN = 0xFFDA


def main() -> None:
    """Answers requests until stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get into the answers
    limit_memory(int(sys.argv[1]))
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        content = sys.stdin.buffer.read(request["bytes"])
        words, why = b"", ""
        try:
            signal.setitimer(signal.ITIMER_PROF, request["cpu_seconds"])  # ends the process
            words = decode(request, content)
        except BaseException as error:  # a panic of Rust code is no Exception
            why = type(error).__name__
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        answers.write(json.dumps({"bytes": len(words), "why": why}).encode() + b"\n" + words)
        answers.flush()


def limit_memory(extra: int) -> None:
    """Lets this process grow by ``extra`` bytes and no more; no core files."""
    import resource  # absent on Windows, where there is no such limit

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(FileNotFoundError), open("/proc/self/statm") as file:  # noqa: PTH123
        now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + extra, now + extra))


def decode(request: Mapping[str, Any], content: bytes) -> bytes:
    """Little-endian 16-bit words of encapsulated pixels.

    Args:
        request: syntax, plugin, frames, rows, columns, bits_stored, pixel_representation.
        content: the value of PixelData.

    Raises:
        BaseException: whatever the decoder raises; ValueError for a codestream that claims another
            size than the header or is lossy. The caller counts the bytes.
    """
    frames = request["frames"]
    for stream in generate_frames(content, number_of_frames=frames):
        check_stream(request["syntax"], stream, request["rows"], request["columns"])
    dataset = Dataset()
    dataset.Rows, dataset.Columns = request["rows"], request["columns"]
    dataset.NumberOfFrames = frames
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = 16, request["bits_stored"]
    dataset.HighBit = request["bits_stored"] - 1
    dataset.PixelRepresentation = request["pixel_representation"]
    dataset.add_new("PixelData", "OB", content)
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = request["syntax"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom warns where it had to guess
        pixels, _ = get_decoder(request["syntax"]).as_array(
            dataset, raw=True, decoding_plugin=request["plugin"]
        )
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def check_stream(syntax: str, stream: bytes, rows: int, columns: int) -> None:
    """Refuses a codestream by what it says of itself, before a decoder believes it.

    A few damaged bytes can claim an image of gigabytes, over which a decoder sits for seconds.
    Segments are those of ITU-T T.81 and T.87 (JPEG, JPEG-LS) and T.800 (JPEG 2000).

    Raises:
        ValueError: another size, not one component, lossy, or no such codestream.
        struct.error: a segment is cut off.
    """
    if syntax == RLELossless:
        return
    if stream[:4] == J2K_START:
        x1, y1, x0, y0 = struct.unpack_from(">4I", stream, 8)
        size, components = (y1 - y0, x1 - x0), struct.unpack_from(">H", stream, 40)[0]
        reversible = next(seg[9] == 1 for mark, seg in segments(stream) if mark == J2K_CODING)
    else:
        size, components, reversible = (0, 0), 0, True
        for mark, segment in segments(stream):
            if mark in JPEG_FRAMES:
                *sides, components = struct.unpack_from(">HHB", segment, 1)
                size = (sides[0], sides[1])
            if mark == JPEG_SCAN and syntax == JPEGLSLossless:
                reversible = segment[1 + 2 * segment[0]] == 0
    if size != (rows, columns) or components != 1 or not reversible:
        raise ValueError("the codestream has another size or is lossy")


def segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of the segments of a codestream up to its first scan or tile."""
    at = 2
    while True:
        mark, length = struct.unpack_from(">HH", stream, at)
        if mark == J2K_TILE or mark >> 8 != 0xFF or length < 2:
            return
        yield mark, stream[at + 4 : at + 2 + length]
        if mark == JPEG_SCAN:
            return
        at += 2 + length


if __name__ == "__main__":
    main()
