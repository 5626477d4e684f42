"""The stored values of a file whose header was found good."""

import numpy as np
from pydicom.uid import ExplicitVRBigEndian

from qsr_jax.data.dicom.decoder_process import DecodeError, DecodeRequest, DecodeWorker
from qsr_jax.data.dicom.frames import Frame
from qsr_jax.data.dicom.header import FLOAT_BITS, Header
from qsr_jax.data.dicom.syntaxes import CODECS, NATIVE, known_name

SATURATED_FRACTION = 0.01
"""Largest fraction of a slice's voxels that may hold the largest number its bits can."""
CLIPPED_FRACTION = 1e-3
"""Of a series: so many voxels do not share the largest number, and that 2^n - 1, by chance."""
FEWEST_BITS, MOST_BITS = 8, 16
_PADDING = {keyword: keyword.removesuffix("Data") + "PaddingValue" for keyword in FLOAT_BITS}


def stored_pixels(header: Header, worker: DecodeWorker) -> np.ndarray:
    """The stored values (frame, y, x) of a file that passed :meth:`Header.check_image`.

    Integers come as 16-bit words of the file's signedness, floats of a parametric map as they are.

    Raises:
        DicomInputError: pixels missing, too few, too many or not decodable.
    """
    keyword = header.pixel_keyword
    frames = int(header.number("NumberOfFrames")) if header.multi_frame else 1
    shape = frames, int(header.number("Rows")), int(header.number("Columns"))
    content = header.value(keyword)
    if not isinstance(content, bytes):
        header.refuse(keyword, "missing" if content is None else "no bytes")
    if header.syntax not in NATIVE:
        content = _decoded(header, keyword, content, shape, worker)
    width = FLOAT_BITS[keyword] // 8 if keyword in FLOAT_BITS else 2
    expected = width * int(np.prod(shape))
    if len(content) != expected:
        header.refuse(keyword, got=f"{len(content)} bytes", expected=str(expected))
    order = ">" if header.syntax == ExplicitVRBigEndian else "<"
    if keyword in FLOAT_BITS:
        return np.frombuffer(content, f"{order}f{width}").reshape(shape)
    words = np.frombuffer(content, f"{order}u2").reshape(shape).astype(np.uint16, copy=False)
    # Bits above BitsStored are not part of the value; signed values are extended from theirs.
    unused = 16 - int(header.number("BitsStored"))
    signed = header.number("PixelRepresentation") == 1
    if not unused:
        return words.view(np.int16) if signed else words
    words = np.left_shift(words, unused)
    return np.right_shift(words.view(np.int16) if signed else words, unused)


def check_range(frame: Frame, stored: np.ndarray, mapped: tuple[float, float] | None) -> None:
    """Refuses a slice (y, x) that ran into the end of its numbers or left its mapping.

    Raises:
        DicomInputError: see above.
    """
    keyword = frame.header.pixel_keyword
    low, high = stored.min(), stored.max()
    if mapped is not None and not (mapped[0] <= low and high <= mapped[1]):
        why = "RealWorldValueMapping says nothing about the others"
        expected = f"{mapped[0]:g}..{mapped[1]:g}"
        frame.refuse(keyword, why, got=f"stored values {low:g}..{high:g}", expected=expected)
    if keyword in FLOAT_BITS:
        return
    largest = (1 << int(frame.number("BitsStored")) - int(frame.number("PixelRepresentation"))) - 1
    if high == largest:
        fraction = np.count_nonzero(stored == largest) / stored.size
        if fraction > SATURATED_FRACTION:
            why = "values were cut off when the file was written"
            got = f"{fraction:.1%} of {frame.label} at {largest}, the largest number it can hold"
            frame.refuse(keyword, why, got=got, expected=f"at most {SATURATED_FRACTION:.0%}")


class LargestValues:
    """How often a series holds its largest stored number, to tell values that were cut off.

    A scanner that counts with 12 bits cuts T1 of fluid off at 4095 also in a file of 16.
    """

    def __init__(self) -> None:
        self._largest, self._count, self._size = -1.0, 0, 0

    def add(self, stored: np.ndarray) -> None:
        """Counts a slice."""
        if stored.dtype.kind not in "iu":
            return
        largest = float(stored.max())
        if largest > self._largest:
            self._largest, self._count = largest, 0
        if largest == self._largest:
            self._count += int(np.count_nonzero(stored == largest))
        self._size += stored.size

    def told(self) -> str:
        """What a person should look at, empty where nothing was cut off."""
        bits = int(self._largest + 1).bit_length() - 1
        if self._largest + 1 != 2**bits or not FEWEST_BITS <= bits <= MOST_BITS:
            return ""
        share = self._count / self._size
        if share < CLIPPED_FRACTION:
            return ""
        return (
            f"{share:.1%} of the voxels are at {self._largest:g}, the largest number of {bits} "
            "bits: cut off there?"
        )


def padding_of(frame: Frame, stored: np.ndarray) -> np.ndarray | None:
    """Where a slice (y, x) holds no measurement; None where nowhere.

    Integers say it by PixelPaddingValue, floats of a Parametric Map by FloatPixelPaddingValue and,
    as many programs write them, by NaN.

    Raises:
        DicomInputError: a padding value that is no number.
    """
    keyword = _PADDING.get(frame.header.pixel_keyword, "PixelPaddingValue")
    if keyword != "PixelPaddingValue":
        padded = np.isnan(stored)
        if frame.value(keyword) is not None and not np.isnan(frame.value(keyword)):
            padded = padded | (stored == frame.number(keyword))
        return padded if padded.any() else None
    if frame.value(keyword) is None:
        return None
    # An unsigned file may spell the value as signed, and the other way round: compare the words.
    first = last = int(frame.number(keyword))
    if frame.value("PixelPaddingRangeLimit") is not None:
        last = int(frame.number("PixelPaddingRangeLimit"))
    first, last = (int(np.array(v & 0xFFFF, np.uint16).view(stored.dtype)) for v in (first, last))
    padded = (stored >= min(first, last)) & (stored <= max(first, last))
    return padded if padded.any() else None


def _decoded(
    header: Header, keyword: str, content: bytes, shape: tuple[int, int, int], worker: DecodeWorker
) -> bytes:
    """Little-endian words of compressed pixels, from the worker."""
    if keyword in FLOAT_BITS:
        header.refuse("TransferSyntaxUID", f"{known_name(header.syntax)} cannot hold {keyword}")
    request: DecodeRequest = {
        "syntax": header.syntax,
        "plugin": CODECS[header.syntax].plugin,
        "frames": shape[0],
        "rows": shape[1],
        "columns": shape[2],
        "bits_stored": int(header.number("BitsStored")),
        "pixel_representation": int(header.number("PixelRepresentation")),
    }
    try:
        return worker.decode(request, content)
    except DecodeError as error:
        header.refuse(keyword, f"{known_name(header.syntax)} cannot be decoded ({error})")
