"""The one error of DICOM input."""

from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword


def named_tag(keyword: str) -> str:
    """``Rows`` becomes ``Rows (0028,0010)``; a word that is no DICOM keyword stays as it is."""
    tag = tag_for_keyword(keyword)
    return keyword if tag is None else f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


class DicomInputError(ValueError):
    """A file or folder that must not be used, and why.

    The text never holds a personal value (names, PatientID, dates, descriptions, UIDs): the code
    that raises writes it from numbers and coded terms only.

    Attributes:
        path: the file or folder.
        keyword: the DICOM keyword that is at fault, or "file" when the file itself is.
        tag: the (group, element) of ``keyword``, or None.
        expected: what a good file has there; empty where there is nothing to compare.
        got: what this one has; empty likewise, and for personal values.
        why: the whole reason: got, expected, and what it means or what to do.
    """

    def __init__(
        self, path: Path, keyword: str, why: str = "", *, expected: str = "", got: str = ""
    ) -> None:
        tag = tag_for_keyword(keyword)
        self.path, self.keyword, self.expected, self.got = path, keyword, expected, got
        self.tag = None if tag is None else (tag >> 16, tag & 0xFFFF)
        compared = ", ".join(part for part in (got, expected and f"expected {expected}") if part)
        self.why = "; ".join(part for part in (compared, why) if part)
        super().__init__(f"{path}: {named_tag(keyword)}: {self.why}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Lets the error travel between processes."""
        return type(self), (self.path, self.keyword, self.why), vars(self)
