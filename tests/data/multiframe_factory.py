"""Multi-frame files written with pydicom alone: enhanced MR, legacy converted, parametric maps."""

from collections.abc import Sequence

import numpy as np
from dicom_factory import SLICES, SLOPE, make_slices, stored_slice
from pydicom.dataset import Dataset

ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY = "1.2.840.10008.5.1.4.1.1.4.4"
PARAMETRIC = "1.2.840.10008.5.1.4.1.1.30"
SHUFFLED = (3, 0, 4, 2, 1)
"""Frame to slice; frames come in no order at all."""
T1_CODE, T2_CODE = "113063", "113065"


def holding(**values) -> Dataset:
    """A dataset of these attributes; lists of datasets become sequences."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def coded(value: str, scheme: str) -> Dataset:
    return holding(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=value)


def real_world(slope=SLOPE, intercept=0.0, unit="ms", quantity=T1_CODE, **more) -> list[Dataset]:
    """One item of RealWorldValueMappingSequence."""
    concept = holding(
        ValueType="CODE",
        ConceptNameCodeSequence=[coded("246205007", "SCT")],
        ConceptCodeSequence=[coded(quantity, "DCM")],
    )
    item = holding(
        RealWorldValueSlope=slope,
        RealWorldValueIntercept=intercept,
        MeasurementUnitsCodeSequence=[coded(unit, "UCUM")],
        QuantityDefinitionSequence=[concept],
    )
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return [item]


def make_frames(sop_class: str = ENHANCED, order: Sequence[int] = SHUFFLED) -> Dataset:
    """One file with the slices of ``make_slices``; no scaling yet, see ``scale``."""
    slices = make_slices()
    ds = slices[0]
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = sop_class
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(ds, keyword)
    del ds.RescaleSlope, ds.RescaleIntercept, ds.SliceThickness
    if sop_class == PARAMETRIC:
        ds.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]
    first = slices[1]
    measures = holding(PixelSpacing=first.PixelSpacing, SliceThickness=5.0)
    plane = holding(ImageOrientationPatient=first.ImageOrientationPatient)
    shared = holding(PixelMeasuresSequence=[measures], PlaneOrientationSequence=[plane])
    ds.SharedFunctionalGroupsSequence = [shared]
    positions = [[-40.0, -50.0, -20.0 + 5.0 * index] for index in order]
    ds.PerFrameFunctionalGroupsSequence = [
        holding(PlanePositionSequence=[holding(ImagePositionPatient=p)]) for p in positions
    ]
    ds.NumberOfFrames = len(order)
    set_frames(ds, np.stack([stored_slice(index % SLICES) for index in order]))
    return ds


def set_frames(ds: Dataset, frames: np.ndarray) -> None:
    """Stores (frame, y, x) uint16, float32 or float64."""
    ds.Rows, ds.Columns = frames.shape[1:]
    if frames.dtype == np.uint16:
        ds.add_new("PixelData", "OW", frames.tobytes())
        return
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(ds, keyword)
    ds.BitsAllocated = 8 * frames.dtype.itemsize
    ds.update({})
    keyword, vr = (
        ("FloatPixelData", "OF") if ds.BitsAllocated == 32 else ("DoubleFloatPixelData", "OD")
    )
    ds.add_new(keyword, vr, frames.tobytes())


def groups(ds: Dataset) -> list[Dataset]:
    """The functional groups of each frame."""
    return list(ds.PerFrameFunctionalGroupsSequence)


def rescale(slope, intercept=0.0) -> list[Dataset]:
    """One item of PixelValueTransformationSequence."""
    return [holding(RescaleSlope=slope, RescaleIntercept=intercept, RescaleType="US")]
