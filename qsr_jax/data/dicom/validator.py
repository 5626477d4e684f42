"""Asks dciodvfy, where it is installed, whether a written file keeps the standard."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

TOOL = "dciodvfy"
"""From the Debian package dicom3tools."""


def check_standard(files: Sequence[Path], source: Path, *, where: Path) -> None:
    """Refuses files with errors that the source does not have; without the tool, nothing is done.

    What is wrong in the source's own header is repeated, not judged. Messages of the tool quote
    values, so only their kind is told.

    Raises:
        ValueError: an error of the writer's making.
    """
    if shutil.which(TOOL) is None:
        return
    known = _errors(source)
    for path in files:
        fresh = _errors(path) - known
        if fresh:
            raise ValueError(f"{where}: {TOOL} finds: {'; '.join(sorted(fresh))}; not written")


def _errors(path: Path) -> set[str]:
    """The kinds of errors in a file: the text up to the first value."""
    ran = subprocess.run(
        [TOOL, str(path)], capture_output=True, check=False, text=True, errors="replace"
    )
    lines = (ran.stdout + ran.stderr).splitlines()
    return {_without_values(line) for line in lines if line.startswith("Error")}


def _without_values(line: str) -> str:
    """The kind of an error, without what the file says.

    A bad value is told by its last words alone: a UID that breaks the rules does so again where it
    is referred to, and that is not the writer's fault.
    """
    if "Value invalid for this VR" in line:
        return f"Value invalid for this VR: {line.rsplit(' - ', 1)[-1]}"
    return re.sub(r"= <[^>]*>", "= <…>", line).strip()
