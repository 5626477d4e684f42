"""DICOM in and out; the only room that knows pydicom."""

from qsr_jax.data.dicom.acquired import Acquisition, write_acquired
from qsr_jax.data.dicom.derived import write_derived
from qsr_jax.data.dicom.elements import make_uid
from qsr_jax.data.dicom.errors import DicomInputError, named_tag
from qsr_jax.data.dicom.find import Found, find_series
from qsr_jax.data.dicom.read import Series, owner_of, read_series

__all__ = [
    "Acquisition",
    "DicomInputError",
    "Found",
    "Series",
    "find_series",
    "make_uid",
    "named_tag",
    "owner_of",
    "read_series",
    "write_acquired",
    "write_derived",
]
