"""The one error of DICOM input."""

from pathlib import Path

from pydicom.datadict import tag_for_keyword


def named_tag(keyword: str) -> str:
    """``Rows`` becomes ``Rows (0028,0010)``; a word that is no DICOM keyword stays as it is."""
    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


class DicomInputError(ValueError):
    """A file or folder that must not be used, and why.

    The text never holds a personal value (names, PatientID, dates, descriptions, UIDs): ``why`` is
    written by the code that raises, from numbers and coded terms only.

    Attributes:
        path: the file or folder.
        keyword: the DICOM keyword that is at fault, or "file" when the file itself is.
        tag: the (group, element) of ``keyword``, or None.
        why: what is wrong, what was expected, what to do.
    """

    def __init__(self, path: Path, keyword: str, why: str) -> None:
        tag = tag_for_keyword(keyword)
        self.path, self.keyword, self.why = path, keyword, why
        self.tag = None if tag is None else (tag >> 16, tag & 0xFFFF)
        super().__init__(f"{path}: {named_tag(keyword)}: {why}")
