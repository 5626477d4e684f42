"""SHA-256 (FIPS 180-4) of a file, a text, a JSON value, named arrays: one place for all digests."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_sha256(text: str) -> str:
    """SHA-256 of a text in UTF-8, 64 hexadecimal digits.

    >>> text_sha256("abc")[:16]
    'ba7816bf8f01cfea'
    """
    return hashlib.sha256(text.encode()).hexdigest()


def json_sha256(content: object) -> str:
    """SHA-256 of a JSON value, 64 hexadecimal digits, whatever the order of its keys.

    >>> json_sha256({"a": 1, "b": [2]}) == json_sha256({"b": [2], "a": 1})
    True

    Raises:
        TypeError: JSON has no such value.
    """
    return text_sha256(json.dumps(content, sort_keys=True))


def arrays_sha256(arrays: Iterable[tuple[str, np.ndarray]]) -> str:
    """SHA-256 over names, types, shapes and bytes of arrays in the order given, 64 hex digits.

    >>> zeros, ones = np.zeros(2, np.float32), np.ones(2, np.float32)
    >>> arrays_sha256([("weight", zeros)]) == arrays_sha256([("weight", ones)])
    False
    """
    digest = hashlib.sha256()
    for name, array in arrays:
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def values_digest(stored: np.ndarray) -> str:
    """16 hex digits of how often each value above 0 occurs: whose scan it is, however it is kept.

    Blind to headers, files, orientation, order of slices and margins of 0; any other change of a
    value changes it.

    Args:
        stored: unsigned 16-bit integers of a record (:func:`qsr_jax.maps.to_stored`), any shape.

    >>> scan = np.arange(6, dtype=np.uint16).reshape(1, 2, 3)
    >>> values_digest(scan) == values_digest(np.pad(scan[:, ::-1], 1))
    True
    >>> values_digest(scan) == values_digest(scan + np.uint16(1))
    False
    """
    counts = np.bincount(stored.ravel(), minlength=2**16)[1:]
    return hashlib.sha256(counts.astype("<i8").tobytes()).hexdigest()[:16]
