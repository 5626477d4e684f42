"""A process that decodes compressed pixels, with little memory and little time.

Decoders are native code that meets hostile bytes; what kills them must not kill the reader.
"""

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypedDict, cast

DECODE_SECONDS = 30.0
"""Wall-clock time of a decoding; a busy machine may need much of it."""
CPU_SECONDS, CPU_SECONDS_PER_MEGAPIXEL = 0.2, 1.0
"""Processor time of a decoding: ten times what any decoder needs for a good stream. Some damaged
JPEG-LS streams keep theirs busy for fifteen seconds over 1024 pixels."""
DECODE_BYTES = 512 * 2**20
"""Memory beyond what the process has when its libraries are loaded."""
_PROGRAM = Path(__file__).with_name("decoder_child.py")
_SINGLE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class DecodeError(ValueError):
    """Pixels that could not be decoded; the text holds no content of the file."""


class DecodeRequest(TypedDict):
    """What a header says of compressed pixels; see ``decoder_child.decode``."""

    syntax: str
    plugin: str
    frames: int
    rows: int
    columns: int
    bits_stored: int
    pixel_representation: int


class DecodeWorker:
    """One process, started when it is first needed and again after a death.

    Use as a context manager; the process ends with the context.
    """

    def __init__(self, *, seconds: float = DECODE_SECONDS, memory: int = DECODE_BYTES) -> None:
        """Takes limits of each decoding: wall-clock seconds (more for large images), and bytes."""
        self._seconds, self._memory = seconds, memory
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def decode(self, request: DecodeRequest, content: bytes) -> bytes:
        """Returns the decoded little-endian 16-bit words of ``content``.

        Args:
            request: what the header says.
            content: the encapsulated pixels.

        Raises:
            DecodeError: the decoder refused, died, or took too long or too much.
        """
        if self._process is None:
            self._process = self._started()
        process = self._process
        late = threading.Event()
        pixels = request["frames"] * request["rows"] * request["columns"]
        computing = CPU_SECONDS + CPU_SECONDS_PER_MEGAPIXEL * pixels / 1e6

        def stop() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(self._seconds + computing, stop)
        watch.start()
        try:
            more = {"cpu_seconds": computing, "bytes": len(content)}
            why, words = _exchanged(process, {**request, **more}, content)
        except (OSError, EOFError, ValueError):
            self.close()
            self._process = self._started()  # ready by the time that it is needed
            if late.is_set():
                raise DecodeError(f"stopped after {self._seconds + computing:.1f} s") from None
            if process.returncode == -signal.SIGPROF:
                raise DecodeError(f"stopped after computing for {computing:.1f} s") from None
            raise DecodeError("decoder died") from None
        finally:
            watch.cancel()
        if why:
            raise DecodeError(why)
        return words

    def _started(self) -> subprocess.Popen[bytes]:
        """The process, ready to read a request."""
        return subprocess.Popen(
            [sys.executable, "-P", str(_PROGRAM), str(self._memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_SINGLE_THREAD},
        )


@functools.cache
def process_decoder() -> DecodeWorker:
    """One worker for everything that this process reads; it ends with the process."""
    worker = DecodeWorker()
    atexit.register(worker.close)
    return worker


def _exchanged(
    process: subprocess.Popen[bytes], head: Mapping[str, object], content: bytes
) -> tuple[str, bytes]:
    """Why the child refused ("" where it did not) and the words it decoded.

    Raises:
        OSError, EOFError, ValueError: it died on the way.
    """
    to_child, from_child = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    to_child.write(json.dumps(head).encode() + b"\n" + content)
    to_child.flush()
    answer = json.loads(from_child.readline())
    words = from_child.read(answer["bytes"])
    if len(words) != answer["bytes"]:
        raise EOFError
    return answer["why"], words
