"""What a file says, one attribute at a time: each is what it should be, or the file is refused.

Nothing here prints what a file says about a subject; messages hold numbers and coded terms only.
"""

import abc
import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
from pydicom.dataset import Dataset

from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.redaction import redacted

_SILENT = logging.CRITICAL + 1

PADDING = " \0"
"""Spaces before and after a text mean nothing (PS3.5 6.2; LO, SH, CS): " P1" is "P1"."""


@contextlib.contextmanager
def unquoted(action: Literal["ignore"]) -> Iterator[None]:
    """Keeps pydicom's remarks, which quote what the file says, out of warnings and logs.

    Changing the level of a logger is slow, so a whole reading is wrapped once; what is wrapped
    again inside costs nothing.
    """
    logger = logging.getLogger("pydicom")
    level = logger.level
    if level == _SILENT:
        yield
        return
    logger.setLevel(_SILENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            yield
    finally:
        logger.setLevel(level)


class Attributes(abc.ABC):
    """Attributes of one image; every accessor raises :class:`DicomInputError`.

    Attributes:
        path: the file.
        label: how messages about other images call this one.
    """

    path: Path
    label: str

    @abc.abstractmethod
    def value(self, keyword: str) -> Any:
        """The value of an attribute, None where it is absent or empty."""

    def refuse(self, keyword: str, why: str = "", *, expected: str = "", got: str = "") -> NoReturn:
        """Raises the error for ``keyword`` of this file."""
        raise DicomInputError(self.path, keyword, why, expected=expected, got=got)

    def look_up(self, dataset: Dataset, keyword: str) -> Any:
        """The value of an attribute of ``dataset``, a part of this image."""
        try:
            with unquoted("ignore"):
                value = dataset.get(keyword)
        except Exception as error:  # pydicom parses on access; anything may come
            self.refuse(keyword, f"not readable ({type(error).__name__})")
        if isinstance(value, str):
            value = value.strip(PADDING)
        return None if value is None or value == "" else value

    def text(self, keyword: str) -> str:
        """A required text."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        return str(value)

    def optional_text(self, keyword: str) -> str:
        """A text, empty where the attribute is absent."""
        value = self.value(keyword)
        return "" if value is None else str(value)

    def texts(self, keyword: str) -> tuple[str, ...]:
        """The parts of a required coded text (``ImageType``)."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        return (value,) if isinstance(value, str) else tuple(str(part) for part in value)

    def numbers(self, keyword: str, count: int) -> np.ndarray:
        """``count`` required finite numbers, (count,) float64."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        items = [value] if isinstance(value, (str, float, int)) else value
        try:
            numbers = np.array([float(item) for item in items])
        except (TypeError, ValueError):
            self.refuse(keyword, "not a number")
        if numbers.shape != (count,) or not np.isfinite(numbers).all():
            expected = f"{count} finite numbers"
            self.refuse(keyword, got=f"{numbers.size} values", expected=expected)
        return numbers

    def number(self, keyword: str) -> float:
        """One required finite number."""
        return float(self.numbers(keyword, 1)[0])

    def whole(self, keyword: str, low: int, high: int) -> int:
        """One required whole number between ``low`` and ``high``."""
        number = self.number(keyword)
        if not (low <= number <= high and number == int(number)):
            self.refuse(keyword, got=f"{number:g}", expected=f"{low}..{high}")
        return int(number)

    def expect(self, keyword: str, *allowed: str | int) -> str | int:
        """A required value out of ``allowed``; for numbers and coded terms, which may be shown."""
        value = self.value(keyword)
        if value is None:
            self.refuse(keyword, "missing")
        if value not in allowed:
            self.refuse(keyword, got=redacted(value), expected=" or ".join(str(a) for a in allowed))
        return value
