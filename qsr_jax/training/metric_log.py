"""What a run leaves to read: ``metrics.jsonl``, TensorBoard events and a progress bar."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from tqdm import tqdm

from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.training.tensorboard import Board, naming

METRICS_JSONL = "metrics.jsonl"


class Recorder:
    """Writes scalars and pictures of one run; a resumed run leaves each step on record once."""

    def __init__(self, workdir: Path, *, first_step: int, total_steps: int, title: str) -> None:
        """Opens the records in ``workdir`` and forgets what was logged after ``first_step``."""
        workdir.mkdir(parents=True, exist_ok=True)
        _drop_lines_after(workdir, first_step)
        self._lines = (workdir / METRICS_JSONL).open("a", encoding="utf-8")
        self._board = Board(workdir / "tensorboard", first_step=first_step)
        self._bar = tqdm(
            total=total_steps, initial=first_step, desc=title, unit="step", mininterval=1.0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        self._lines.close()
        with contextlib.suppress(OSError) if error else contextlib.nullcontext():
            self._board.close()

    def advance(self) -> None:
        """Moves the progress bar by one step."""
        self._bar.update(1)

    def scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Records ``values`` of a step under ``group`` ("train", "validation")."""
        line = {"step": step, "group": group} | {k: float(v) for k, v in values.items()}
        self._write(line)
        for name, value in values.items():
            self._board.scalar(step, f"{group}/{name}", float(value))
        self._board.flush()
        if group == "train":
            self._bar.set_postfix_str(f"loss {values['total']:.4f}", refresh=False)

    def alarm(self, step: int, text: str) -> None:
        """Records and prints something a person should know; the run goes on."""
        self._write({"step": step, "group": "alarm", "text": text})
        self._board.text(step, "alarm", text)
        tqdm.write(f"step {step}: {text}")

    def _write(self, line: Mapping[str, Any]) -> None:
        with naming(self._lines.name):
            self._lines.write(json.dumps(line) + "\n")
            self._lines.flush()

    def picture(self, step: int, name: str, panels: np.ndarray) -> None:
        """Records a grey picture (rows, columns) with values in 0..1 to TensorBoard."""
        self._board.image(step, name, panels)


class NullLogger:
    """Stands in for a :class:`Recorder` in the processes that record nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self) -> None:
        """Nothing."""

    def scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Nothing."""

    def alarm(self, step: int, text: str) -> None:
        """Nothing."""

    def picture(self, step: int, name: str, panels: np.ndarray) -> None:
        """Nothing."""


class MetricLogError(ValueError):
    """A log of metrics is damaged in its middle."""


def read_metrics(workdir: Path, group: str) -> list[dict[str, float]]:
    """The lines of ``metrics.jsonl`` that belong to ``group``, in the order they were written.

    A last line that is being written, or was cut short by a kill, is left out.

    Raises:
        MetricLogError: a line before the last is damaged; the file and the line are named.
    """
    lines, damaged = read_whole_lines(workdir)
    if damaged:
        numbers = ", ".join(map(str, damaged))
        raise MetricLogError(
            f"{workdir / METRICS_JSONL}, line {numbers}: expected a JSON object with step and "
            "group; a run that goes on from a checkpoint drops damaged lines, or remove them"
        )
    return [line for line in lines if line["group"] == group]


def read_whole_lines(workdir: Path) -> tuple[list[dict[str, float]], list[int]]:
    """All lines of ``metrics.jsonl`` that can be read, and the numbers of those that cannot.

    Returns:
        The lines, and the damaged lines' numbers from 1. An incomplete last line is neither.
    """
    path = workdir / METRICS_JSONL
    written = path.read_bytes().split(b"\n") if path.exists() else []
    lines, damaged = [], []
    for number, content in enumerate(written, start=1):
        line = _parsed(content)
        if line is not None:
            lines.append(line)
        elif number < len(written):  # what follows the last line feed has not been written whole
            damaged.append(number)
    return lines, damaged


def _parsed(content: bytes) -> dict[str, float] | None:
    try:
        line = json.loads(content)
    except ValueError:  # of JSON or of UTF-8
        return None
    whole = isinstance(line, dict) and isinstance(line.get("step"), int) and "group" in line
    return line if whole else None


def _drop_lines_after(workdir: Path, step: int) -> None:
    """Removes lines of steps that a resumed run will take again, and damaged ones.

    A run that begins anew has none behind it, not even the step 0 of one that began from a model.
    """
    if not (workdir / METRICS_JSONL).exists():
        return
    kept = (line for line in read_whole_lines(workdir)[0] if line["step"] <= step != 0)
    text = "".join(json.dumps(line) + "\n" for line in kept)
    write_text_atomically(workdir / METRICS_JSONL, text)
