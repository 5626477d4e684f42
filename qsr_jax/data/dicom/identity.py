"""Whose image a file is and of which series, told from its first kilobytes; pixels stay on disk."""

import stat
from pathlib import Path
from typing import NamedTuple

from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from qsr_jax.data.dicom.attributes import PADDING, unquoted
from qsr_jax.data.dicom.parse import MAX_FILE_BYTES, beyond_meta, parse, read_bytes

_LAST = 0x0020000E
"""SeriesInstanceUID: every attribute of :class:`Identity` stands before it or is it."""


class Identity(NamedTuple):
    """What tells files apart; for sorting, never for messages.

    Attributes:
        patient_id: PatientID.
        study_uid: StudyInstanceUID.
        study_time: StudyDate and StudyTime one after the other, to put studies in order.
        series_uid: SeriesInstanceUID; empty where the file says none.
        image_uid: SOPInstanceUID; a copy of a file has the same.
        is_directory: whether the file is a DICOMDIR, whatever it is called.
    """

    patient_id: str
    study_uid: str
    study_time: str
    series_uid: str
    image_uid: str
    is_directory: bool


def identity_of(path: Path) -> Identity | None:
    """The identity of a DICOM file, read up to SeriesInstanceUID; None where it is none.

    A deflated file is inflated for it, within the limits of :mod:`qsr_jax.data.dicom.parse`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_FILE_BYTES:
            return None
        with unquoted("ignore"), path.open("rb") as file:
            read_preamble(file, False)
            meta = read_dataset(file, False, True, stop_when=beyond_meta)
            syntax = str(meta.TransferSyntaxUID)
            if syntax == DeflatedExplicitVRLittleEndian:
                head = parse(path, read_bytes(path))[1]
            else:
                implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
                head = read_dataset(file, implicit, little, stop_when=_beyond_series)
            patient, study, series, image, date, time = (
                str(head.get(keyword) or "").strip(PADDING)
                for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID",
                                "SOPInstanceUID", "StudyDate", "StudyTime")
            )  # fmt: skip
            kind = str(meta.get("MediaStorageSOPClassUID") or "")
    except Exception:  # hostile bytes may fail in any way; whoever reads the file says how
        return None
    directory = kind == MediaStorageDirectoryStorage
    return Identity(patient, study, f"{date} {time}", series, image, directory)


def _beyond_series(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001
    """Tells pydicom where to stop."""
    return tag > _LAST
