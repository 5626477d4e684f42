"""One file, opened with suspicion: limits first, then attributes that refuse instead of guessing.

Nothing here prints what a file says about a person; messages hold numbers and coded terms only.
"""

import contextlib
import hashlib
import io
import logging
import math
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import pydicom
from pydicom.config import IGNORE
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import get_decoder
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
)

from qsr_jax.data.dicom.errors import DicomInputError

MAX_FILE_BYTES = 64 * 2**20
MAX_SIDE = 4096
SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless)
"""Uncompressed little endian, and RLE through pydicom's own decoder."""


@contextlib.contextmanager
def unquoted(action: Literal["ignore", "error"]) -> Iterator[None]:
    """Keeps pydicom's remarks, which quote what the file says, out of warnings and logs."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            yield
    finally:
        logger.setLevel(level)


class Header:
    """A dataset and its path; every accessor raises :class:`DicomInputError`.

    Attributes:
        path: the file.
        dataset: the pydicom dataset, pixels not yet decoded.
        sha256: hex digest of the file's bytes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = _read_bytes(path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.dataset = _parse(path, content)

    def refuse(self, keyword: str, why: str) -> NoReturn:
        """Raises the error for ``keyword`` of this file."""
        raise DicomInputError(self.path, keyword, why)

    def value(self, keyword: str) -> Any:
        """The value of an attribute, None where it is absent or empty."""
        try:
            with unquoted("ignore"):
                value = self.dataset.get(keyword)
        except Exception as error:  # pydicom parses on access; anything may come
            self.refuse(keyword, f"not readable ({type(error).__name__})")
        return None if value is None or value == "" else value

    def text(self, keyword: str) -> str:
        """A required text."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        return str(value)

    def optional_text(self, keyword: str) -> str:
        """A text, empty where the attribute is absent."""
        value = self.value(keyword)
        return "" if value is None else str(value)

    def numbers(self, keyword: str, count: int) -> np.ndarray:
        """``count`` required finite numbers, (count,) float64."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        items = [value] if isinstance(value, (str, float, int)) else value
        try:
            numbers = np.array([float(item) for item in items])
        except (TypeError, ValueError):
            self.refuse(keyword, "not a number")
        if numbers.shape != (count,) or not np.isfinite(numbers).all():
            self.refuse(keyword, f"{numbers.size} values, expected {count} finite numbers")
        return numbers

    def number(self, keyword: str) -> float:
        """One required finite number."""
        return float(self.numbers(keyword, 1)[0])

    def expect(self, keyword: str, *allowed: str | int) -> str | int:
        """A required value out of ``allowed``."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        if value not in allowed:
            self.refuse(keyword, f"{value}; expected {' or '.join(str(a) for a in allowed)}")
        return value

    def check_image(self) -> None:
        """Refuses everything but one whole, undistorted 16-bit grey MR image with square pixels."""
        sop_class = self.text("SOPClassUID")
        if sop_class != MRImageStorage:
            self.refuse(
                "SOPClassUID", f"{known_name(sop_class)}; expected MR Image Storage, single-frame"
            )
        if self.value("NumberOfFrames") is not None and self.number("NumberOfFrames") != 1:
            self.refuse("NumberOfFrames", f"{self.number('NumberOfFrames'):g}; expected 1")
        if self.optional_text("BurnedInAnnotation") == "YES":
            self.refuse("BurnedInAnnotation", "YES; text in the pixels is no measurement")
        if self.optional_text("LossyImageCompression") == "01":
            self.refuse("LossyImageCompression", "01; values are not the measured ones")
        if self.value("ModalityLUTSequence") is not None:
            self.refuse("ModalityLUTSequence", "present; expected RescaleSlope alone")
        self.expect("PhotometricInterpretation", "MONOCHROME2")
        self.expect("SamplesPerPixel", 1)
        for keyword in ("Rows", "Columns"):
            if not 1 <= self.number(keyword) <= MAX_SIDE:
                self.refuse(keyword, f"{self.number(keyword):g} outside 1..{MAX_SIDE}")
        self.expect("BitsAllocated", 16)
        self.expect("BitsStored", *range(1, 17))
        self.expect("HighBit", int(self.number("BitsStored")) - 1)
        self.expect("PixelRepresentation", 0, 1)
        row_mm, column_mm = self.numbers("PixelSpacing", 2)
        if min(row_mm, column_mm) <= 0:
            self.refuse("PixelSpacing", f"{row_mm:g} x {column_mm:g} mm; expected > 0")
        if not math.isclose(row_mm, column_mm, rel_tol=1e-4):
            self.refuse("PixelSpacing", f"{row_mm:g} x {column_mm:g} mm; expected square pixels")

    def stored_pixels(self) -> np.ndarray:
        """The stored values (y, x) int32, of a file that passed :meth:`check_image`."""
        shape = int(self.number("Rows")), int(self.number("Columns"))
        if self.value("PixelData") is None:
            self.refuse("PixelData", "missing")
        if self.dataset.file_meta.TransferSyntaxUID == RLELossless:
            words = self._decode_rle()
        else:
            expected = 2 * shape[0] * shape[1]
            if len(self.dataset.PixelData) != expected:
                self.refuse("PixelData", f"{len(self.dataset.PixelData)} bytes, not {expected}")
            words = np.frombuffer(self.dataset.PixelData, "<u2")
        # Bits above BitsStored are not part of the value; signed values are extended from theirs.
        unused = 16 - int(self.number("BitsStored"))
        words = np.left_shift(words.reshape(shape), unused)
        signed = self.number("PixelRepresentation") == 1
        return np.right_shift(words.view(np.int16) if signed else words, unused).astype(np.int32)

    def _decode_rle(self) -> np.ndarray:
        """The 16-bit words of an RLE image, through pydicom's decoder and no other."""
        try:
            with unquoted("error"):  # it warns where it had to guess
                words, _ = get_decoder(RLELossless).as_array(
                    self.dataset, raw=True, decoding_plugin="pydicom"
                )
        except Exception as error:  # a damaged stream may fail in any way
            self.refuse("PixelData", f"RLE cannot be decoded ({type(error).__name__})")
        return np.ascontiguousarray(words).view(np.uint16)


def known_name(uid: str) -> str:
    """The registered name of a UID; an unregistered one could say who made the file."""
    name = UID(uid, validation_mode=IGNORE).name
    return name if name != uid else "an unregistered UID"


def _read_bytes(path: Path) -> bytes:
    """The file's bytes; refuses what is no plain file (a pipe would block) or is too large."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DicomInputError(path, "file", "not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            raise DicomInputError(path, "file", f"{status.st_size} bytes, limit {MAX_FILE_BYTES}")
        return path.read_bytes()
    except OSError as error:
        raise DicomInputError(path, "file", f"cannot be read ({error.strerror})") from None


def _parse(path: Path, content: bytes) -> Dataset:
    """Parses Part 10 bytes; the transfer syntax is judged before the dataset is touched."""
    try:
        with unquoted("ignore"):
            syntax = str(read_file_meta_info(path).TransferSyntaxUID)
            if syntax in SYNTAXES:
                return pydicom.dcmread(io.BytesIO(content))
    except Exception as error:  # hostile bytes may fail in any way
        why = f"not a readable DICOM Part 10 file ({type(error).__name__})"
        raise DicomInputError(path, "file", why) from None
    why = f"{known_name(syntax)}; expected uncompressed little endian or RLE Lossless"
    raise DicomInputError(path, "TransferSyntaxUID", why)
