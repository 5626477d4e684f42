"""Takes the subject out of a DICOM file, so that its series still pairs with the others.

PS3.15 Annex E, Basic Application Level Confidentiality Profile. What its table says nothing about
(:mod:`qsr_jax.data.dicom.confidentiality_profile`) stays only when
:mod:`qsr_jax.data.dicom.allowed_attributes` names it. The values of the
pixels stay; their bytes are written anew, so that nothing hides above BitsStored, behind the last
pixel or in the segments of a compressed stream.
"""

import dataclasses
import functools
import hashlib
import hmac
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydicom.config import IGNORE
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID as UniqueIdentifier
from pydicom.uid import ExplicitVRLittleEndian

from qsr_jax.data.dicom.allowed_attributes import ALLOWED, CODES, SCREENS, UNKNOWN, terms_of
from qsr_jax.data.dicom.confidentiality_profile import DUMMY, EMPTY, REMOVE, action_on
from qsr_jax.data.dicom.decoder_process import DecodeWorker
from qsr_jax.data.dicom.elements import ZERO_PREAMBLE, code
from qsr_jax.data.dicom.header import Header, unquoted
from qsr_jax.data.dicom.pixels import stored_pixels
from qsr_jax.data.dicom.series_rules import SeriesRule

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
METHOD = (
    "PS3.15 E.1 basic profile, table 2026c",
    "of other attributes an allow-list and known terms",
    "pixel values kept, their bytes written anew",
)


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


@dataclasses.dataclass(frozen=True)
class Cleaner:
    """What takes the subject out of files; one for a whole tree.

    Attributes:
        salt: secret; the same one gives the same identifiers.
        worker: decodes compressed pixels.
        rows: a user's own rows that recognise maps; their words and keywords may stay too.
    """

    salt: bytes
    worker: DecodeWorker
    rows: tuple[SeriesRule, ...] = ()

    @functools.cached_property
    def terms(self) -> frozenset[str]:
        """Words that a text may be made of."""
        own = {word for row in self.rows if row.by in self.keywords for word in row.maps}
        return terms_of(self.rows) | own

    @functools.cached_property
    def keywords(self) -> frozenset[str]:
        """Keywords that may stay."""
        return ALLOWED | {row.by for row in self.rows if tag_for_keyword(row.by) is not None}

    def anonymous(self, path: Path) -> Anonymous:
        """Reads a file and returns it without its subject.

        Raises:
            DicomInputError: no grey MR image or map of 16 bits or floats, a picture of a screen or
                text burned into its pixels, more bytes than its pixels need, or not readable.
        """
        header = Header(path, hashed=False)
        header.check_image()
        if any(token in SCREENS for token in header.texts("ImageType")):
            header.refuse("ImageType", "a picture of a screen; text in it may name the subject")
        patient_id = header.text("PatientID")
        study, series = header.text("StudyInstanceUID"), header.text("SeriesInstanceUID")
        pixels = stored_pixels(header, self.worker)
        patient = pseudonym(patient_id, self.salt)
        try:
            with unquoted("ignore"):
                dataset = self._cleaned(header.dataset, patient)
                _set_pixels(dataset, header.pixel_keyword, pixels)
                _say_what_was_done(dataset, patient)
                content = _file(dataset)
        except Exception as error:  # pydicom parses and encodes here; its texts quote the file
            header.refuse("file", f"cannot be written again ({type(error).__name__})")
        places = _new_uid(study, self.salt), _new_uid(series, self.salt)
        return Anonymous(content, patient, places, patient_id)

    def _cleaned(self, dataset: Dataset, patient: str) -> Dataset:
        """A new dataset that holds what may stay."""
        clean = Dataset()
        for element in dataset:
            tag = element.tag
            if tag.is_private or not element.keyword or tag.group in (0x0000, 0x0002):
                continue
            new = self._changed(element, action_on(tag, element.VR), patient)
            if new is not None:
                clean.add(new)
        return clean

    def _item(self, item: Dataset, patient: str) -> Dataset:
        """An item of a sequence likewise; a coded concept as a whole or not at all."""
        return _known_code(item) if "CodeValue" in item else self._cleaned(item, patient)

    def _changed(
        self, element: DataElement, action: str | None, patient: str
    ) -> DataElement | None:
        """The attribute with its new value; None where it goes."""
        keyword, vr = element.keyword, element.VR
        if action == REMOVE or vr in _BYTES:
            return None
        if action is None and keyword not in self.keywords:
            return None
        if vr == "SQ":
            items = [] if action in (EMPTY, DUMMY) else element.value
            cleaned = [item for item in (self._item(i, patient) for i in items) if len(item)]
            if len(cleaned) < len(items) and not cleaned:
                return None
            return DataElement(element.tag, "SQ", DicomSequence(cleaned))
        if action is None:
            return self._plain(element)
        return _replaced(element, action, self.salt, patient)

    def _plain(self, element: DataElement) -> DataElement | None:
        """A number as it is, a text where it is made of known terms."""
        if element.VR in _NUMBERS or element.VR in ("AT", "SV", "UV"):
            return element
        if element.VR not in ("CS", "LO", "SH"):
            return None
        values = [element.value] if isinstance(element.value, str) else list(element.value or ())
        if len(values) < 2:
            return element if all(value in self.terms for value in values) else None
        known = [value if value in self.terms else UNKNOWN for value in values]
        return DataElement(element.tag, element.VR, known)


