"""SIGTERM and SIGINT end a run at the next step, with a checkpoint; a second one, at once."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Self

STOPPED = 75
"""Exit status of a run that was asked to stop and can go on (sysexits' EX_TEMPFAIL)."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """While entered, remembers the first signal instead of dying of it.

    Only the main thread of a process hears signals: in another one nothing is asked, and a training
    there ends when it is done.
    """

    def __init__(self) -> None:
        self.name: str | None = None

    def __enter__(self) -> Self:
        hears = threading.current_thread() is threading.main_thread()
        numbers = SIGNALS if hears else ()
        self._before = {number: signal.signal(number, self._note) for number in numbers}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
