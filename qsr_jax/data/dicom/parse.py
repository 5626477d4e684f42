"""From a path to a dataset: limits first, the transfer syntax second, the dataset last."""

import io
import stat
import zlib
from pathlib import Path

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from qsr_jax.data.dicom.attributes import unquoted
from qsr_jax.data.dicom.errors import DicomInputError
from qsr_jax.data.dicom.syntaxes import why_not

MAX_FILE_BYTES = 64 * 2**20
"""Of a file, and of what a deflated one holds."""
_META_GROUP = 0x0002
_UNDEFINED_LENGTH = 0xFFFFFFFF


def read_bytes(path: Path) -> bytes:
    """The file's bytes; refuses what is no plain file (a pipe would block) or is too large.

    Raises:
        DicomInputError: naming the file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DicomInputError(path, "file", "not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            got, limit = f"{status.st_size} bytes", f"at most {MAX_FILE_BYTES}"
            raise DicomInputError(path, "file", got=got, expected=limit)
        return path.read_bytes()
    except OSError as error:
        raise DicomInputError(path, "file", f"cannot be read ({error.strerror})") from None


def parse(path: Path, content: bytes) -> tuple[str, Dataset]:
    """Transfer syntax and dataset of Part 10 bytes; pixels stay encoded.

    Raises:
        DicomInputError: no Part 10 file, or a transfer syntax that is lossy or has no decoder.
    """
    if content[128:132] != b"DICM":
        why = "no File Meta Information: not a DICOM Part 10 file, or its head was cut off"
        raise DicomInputError(path, "file", why)
    try:
        with unquoted("ignore"):
            stream = io.BytesIO(content)
            read_preamble(stream, False)
            meta = read_dataset(stream, False, True, stop_when=beyond_meta)
            syntax = str(meta.TransferSyntaxUID)
            reason = why_not(syntax)
            dataset = None if reason else _read(syntax, stream)
            if dataset is not None:
                dataset.file_meta = FileMetaDataset(meta)
    except Exception as error:  # hostile bytes may fail in any way, RecursionError included
        why = f"not a readable DICOM Part 10 file ({type(error).__name__})"
        raise DicomInputError(path, "file", why) from None
    if dataset is None:
        raise DicomInputError(path, "TransferSyntaxUID", reason)
    _check_whole(path, dataset)
    return syntax, dataset


def _check_whole(path: Path, dataset: Dataset) -> None:
    """Refuses a file that ends inside an element; pydicom hands out what is left of it."""
    for element in dataset.values():
        if not isinstance(element, RawDataElement) or element.length == _UNDEFINED_LENGTH:
            continue
        here = len(element.value or b"")
        if here != element.length:
            keyword = keyword_for_tag(element.tag) or "file"
            why = "the file ends inside this element"
            got, expected = f"{here} bytes", str(element.length)
            raise DicomInputError(path, keyword, why, got=got, expected=expected)


def beyond_meta(tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG001
    """Tells pydicom where File Meta Information ends."""
    return tag.group != _META_GROUP


def _read(syntax: str, stream: io.BytesIO) -> Dataset:
    """The dataset behind File Meta Information."""
    if syntax == DeflatedExplicitVRLittleEndian:
        stream = io.BytesIO(_inflated(stream.read()))
    implicit, little = syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian
    return read_dataset(stream, implicit, little)


def _inflated(content: bytes) -> bytes:
    """Inflates a deflated dataset; a small file may claim to hold gigabytes."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = inflater.decompress(content, MAX_FILE_BYTES)
    if not inflater.eof:
        raise ValueError(f"deflated data is cut off or holds more than {MAX_FILE_BYTES} bytes")
    return inflated
