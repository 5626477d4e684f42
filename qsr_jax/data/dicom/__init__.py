"""DICOM in and out; the only room that knows pydicom."""

from qsr_jax.data.dicom.acquired import Acquisition, write_acquired
from qsr_jax.data.dicom.decoder_process import DecodeWorker
from qsr_jax.data.dicom.deidentify import Anonymous, anonymous, pseudonym
from qsr_jax.data.dicom.derived import write_derived
from qsr_jax.data.dicom.elements import make_uid
from qsr_jax.data.dicom.errors import DicomInputError, named_tag
from qsr_jax.data.dicom.find import Found, SeriesFiles, find_series, image_files
from qsr_jax.data.dicom.locate import one_series, place_text, placed
from qsr_jax.data.dicom.parametric_map import MissingPackageError, write_parametric_map
from qsr_jax.data.dicom.read import owner_of, read_folder, read_series, read_spread
from qsr_jax.data.dicom.series import Series
from qsr_jax.data.dicom.survey import Finding, survey

__all__ = [
    "Acquisition",
    "Anonymous",
    "DecodeWorker",
    "DicomInputError",
    "Finding",
    "Found",
    "MissingPackageError",
    "Series",
    "SeriesFiles",
    "anonymous",
    "find_series",
    "image_files",
    "make_uid",
    "named_tag",
    "one_series",
    "owner_of",
    "place_text",
    "placed",
    "pseudonym",
    "read_folder",
    "read_series",
    "read_spread",
    "survey",
    "write_acquired",
    "write_derived",
    "write_parametric_map",
]
