"""TensorBoard events, written by the caller's own thread.

tensorboardX's ``SummaryWriter`` hands events to a thread through a queue of ten. When that thread
dies of a full disk the queue fills and the run waits for ever without a word; here the write fails
where the run can see it.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np


@contextlib.contextmanager
def unavailable(name: str) -> Iterator[None]:
    """While open, a module that nobody has imported cannot be imported."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say so
    try:
        yield
    finally:
        del sys.modules[name]


with unavailable("torch"):  # where it is there, tensorboardX takes 1.5 s to load it, for nothing
    from tensorboardX import summary
    from tensorboardX.event_file_writer import EventsWriter
    from tensorboardX.proto.event_pb2 import Event, SessionLog


class Board:
    """An event file in a folder.

    Every method raises OSError when the file cannot be written.
    """

    def __init__(self, folder: Path, *, first_step: int) -> None:
        """Opens a new event file; TensorBoard forgets what older ones say after ``first_step``."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._events = EventsWriter(str(folder / "events"))
        self._write(first_step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalar(self, step: int, name: str, value: float) -> None:
        """Records one number."""
        self._write(step, summary=summary.scalar(name, value))

    def text(self, step: int, name: str, words: str) -> None:
        """Records a sentence."""
        self._write(step, summary=summary.text(name, words))

    def image(self, step: int, name: str, grey: np.ndarray) -> None:
        """Records a picture (rows, columns) with values in 0..1."""
        pixels = (np.clip(grey, 0.0, 1.0) * 255).astype(np.uint8)
        self._write(step, summary=summary.image(name, pixels, dataformats="HW"))

    def flush(self) -> None:
        """Hands what was recorded to the operating system."""
        with naming(self._folder):
            self._events.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        with naming(self._folder):
            self._events.close()

    def _write(self, step: int, **content: Any) -> None:
        with naming(self._folder):
            self._events.write_event(Event(wall_time=time.time(), step=step, **content))


@contextlib.contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Adds the path to an OSError of writing, which does not know it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}, while recording", str(path)) from error
