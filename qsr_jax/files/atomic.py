"""Small files that are whole at any moment, and logs whose lines are whole."""

import os
import socket
import threading
from pathlib import Path

from qsr_jax.files.staged import WriteError


def write_text_atomically(path: Path, text: str) -> None:
    """Puts ``text`` (UTF-8) at ``path``: :func:`write_bytes_atomically`."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Puts ``content`` at ``path``; a reader finds the old one or the new, never a part.

    It is on the disk before it takes its name, so a crash leaves one of the two as well.

    Raises:
        WriteError: the system refused (full disk, quota, permission); the old one still stands.
    """
    who = f"{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
    part = path.with_name(f".{path.name}.{who}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise WriteError(
            f"{path}: could not be written ({error.strerror or error}); check free disk space, "
            "quota and permissions. What stood there is unchanged"
        ) from error
    finally:
        part.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Adds ``line`` (UTF-8) to a log in one write; what could not be written whole is taken back.

    A log whose last line was cut short by a crash gets its new line on a line of its own.

    Args:
        path: the log; made when it is not there.
        line: without the line feed at its end.

    Raises:
        ValueError: ``line`` holds a line feed.
        WriteError: the system refused the write; the log is as it was.
    """
    if "\n" in line:
        raise ValueError(f"{path}: expected one line, got {line.count(chr(10)) + 1}: {line[:60]!r}")
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        before = os.fstat(file).st_size
        whole = before == 0 or os.pread(file, 1, before - 1) == b"\n"
        content = (line if whole else f"\n{line}").encode() + b"\n"
        try:
            written = os.write(file, content)
            if written < len(content):
                raise OSError(None, f"{written} of {len(content)} bytes were taken")
        except OSError as error:
            os.ftruncate(file, before)
            raise _refused(path, error) from error
    finally:
        os.close(file)


def _refused(path: Path, error: OSError) -> WriteError:
    return WriteError(
        f"{path}: the line could not be added ({error.strerror or error}); check free disk space, "
        "quota and permissions. What stood there is unchanged"
    )
