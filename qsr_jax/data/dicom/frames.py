"""One slice of an image: a single-frame file, or one frame of a multi-frame file.

A multi-frame file says what its slices share in SharedFunctionalGroupsSequence and what they do not
in PerFrameFunctionalGroupsSequence (PS3.3 C.7.6.16); :class:`Frame` looks there, so that the rest
of the reader need not know which kind of file a slice comes from.
"""

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    ParametricMapStorage,
)

from qsr_jax.data.dicom.attributes import Attributes
from qsr_jax.data.dicom.header import Header

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
MAPPING = "RealWorldValueMappingSequence"
GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "SpacingBetweenSlices": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RepetitionTime": "MRTimingAndRelatedParametersSequence",
    "EffectiveEchoTime": "MREchoSequence",
    "InversionRecovery": "MRModifierSequence",
    "InversionTimes": "MRModifierSequence",
}
"""Attribute to the functional group that holds it."""
FRAME_TYPES = {
    EnhancedMRImageStorage: "MRImageFrameTypeSequence",
    LegacyConvertedEnhancedMRImageStorage: "MRImageFrameTypeSequence",
    ParametricMapStorage: "ParametricMapFrameTypeSequence",
}
"""Likewise for FrameType."""
MIXED = "MIXED"
"""Token of ImageType that says: look at FrameType."""


class Frame(Attributes):
    """One slice.

    Attributes:
        header: the file.
        index: place of the frame in the file, from 0; None in a single-frame file.
    """

    def __init__(self, header: Header, index: int | None) -> None:
        self.header, self.index, self.path = header, index, header.path
        self.label = header.label if index is None else f"frame {index + 1} of {header.label}"

    def value(self, keyword: str) -> Any:
        """The value that holds for this slice, None where it is absent or empty."""
        if self.index is None:
            return self.header.value(keyword)
        if keyword == MAPPING:
            return self._only(MAPPING, *(self.look_up(item, MAPPING) for item in self._items()))
        if keyword == "FrameType":
            group = FRAME_TYPES[UID(self.header.text("SOPClassUID"))]
        elif keyword in GROUPS:
            group = GROUPS[keyword]
        else:
            return self.header.value(keyword)
        holders = (self.look_up(item, group) for item in self._items())
        holder = self._only(group, *holders)
        if holder is None:
            return None
        if len(holder) != 1:
            self.refuse(group, got=f"{len(holder)} items in {self.label}", expected="1")
        return self.look_up(holder[0], keyword)

    @property
    def image_type(self) -> tuple[str, ...]:
        """ImageType, or FrameType where the frames of a file differ."""
        shared = self.texts("ImageType")
        return self.texts("FrameType") if self.index is not None and MIXED in shared else shared

    def _items(self) -> list[Dataset]:
        """The functional groups of all frames and those of this one."""
        shared = self.header.value(SHARED) or ()
        if len(shared) > 1:
            self.refuse(SHARED, got=f"{len(shared)} items", expected="at most 1")
        return [*shared, self.header.value(PER_FRAME)[self.index]]

    def _only(self, group: str, *found: Any) -> Any:
        """The one of several places that says something."""
        said = [value for value in found if value is not None]
        if len(said) > 1:
            self.refuse(group, f"both shared and in {self.label}; which one holds?")
        return said[0] if said else None


def frames_of(header: Header) -> list[Frame]:
    """The slices of a file that passed :meth:`Header.check_image`."""
    if not header.multi_frame:
        return [Frame(header, None)]
    return [Frame(header, index) for index in range(int(header.number("NumberOfFrames")))]
