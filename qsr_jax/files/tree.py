"""What of a user's tree may be opened: links that stay in it, and names that can be printed.

A link that leads out of the tree names somebody else's file. A name with control characters could
write anything on a terminal; it is never opened, so that no later message can hold it.
"""

import os
from collections.abc import Iterable
from pathlib import Path

LEAVES = "a link that leaves the tree; it is not opened"
BROKEN = "a link that leads nowhere"
ALIAS = "a link to a folder that the tree holds itself"
CONTROL = "its name holds control characters; rename it"


def shown(path: Path | str) -> str:
    r"""The text with control characters and what no text can hold written out.

    >>> shown("scan\x1b[31m\n1")
    'scan\\x1b[31m\\n1'
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in str(path)
    )


def why_closed(path: Path, root: Path) -> str:
    """Why a file must not be opened; empty where it may.

    Args:
        path: a file or a link below ``root``.
        root: the tree.
    """
    if not path.name.isprintable():
        return CONTROL
    if not path.is_symlink():
        return ""
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(root)):
        return LEAVES
    return "" if target.exists() else BROKEN


def closed_folders(folders: Iterable[Path], root: Path, *, entered: set[str]) -> set[Path]:
    """Those of ``folders`` that must not be entered, or that are entered somewhere else.

    Args:
        folders: children of one folder.
        root: the tree.
        entered: real paths of the folders a walk was in; those it may enter now are added.
    """
    closed = set()
    for folder in folders:
        real = os.path.realpath(folder)
        if real in entered or why_folder_closed(folder, root):
            closed.add(folder)
        else:
            entered.add(real)
    return closed


def why_folder_closed(folder: Path, root: Path) -> str:
    """Why a folder is not entered, or a file not opened; empty where it is.

    A link into a hidden folder, as the stores of git-annex are, is the only way to what is there;
    every other link within the tree leads to what is found without it.
    """
    why = why_closed(folder, root)
    if why or not (folder.is_symlink() and folder.is_dir()):
        return why
    inside = Path(os.path.realpath(folder)).relative_to(os.path.realpath(root))
    return "" if any(part.startswith(".") for part in inside.parts) else ALIAS


def files_below(path: Path, root: Path) -> int:
    """How many files there are, following the links that may be followed.

    A link that must not be followed counts as one file, and so does a folder that cannot be listed
    and a path that is a file.
    """
    entered: set[str] = set()

    def count(here: Path) -> int:
        real = os.path.realpath(here)
        if not here.is_dir() or (here != root and why_folder_closed(here, root)):
            return 1
        if real in entered:
            return 1 if here.is_symlink() else 0
        entered.add(real)
        try:
            return sum(map(count, sorted(here.iterdir())))
        except OSError:
            return 1

    return count(path)
