"""What every row is given: sizes, folders, a clock that keeps the budget, and the other rows."""

import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import Any

import jax
import numpy as np

from launch.bench import material, metrics
from launch.config.build import experiment_of
from launch.config.page import load_config
from launch.gpu_day.book import Book
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.stopping import STOPPED

ROOT = Path(__file__).parents[2]
TINY: dict[str, dict[str, Any]] = {
    "srgan": {
        "data.batch_size": 4, "model.features": 4, "model.blocks": 1,
        "discriminator.features": "(4,4)", "vgg.layer": "conv1_1", "precision.matmul": "highest",
    },
    "default": {
        "data.batch_size": 4, "model.features": 4, "data.crop": 16, "task.margin": 2,
        "precision.matmul": "highest",
    },
}  # fmt: skip
"""Overrides of the pages when all of it is only tried, and of those of the stored goldens: so that
their programs are the same, and compiled once."""
SIDE = 24
"""Pixels of a slice of theirs."""


REPEATS = 20
"""Timed calls of a program, at most."""


class RowError(RuntimeError):
    """Why a row could not be measured, in a sentence."""


@dataclasses.dataclass
class Day:
    """The surroundings of a row.

    Attributes:
        out: folder of everything written.
        book: the rows so far.
        data_dir: records to train on; None: simulated by the row ``cohort``.
        dry: whether everything is tiny.
        ends: when the whole budget is spent, by ``time.monotonic``.
        row_ends: when this row's is.
    """

    out: Path
    book: Book
    data_dir: Path | None
    dry: bool
    ends: float
    row_ends: float = 0.0

    @property
    def left_s(self) -> float:
        """Seconds that this row may still take."""
        return self.row_ends - time.monotonic()

    def experiment(self, page: str, **changes: Any) -> Experiment:
        """A shipped page, tiny in a dry run; ``__`` stands for the dots of keys."""
        words = [f"--config.{word}" for word in self.overrides(page, **changes)]
        return experiment_of(load_config(page, words))

    def overrides(self, page: str, **changes: Any) -> list[str]:
        """``key=value`` of a page."""
        random = {"vgg.weights": "random"} if page == "srgan" else {}
        named = {key.replace("__", "."): value for key, value in changes.items()}
        given = random | (TINY[page] if self.dry else {}) | named
        return [f"{key}={value}" for key, value in given.items()]

    def timed(self, once: Callable[[], Any], repeats: int = REPEATS) -> dict[str, Any]:
        """First call apart, then the median of as many calls as half of the time left allows.

        A dry run calls once: it has no time to tell.
        """
        start = time.perf_counter()
        jax.block_until_ready(once())
        first, times = time.perf_counter() - start, list[float]()
        stop = time.monotonic() + self.left_s / 2
        while not self.dry and len(times) < repeats and (not times or time.monotonic() < stop):
            start = time.perf_counter()
            jax.block_until_ready(once())
            times.append(time.perf_counter() - start)
        low, median, high = np.percentile(times or [first], [25, 50, 75])
        quartiles = [float(1e3 * low), float(1e3 * high)]
        return {
            "first_s": first, "ms": float(1e3 * median), "quartiles_ms": quartiles,
            "repeats": len(times),
        }  # fmt: skip

    def value(self, row: str, key: str) -> float | None:
        """A number of another row, if it is there."""
        return self.book.rows.get(row, {}).get(key)

    def child(
        self,
        words: Sequence[str],
        *,
        row: str,
        env: Mapping[str, str] | None = None,
        stop_after_s: float | None = None,
        anew: bool = False,
    ) -> str:
        """What a Python of its own says on standard output; the rest goes to ``logs/``.

        A dry run calls doors of the house in this process, where nothing is loaded and compiled
        twice, unless what is tried is a new one.

        Args:
            words: after ``python``.
            row: whose log.
            env: beside what this process has.
            stop_after_s: when it is asked to stop, which is then no failure.
            anew: whether a dry run, too, starts a process.

        Raises:
            RowError: it failed; with its last line.
        """
        log = self.out / "logs" / f"{row}.log"
        log.parent.mkdir(exist_ok=True)
        if self.dry and words[0] == "-m" and not anew:
            return _here(words[1], words[2:], log)
        inherited = dict(os.environ) | {"PYTHONPATH": str(ROOT)} | dict(env or {})
        with log.open("a") as errors, subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env=inherited, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        ) as process:  # fmt: skip
            try:
                said = process.communicate(timeout=stop_after_s)[0]
            except subprocess.TimeoutExpired:
                process.terminate()
                said = process.communicate()[0]
            except BaseException:
                process.kill()
                raise
        if process.returncode and (stop_after_s is None or process.returncode != STOPPED):
            lines = [*said.split("\n"), *log.read_text(errors="replace").split("\n")]
            last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
            raise RowError(f"{' '.join(words[:2])} ended with {process.returncode}: {last[:300]}")
        return said


def _here(door: str, words: Sequence[str], log: Path) -> str:
    """Calls a door; what it says goes to the log."""
    with log.open("a") as told, redirect_stdout(told), redirect_stderr(told):
        try:
            importlib.import_module(door).main(list(words))
        except SystemExit as ended:
            if ended.code:
                raise RowError(f"{door} ended with {ended.code}") from None
    return ""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises RowError in the main thread after so many seconds; a compilation ends first."""

    def late(_: int, __: FrameType | None) -> None:
        raise RowError(f"not done within its {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


QUICKLY: dict[str, Any] = {
    "jax_disable_most_optimizations": True,
    "jax_persistent_cache_min_compile_time_secs": 0.1,
}
"""How a dry run compiles: half as long, and nothing twice."""
CACHE = "jax_compilation_cache_dir"


@contextmanager
def sizes(dry: bool, out: Path) -> Iterator[None]:
    """If all of it is only tried: made-up scans are tiny, and programs compile quickly, once."""
    if not dry:
        yield
        return
    options = QUICKLY | {CACHE: jax.config.values[CACHE] or str(out / "compiled")}
    before = {name: jax.config.values[name] for name in options}
    shapes, environ = (material.SIDE, metrics.SLICES), dict(os.environ)
    material.SIDE, metrics.SLICES = SIDE, 2
    os.environ.setdefault("JAX_NUM_CPU_DEVICES", "1")  # of processes of their own, as of this one
    for name, value in options.items():
        os.environ[name.upper()] = str(value)  # of the processes of its own
        jax.config.update(name, value)
    try:
        yield
    finally:
        material.SIDE, metrics.SLICES = shapes
        os.environ.clear()
        os.environ.update(environ)
        for name, value in before.items():
            jax.config.update(name, value)
