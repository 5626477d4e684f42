"""One training per workdir: an exclusive lock that says who holds it.

The lock is a file with host, process and the moment that process began. It is made by a hard link,
which exists whole or not at all on local disks and on NFS, where ``flock`` cannot be trusted.
"""

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.files.running import is_running, started_at

LOCK = "workdir.lock"


class LockedError(OSError):
    """The workdir belongs to a training that runs, or may run on another host."""


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: name of the machine.
        pid: id of the process there.
        began: when the process began (:func:`qsr_jax.files.running.started_at`), "" if not known.
        since: when it took the lock, ISO 8601 with the offset from UTC.
        job: Slurm's job and how often it was queued again, "" outside Slurm.
    """

    host: str
    pid: int
    began: str
    since: str
    job: str

    @classmethod
    def me(cls) -> Self:
        """This process, now."""
        now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), started_at(os.getpid()), now, _job())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    def is_gone(self) -> bool:
        """Whether it is certain that this holder no longer runs."""
        if self.job and self.job != _job() and self.job.split(":")[0] == _job().split(":")[0]:
            return True  # Slurm queues a job again only after all of it has ended
        if self.host != socket.gethostname():
            return False
        now = started_at(self.pid)
        return not is_running(self.pid) or (now != "" and self.began not in ("", now))


def _job() -> str:
    job = os.environ.get("SLURM_JOB_ID", "")
    return f"{job}:{os.environ.get('SLURM_RESTART_COUNT', '0')}" if job else ""


@contextlib.contextmanager
def workdir_lock(workdir: Path, *, tell: Callable[[str], None] = print) -> Iterator[Path]:
    """Holds a workdir for this process; the second training in it is refused.

    What a dead process of this host left behind is told and taken; so is the lock of the same
    Slurm job before it was queued again. The lock is released at the end, after errors too.

    Args:
        workdir: the folder; made when it is not there.
        tell: is told in one sentence that a dead process' lock was taken.

    Yields:
        The lock's path.

    Raises:
        LockedError: a process of this host holds it and runs, or one of another host holds it, or
            the lock cannot be read; the sentence names host and process and says what to do.
        WriteError: the lock could not be written.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    path, mine = workdir / LOCK, Holder.me()
    with _alone_on_this_host(workdir):
        while not _make(path, mine):
            other = _holder(path)
            if other is None:  # released since
                continue
            if not other.is_gone():
                raise LockedError(_refusal(path, other, mine))
            write_text_atomically(path, _text(mine))
            tell(f"{path}: left by {other}, which has ended; taken")
            break
    try:
        yield path
    finally:
        _release(path, mine)


@contextlib.contextmanager
def _alone_on_this_host(workdir: Path) -> Iterator[None]:
    """Two processes that find one dead lock do not both take it: dead locks are taken on one host.

    A file system without ``flock`` refuses it; then the hard link alone decides.
    """
    folder = os.open(workdir, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _make(path: Path, mine: Holder) -> bool:
    """Makes the lock; False if there is one."""
    part = path.with_name(f".{path.name}.{mine.host}.{mine.pid}")
    write_text_atomically(part, _text(mine))
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links here: whoever makes the file has it
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(_text(mine))
        except FileExistsError:
            return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _text(holder: Holder) -> str:
    return json.dumps(dataclasses.asdict(holder)) + "\n"


def _holder(path: Path) -> Holder | None:
    """Who holds the lock; None if it was released meanwhile."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise LockedError(
            f"{path}: a lock that cannot be read ({error}); expected the JSON of a training that "
            "holds this workdir. If none runs in it on any machine, remove that file"
        ) from error


def _refusal(path: Path, other: Holder, mine: Holder) -> str:
    if other.host == mine.host:
        who = "this process itself" if other.pid == mine.pid else str(other)
        return (
            f"{path.parent}: a training runs in it already: {who}. Give this one another workdir, "
            "or wait until that one has ended"
        )
    return (
        f"{path.parent}: held by {other}, and this is {mine.host}: whether that training still "
        f"runs cannot be known from here. If it has ended, remove {path}; else choose another "
        "workdir"
    )


def _release(path: Path, mine: Holder) -> None:
    """Removes our own lock; a child of a fork, or one whose lock was taken by hand, leaves it."""
    if os.getpid() != mine.pid:
        return
    with contextlib.suppress(OSError):
        if _holder(path) == mine:
            path.unlink()
