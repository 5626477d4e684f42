"""Folders of results that may be made again: ours is replaced as a whole, anything else is left."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from qsr_jax.files.staged import staged_folder


def check_ours(out: Path, *, document: str, form: str) -> None:
    """Refuses a folder that is not ours to replace; call it before the long work.

    A folder is ours when its json ``document`` has the format ``form`` and lists every file there.

    Raises:
        ValueError: ``out`` is a file or a link, or holds anything else.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ValueError(f"{out}: expected a folder or nothing there; choose another path")
    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    others = sorted(set(held) - _listed(out / document, form))
    if others:
        raise ValueError(
            f"{out}: holds {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}, which is "
            "not ours; it is left alone. Choose another path or empty the folder"
        )


def _listed(document: Path, form: str) -> set[str]:
    try:
        content = json.loads(document.read_text(encoding="utf-8"))
        return {*content["files"], document.name} if content["format"] == form else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


@contextlib.contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """Yields a folder to fill that takes the place of ``out`` when all went well, else vanishes.

    Raises:
        WriteError: the disk refused; what stood at ``out`` still stands there.
    """
    fresh, old = (out.with_name(f".{out.name}.{age}") for age in ("fresh", "old"))
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    with staged_folder(fresh) as folder:
        yield folder
    with contextlib.suppress(FileNotFoundError):
        out.rename(old)
    try:
        fresh.rename(out)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)
