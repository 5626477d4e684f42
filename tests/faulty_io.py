"""A file system that fails on request (``faulty_io.c``), for processes that preload it."""

import ctypes
import subprocess
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_suffix(".c")
TMP = "orbax-checkpoint-tmp"
"""In the name of everything that Orbax has not finished."""


class Fault(NamedTuple):
    """Arguments of ``arm`` in ``faulty_io.c``."""

    op: str
    path: str
    nth: int
    deed: str
    arg: int = 0


class Point(NamedTuple):
    """A moment of a save: a call that the file system gets then.

    Attributes:
        name: in words.
        op: of the call.
        path: part of its path.
        deed: what to do.
        most: calls of this kind in some saves; the nth is drawn up to this.
    """

    name: str
    op: str
    path: str
    deed: str
    most: int


POINTS = (
    Point("before the temporary folder", "m", TMP, "k", 8),
    Point("while arrays are written", "w", TMP, "K", 300),
    Point("before the rename", "r", f"{TMP}>", "k", 8),
    Point("after the rename, before the seal", "r", f"{TMP}>", "K", 8),
    Point("seal written, not in place", "r", "SEAL.json", "k", 8),
    Point("while an old one is deleted", "u", "/latest/", "K", 80),
)


def compile_library(folder: Path) -> Path:
    """Compiles what ``LD_PRELOAD`` takes."""
    built = folder / "faulty_io.so"
    command = ["cc", "-shared", "-fPIC", "-o", str(built), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return built


def arm(fault: Fault) -> None:
    """Lets a fault happen in this process, which has preloaded the library."""
    op, path, nth, deed, arg = fault
    op, deed = (ctypes.c_char(letter.encode()) for letter in (op, deed))
    ctypes.CDLL(None).arm(op, path.encode(), nth, deed, arg)
