"""The groups of DICOM attributes that both writers need: identity, plane, pixels, values."""

import io
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage
from pydicom.valuerep import DSfloat

from qsr_jax.maps import MapSpec
from qsr_jax.types import Geometry

ZERO_PREAMBLE = b"\0" * 128
UINT16_MAX = 65535
_UID_NAMESPACE = uuid.UUID("6c3a8b0e-54f7-4d5c-9a43-2f0f1f5b7d11")


def make_uid(seed: str) -> str:
    """A valid UID (2.25, from a name-based UUID) that is a pure function of ``seed``."""
    return f"2.25.{uuid.uuid5(_UID_NAMESPACE, seed).int}"


def decimal(value: float) -> DSfloat:
    """A decimal string of at most 16 characters; pydicom writes longer ones unasked."""
    return DSfloat(float(value), auto_format=True)


def decimals(values: Sequence[float] | np.ndarray) -> list[DSfloat]:
    """Several decimal strings."""
    return [decimal(value) for value in values]


def code(value: str, scheme: str, meaning: str) -> DicomSequence:
    """A code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return DicomSequence([item])


def set_plane(dataset: Dataset, geometry: Geometry, index: int) -> None:
    """Image Plane module: where slice ``index`` of ``geometry`` lies, LPS mm."""
    dz, dy, dx = geometry.spacing_mm
    position = geometry.slice_positions_mm()[index]
    dataset.PixelSpacing = decimals((dy, dx))
    dataset.ImageOrientationPatient = decimals((*geometry.row_dir, *geometry.col_dir))
    dataset.ImagePositionPatient = decimals(position)
    dataset.SliceLocation = decimal(position @ geometry.normal)
    dataset.SpacingBetweenSlices = decimal(dz)


def set_pixels(dataset: Dataset, stored: np.ndarray) -> None:
    """Image Pixel module of ``stored`` (y, x) uint16. Signed pixels would wrap above 3276.7 ms."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    dataset.PixelRepresentation = 0
    dataset.add_new("PixelData", "OW", np.ascontiguousarray(stored, "<u2").tobytes())


def set_rescale(dataset: Dataset, spec: MapSpec) -> None:
    """Stored to physical value, the way scanners say it: physical = slope * stored."""
    dataset.RescaleSlope, dataset.RescaleIntercept = decimal(spec.slope), decimal(0.0)
    dataset.RescaleType = "US"


def set_real_world_values(dataset: Dataset, spec: MapSpec) -> None:
    """The same mapping with unit and quantity as codes (RealWorldValueMappingSequence)."""
    quantity = Dataset()
    quantity.ValueType = "CODE"
    quantity.ConceptNameCodeSequence = code("246205007", "SCT", "Quantity")
    quantity.ConceptCodeSequence = code(spec.quantity[0], "DCM", spec.quantity[1])
    item = Dataset()
    item.add_new("RealWorldValueFirstValueMapped", "US", 0)
    item.add_new("RealWorldValueLastValueMapped", "US", UINT16_MAX)
    item.RealWorldValueSlope, item.RealWorldValueIntercept = spec.slope, 0.0
    item.LUTLabel, item.LUTExplanation = spec.label, f"{spec.label} in {spec.unit}"
    item.MeasurementUnitsCodeSequence = code(spec.ucum[0], "UCUM", spec.ucum[1])
    item.QuantityDefinitionSequence = DicomSequence([quantity])
    dataset.RealWorldValueMappingSequence = DicomSequence([item])


def save(dataset: Dataset, path: Path) -> None:
    """Writes a Part 10 file of an MR image: explicit little endian, preamble of zeros."""
    dataset.SOPClassUID = MRImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta, dataset.preamble = meta, ZERO_PREAMBLE
    content = io.BytesIO()  # pydicom would bury the system's error in a text of its own
    dataset.save_as(content, enforce_file_format=True)
    path.write_bytes(content.getvalue())
