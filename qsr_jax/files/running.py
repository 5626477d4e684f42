"""Whether a process of this machine still runs."""

import os
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether a process of this machine has the id ``pid`` and has not ended.

    One that ended and that nobody has waited for (a zombie, as containers without an init keep
    them) does not run. Another process may have got the number since: compare :func:`started_at`.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    return not fields or fields[0] not in ("Z", "X")


def started_at(pid: int) -> str:
    """When a process began, as "boot:ticks", so that a number used again is told from its first.

    Returns:
        The kernel's boot id and the clock ticks from boot to start (``proc(5)``, field 22 of
        ``stat``); "" where there is no ``/proc`` or no such process.
    """
    fields = _stat(pid)
    if not fields:
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot}:{fields[19]}"


def _stat(pid: int) -> list[str]:
    """Fields 3 and on of ``/proc/PID/stat``; none without ``/proc`` or such a process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rsplit(")", 1)[1].split()  # the name, in brackets, may hold anything
