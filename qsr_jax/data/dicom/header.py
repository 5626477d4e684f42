"""One file, opened with suspicion: what an image must say before its pixels are touched."""

import hashlib
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    ParametricMapStorage,
)

from qsr_jax.data.dicom.attributes import Attributes, unquoted
from qsr_jax.data.dicom.parse import parse, read_bytes
from qsr_jax.data.dicom.syntaxes import known_name

__all__ = ["Header", "unquoted"]

MAX_SIDE = 4096
MAX_FRAMES = 4096
MAX_PIXELS = 32 * 2**20
"""Per file, all frames together: 128 slices of 512 x 512."""

MULTI_FRAME = (
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    ParametricMapStorage,
)
FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
"""Where a parametric map keeps its pixels when they are no integers."""


class Header(Attributes):
    """A dataset and its path.

    Attributes:
        path: the file.
        label: its name.
        dataset: the pydicom dataset, pixels not yet decoded.
        syntax: TransferSyntaxUID.
        sha256: hex digest of the file's bytes; empty where nobody asks for it.
    """

    dataset: Dataset

    def __init__(self, path: Path, *, hashed: bool = True) -> None:
        self.path, self.label = path, path.name
        content = read_bytes(path)
        self.sha256 = hashlib.sha256(content).hexdigest() if hashed else ""
        self.syntax, self.dataset = parse(path, content)
        self._known: dict[str, Any] = {}

    def value(self, keyword: str) -> Any:
        """The value of an attribute of the dataset, None where it is absent or empty."""
        if keyword not in self._known:
            self._known[keyword] = self.look_up(self.dataset, keyword)
        return self._known[keyword]

    @property
    def multi_frame(self) -> bool:
        """Whether the file holds frames with attributes of their own."""
        return self.text("SOPClassUID") in MULTI_FRAME

    @property
    def pixel_keyword(self) -> str:
        """The attribute that holds the pixels; refuses none and several."""
        kinds = [k for k in ("PixelData", *FLOAT_BITS) if k in self.dataset]
        if not kinds:
            self.refuse("PixelData", "missing")
        if len(kinds) > 1:
            self.refuse(kinds[1], f"beside {kinds[0]}; which one holds the values?")
        return kinds[0]

    def check_image(self) -> None:
        """Refuses everything but whole, undistorted grey MR images or parametric maps."""
        sop_class = self.text("SOPClassUID")
        if sop_class != MRImageStorage and sop_class not in MULTI_FRAME:
            expected = "MR Image, Enhanced MR Image, Legacy Converted or Parametric Map Storage"
            self.refuse("SOPClassUID", got=known_name(sop_class), expected=expected)
        if self.optional_text("BurnedInAnnotation") == "YES":
            self.refuse("BurnedInAnnotation", "YES; text in the pixels is no measurement")
        if self.optional_text("LossyImageCompression") == "01":
            self.refuse("LossyImageCompression", "01; values are not the measured ones")
        if self.value("ModalityLUTSequence") is not None:
            self.refuse("ModalityLUTSequence", "present; expected RescaleSlope alone")
        self.expect("PhotometricInterpretation", "MONOCHROME2")
        self.expect("SamplesPerPixel", 1)
        self._check_size()
        self._check_words()

    def _check_size(self) -> None:
        """Refuses sizes that no scan has, before anything of that size is allocated."""
        sides = [self.whole(keyword, 1, MAX_SIDE) for keyword in ("Rows", "Columns")]
        frames = 1
        if self.multi_frame:
            frames = self.whole("NumberOfFrames", 1, MAX_FRAMES)
            groups = self.value("PerFrameFunctionalGroupsSequence")
            if groups is None or len(groups) != frames:
                got = f"{0 if groups is None else len(groups)} items"
                expected = f"{frames}, one per frame"
                self.refuse("PerFrameFunctionalGroupsSequence", got=got, expected=expected)
        elif self.value("NumberOfFrames") is not None:
            self.whole("NumberOfFrames", 1, 1)
        if frames * sides[0] * sides[1] > MAX_PIXELS:
            got = f"{frames} x {sides[0]} x {sides[1]} pixels"
            self.refuse("Rows", got=got, expected=f"at most {MAX_PIXELS}")

    def _check_words(self) -> None:
        """Refuses pixels that are neither 16-bit integers nor a parametric map's floats."""
        keyword = self.pixel_keyword
        if keyword in FLOAT_BITS:
            self.expect("BitsAllocated", FLOAT_BITS[keyword])
            return
        self.expect("BitsAllocated", 16)
        self.expect("BitsStored", *range(1, 17))
        self.expect("HighBit", int(self.number("BitsStored")) - 1)
        self.expect("PixelRepresentation", 0, 1)
