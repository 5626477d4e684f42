"""Takes the subject out of a DICOM file, so that its series still pairs with the others.

PS3.15 Annex E, Basic Application Level Confidentiality Profile: the table of attributes and actions
is the one that the package dicom-anonymizer carries (edition 2026c). Beyond it, private attributes
and those that no dictionary knows go, other dates and times are emptied, and every UID that is not
the standard's own is replaced. The pixels are left as they are.
"""

import hashlib
import hmac
import io
from pathlib import Path
from typing import NamedTuple

from dicomanonymizer.dicom_anonymization_databases import dicomfields_2026c as table
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID as UniqueIdentifier,
)
from pydicom.uid import (
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    ParametricMapStorage,
)

from qsr_jax.data.dicom.elements import ZERO_PREAMBLE, code
from qsr_jax.data.dicom.header import Header, unquoted

REMOVE, EMPTY, DUMMY, UID, DESCEND = "remove", "empty", "dummy", "uid", "descend"
_LISTS = (
    (REMOVE, table.X_TAGS),
    (EMPTY, table.Z_TAGS + table.X_Z_TAGS),
    (DUMMY, table.D_TAGS + table.Z_D_TAGS + table.X_D_TAGS + table.X_Z_D_TAGS),
    (UID, table.U_TAGS),
    (DESCEND, table.X_Z_U_STAR_TAGS),
)
# Where the profile leaves a choice, the one that keeps the image object valid (X/Z: Z, X/D: D).
ACTIONS = {tag: action for action, tags in _LISTS for tag in tags if len(tag) == 2}
"""(group, element) to what is done with it."""
_MASKED = [(action, tag) for action, tags in _LISTS for tag in tags if len(tag) == 4]

_DUMMIES = {"DA": "19000101", "DT": "19000101000000", "TM": "000000", "AS": "000Y"}
_NUMBERS: dict[str, str | float] = {
    "DS": "0",
    "IS": "0",
    "FD": 0.0,
    "FL": 0.0,
    "SL": 0,
    "SS": 0,
    "UL": 0,
    "US": 0,
}
_BYTES = {"OB", "OD", "OF", "OL", "OV", "OW", "UN"}
_STANDARD_UIDS = "1.2.840.10008."
IMAGES = {
    MRImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    ParametricMapStorage,
}
METHOD = ("PS3.15 E.1 basic profile, table 2026c", "private and unknown attributes removed")


class Anonymous(NamedTuple):
    """A file without its subject.

    Attributes:
        content: the new file's bytes.
        patient: what stands for the PatientID, 16 hex digits.
        series: the new StudyInstanceUID and SeriesInstanceUID.
        patient_id: the PatientID as it was, to look the subject up in a table of groups.
    """

    content: bytes
    patient: str
    series: tuple[str, str]
    patient_id: str


def anonymous(path: Path, salt: bytes) -> Anonymous:
    """Reads a file and returns it without its subject; the same salt gives the same identifiers.

    Raises:
        DicomInputError: not an MR image or map, text burned into its pixels, or not readable.
    """
    header = Header(path)
    if header.text("SOPClassUID") not in IMAGES:
        header.refuse("SOPClassUID", "not an MR image or parametric map")
    if header.optional_text("BurnedInAnnotation") == "YES":
        header.refuse("BurnedInAnnotation", "YES; text in the pixels may name the subject")
    patient_id = header.text("PatientID")
    study, series = header.text("StudyInstanceUID"), header.text("SeriesInstanceUID")
    syntax = header.dataset.file_meta.TransferSyntaxUID
    patient = pseudonym(patient_id, salt)
    try:
        with unquoted("ignore"):
            dataset = _cleaned(header.dataset, salt, patient)
            dataset.PatientID = dataset.PatientName = patient
            dataset.PatientIdentityRemoved = "YES"
            dataset.LongitudinalTemporalInformationModified = "REMOVED"
            dataset.DeidentificationMethod = list(METHOD)
            dataset.DeidentificationMethodCodeSequence = code(
                "113100", "DCM", "Basic Application Confidentiality Profile"
            )
            content = _file(dataset, syntax)
    except Exception as error:  # pydicom parses and encodes here; its texts quote the file
        header.refuse("file", f"cannot be written again ({type(error).__name__})")
    places = _new_uid(study, salt), _new_uid(series, salt)
    return Anonymous(content, patient, places, patient_id)


def pseudonym(patient_id: str, salt: bytes) -> str:
    """16 hex digits that stand for a PatientID."""
    return hmac.new(salt, f"PatientID {patient_id}".encode(), hashlib.sha256).hexdigest()[:16]


def action_on(tag: BaseTag, vr: str) -> str | None:
    """What is done with an attribute; None keeps it.

    Private and unknown attributes are told apart by the caller.
    """
    pair = (tag.group, tag.element)
    if pair in ACTIONS:
        return ACTIONS[pair]
    for action, (group, element, group_mask, element_mask) in _MASKED:
        if tag.group & group_mask == group and tag.element & element_mask == element:
            return action
    if vr in ("DA", "DT", "TM", "PN"):
        return EMPTY
    return UID if vr == "UI" else None


def _cleaned(dataset: Dataset, salt: bytes, patient: str) -> Dataset:
    """A new dataset that holds what may stay."""
    clean = Dataset()
    for element in dataset:
        tag = element.tag
        if tag.is_private or not element.keyword or tag.group in (0x0000, 0x0002):
            continue
        action = action_on(tag, element.VR)
        if action == REMOVE:
            continue
        if element.VR == "SQ":
            items = [] if action in (EMPTY, DUMMY) else element.value
            value = DicomSequence([_cleaned(item, salt, patient) for item in items])
            clean.add(DataElement(tag, "SQ", value))
        else:
            clean.add(_changed(element, action, salt, patient))
    return clean


def _changed(element: DataElement, action: str | None, salt: bytes, patient: str) -> DataElement:
    """The attribute with its new value."""
    if action is None:
        return element
    vr = element.VR
    value: str | bytes | float | list[str] | None = ""
    if vr == "UI":
        several = isinstance(element.value, (list, tuple)) or hasattr(element.value, "append")
        values = list(element.value) if several else [element.value]
        new = [_new_uid(str(uid), salt) for uid in values if uid]
        value = (new if several else new[0]) if new else ""
    elif vr in _BYTES:
        value = b""
    elif action == DUMMY:
        value = _DUMMIES.get(vr, _NUMBERS.get(vr, patient))
    elif vr in _NUMBERS:
        value = None
    return DataElement(element.tag, vr, value)


def _new_uid(uid: str, salt: bytes) -> str:
    """Another UID, always the same for the same salt; the standard's own stay."""
    if uid.startswith(_STANDARD_UIDS):
        return uid
    digest = hmac.new(salt, f"UID {uid}".encode(), hashlib.sha256).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _file(dataset: Dataset, syntax: str) -> bytes:
    """A Part 10 file with fresh meta information and a preamble of zeros."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UniqueIdentifier(syntax)
    dataset.file_meta, dataset.preamble = meta, ZERO_PREAMBLE
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()
