"""What a run leaves to read: ``metrics.jsonl``, TensorBoard events and a progress bar."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from tqdm import tqdm

from qsr_jax.training.tensorboard import Board, naming


class Recorder:
    """Writes scalars and pictures of one run; a resumed run leaves each step on record once."""

    def __init__(self, workdir: Path, *, first_step: int, total_steps: int, title: str) -> None:
        """Opens the records in ``workdir`` and forgets what was logged after ``first_step``."""
        workdir.mkdir(parents=True, exist_ok=True)
        path = workdir / "metrics.jsonl"
        _drop_lines_after(path, first_step)
        self._lines = path.open("a", encoding="utf-8")
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


class Silence:
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


def read_metrics(workdir: Path, group: str) -> list[dict[str, float]]:
    """The lines of ``metrics.jsonl`` that belong to ``group``, in order of step."""
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["group"] == group]


def _drop_lines_after(path: Path, step: int) -> None:
    """Removes lines of steps that a resumed run will take again (and a half-written last line)."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except json.JSONDecodeError:
            break  # the run was killed while writing this line
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    temporary.replace(path)