def anonymous(path: Path, salt: bytes) -> Anonymous:
    """One file without its subject, see :meth:`Cleaner.anonymous`.

    Raises:
        DicomInputError: see there.
    """
    with DecodeWorker() as worker:
        return Cleaner(salt, worker).anonymous(path)


def pseudonym(patient_id: str, salt: bytes) -> str:
    """16 hex digits that stand for a PatientID."""
    return hmac.new(salt, f"PatientID {patient_id}".encode(), hashlib.sha256).hexdigest()[:16]


def _known_code(item: Dataset) -> Dataset:
    """A coded concept in the words of its scheme; empty where we do not know it."""
    clean = Dataset()
    pair = str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", ""))
    if pair in CODES:
        clean.CodeValue, clean.CodingSchemeDesignator = pair
        clean.CodeMeaning = CODES[pair]
    return clean


def _replaced(element: DataElement, action: str, salt: bytes, patient: str) -> DataElement:
    """The attribute with another value, or with none."""
    vr = element.VR
    value: str | bytes | float | list[str] | None = ""
    if vr == "UI":
        several = isinstance(element.value, (list, tuple)) or hasattr(element.value, "append")
        values = list(element.value) if several else [element.value]
        new = [_new_uid(str(uid), salt) for uid in values if uid]
        value = (new if several else new[0]) if new else ""
    elif action == DUMMY:
        value = _DUMMIES.get(vr, _NUMBERS.get(vr, patient))
    elif vr in _NUMBERS:
        value = None
    return DataElement(element.tag, vr, value)


def _new_uid(uid: str, salt: bytes) -> str:
    """Another UID, always the same for the same salt; those that the standard registers stay."""
    if UniqueIdentifier(uid, validation_mode=IGNORE).name != uid:
        return uid
    digest = hmac.new(salt, f"UID {uid}".encode(), hashlib.sha256).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _set_pixels(dataset: Dataset, keyword: str, stored: np.ndarray) -> None:
    """Writes the values of the pixels (frame, y, x) as plain little-endian words, and no more."""
    words = np.ascontiguousarray(stored, dtype=stored.dtype.newbyteorder("<")).tobytes()
    dataset.add_new(keyword, {"FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}.get(
        keyword, "OW"), words)  # fmt: skip


def _say_what_was_done(dataset: Dataset, patient: str) -> None:
    """The pseudonym, and PS3.15's words for this copy."""
    dataset.PatientID = dataset.PatientName = patient
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    dataset.DeidentificationMethod = list(METHOD)
    dataset.DeidentificationMethodCodeSequence = code(
        "113100", "DCM", "Basic Application Confidentiality Profile"
    )


def _file(dataset: Dataset) -> bytes:
    """A Part 10 file with fresh meta information and a preamble of zeros."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta, dataset.preamble = meta, ZERO_PREAMBLE
    content = io.BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    return content.getvalue()
