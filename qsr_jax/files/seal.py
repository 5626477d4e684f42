"""Seals: what the files of a folder must be, byte for byte, written after everything else.

Formats notice some flipped bits, but not a file that is another one's copy, cut between two
records, or exchanged. So a seal names every file with its size and SHA-256. A folder without one
was not finished; a folder that differs from it is damaged. What else a seal holds is its user's.
"""

import concurrent.futures
import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.digest import file_sha256

THREADS = 8
"""Files read at a time, at most; a digest of one file keeps one core or one disk queue busy."""


class SealError(ValueError):
    """What is wrong with a sealed folder: the file, what was expected, what was found."""


class FileFacts(NamedTuple):
    """What a seal says of one file.

    Attributes:
        bytes: its size.
        sha256: of its content, hexadecimal.
    """

    bytes: int
    sha256: str


def facts_of(folder: Path, names: Iterable[str]) -> dict[str, FileFacts]:
    """Size and digest of the named files; every byte is read, by several threads.

    Args:
        folder: holds them.
        names: paths relative to it.

    Raises:
        OSError: one cannot be read.
    """
    names = list(names)
    with concurrent.futures.ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(lambda name: file_sha256(folder / name), names))
    return {
        name: FileFacts((folder / name).stat().st_size, digest)
        for name, digest in zip(names, digests, strict=True)
    }


def write_seal(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a seal whole or not at all.

    Raises:
        WriteError: the disk refused.
    """
    write_text_atomically(path, json.dumps(content, indent=1) + "\n")


def read_seal(path: Path, keys: Collection[str]) -> dict[str, Any]:
    """Reads a seal that holds exactly ``keys``.

    Raises:
        SealError: missing, not readable, or with other keys.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SealError(f"{path.name} cannot be read ({type(error).__name__})") from None
    if not isinstance(content, dict) or content.keys() != set(keys):
        raise SealError(f"{path.name}: expected {', '.join(sorted(keys))}")
    return content


def check_names(expected: Collection[str], found: Collection[str]) -> None:
    """Refuses missing and surplus files.

    Raises:
        SealError: naming the first.
    """
    for name in sorted(set(expected) - set(found)):
        raise SealError(f"{name}: missing")
    for name in sorted(set(found) - set(expected)):
        raise SealError(f"{name}: does not belong here")


def check_files(folder: Path, sealed: Mapping[str, FileFacts], names: Collection[str]) -> None:
    """Compares files with their seal: sizes first, which cost nothing, then every byte.

    A digest kept from an earlier time would not see a disk that forgets, so all of them are read.

    Args:
        folder: holds them.
        sealed: what the seal says of every file of the folder.
        names: those to compare.

    Raises:
        SealError: a file was cut or changed, or is another one's copy.
        OSError: one cannot be read.
    """
    for name in names:
        size = (folder / name).stat().st_size
        if size != sealed[name].bytes:
            raise SealError(f"{name}: {size} bytes, expected {sealed[name].bytes}")
    for name, found in facts_of(folder, names).items():
        if found.sha256 != sealed[name].sha256:
            twins = [other for other, facts in sealed.items() if facts.sha256 == found.sha256]
            what = f"is {twins[0]}'s content" if twins else "was changed"
            raise SealError(f"{name}: {what}; sha256 {found.sha256[:12]}… is not the sealed one")
