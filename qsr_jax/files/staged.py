"""Folders that appear whole or not at all, and folders of results that may be made again.

Of the second kind, ours is replaced as a whole and anything else is left alone.
"""

import contextlib
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from qsr_jax.files.running import is_running


class WriteError(OSError):
    """A folder could not be written; nothing was left at its path."""


@contextlib.contextmanager
def staged_folder(target: Path) -> Iterator[Path]:
    """Yields a sibling folder to fill; it is renamed to ``target`` only when all went well.

    Files are flushed to the disk before the rename, so a crash shows the whole folder or none. On
    any failure the half-written folder is removed. What a killed process of this machine left
    behind for the same target is removed first.

    Args:
        target: the final path; its parents are made.

    Raises:
        FileExistsError: ``target`` exists already.
        WriteError: the system refused a write (full disk, file limit, permission).
    """
    refuse_existing(target)
    host = socket.gethostname()
    part = target.with_name(f".{target.name}.{host}.{os.getpid()}.incomplete")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(target, host)
        part.mkdir()
        yield part
        flush(part)
        part.rename(target)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise WriteError(
            f"{target}: could not be written ({error.strerror or error}); check free disk space, "
            "quota, file-size limit and permissions. Nothing was left at that path"
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def refuse_existing(target: Path) -> None:
    """What :func:`staged_folder` says of a path that is taken; call it before the long work.

    Raises:
        FileExistsError: ``target`` exists already.
    """
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target}: exists already; remove it or choose another path")


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


def _remove_orphans(target: Path, host: str) -> None:
    """Removes the half-written folders of processes that no longer run on this machine."""
    prefix, suffix = f".{target.name}.{host}.", ".incomplete"
    for orphan in target.parent.iterdir():
        if not (orphan.name.startswith(prefix) and orphan.name.endswith(suffix)):
            continue
        pid = orphan.name.removeprefix(prefix).removesuffix(suffix)
        if pid.isdigit() and not is_running(int(pid)):
            shutil.rmtree(orphan, ignore_errors=True)


def flush(folder: Path) -> None:
    """Waits until every file and folder under ``folder`` is on the disk."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
