"""What has been measured, on disk after every row; what is there is not measured again."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.files.atomic import write_text_atomically

JSON, MARKDOWN = "gpu_day.json", "gpu_day.md"
ERROR = "error"
NOT_YET = "not yet measured"


@dataclasses.dataclass(frozen=True)
class Goal:
    """What a number should be at most.

    Attributes:
        key: of a row's values.
        most: in the value's unit.
        said: how the goal is written.
    """

    key: str
    most: float
    said: str

    def is_reached(self, values: Mapping[str, Any]) -> bool | None:
        """None where the number could not be told."""
        value = values.get(self.key)
        return None if value is None else float(value) <= self.most


@dataclasses.dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        name: its key in the file.
        what: in words.
        said: its values in words, a format of them.
        goals: of its values.
    """

    name: str
    what: str
    said: str
    goals: tuple[Goal, ...] = ()

    def cells(self, values: Mapping[str, Any] | None) -> tuple[str, str, str]:
        """What was measured, the goals, and whether they were reached."""
        wanted = "; ".join(goal.said for goal in self.goals)
        if values is None:
            return NOT_YET, wanted, ""
        if ERROR in values:
            return f"failed: {values[ERROR]}", wanted, ""
        words = {True: "yes", False: "**no**", None: "not told"}
        reached = "; ".join(words[goal.is_reached(values)] for goal in self.goals)
        return self.said.format_map(_Told(values)), wanted, reached


class _Told(dict):
    """Values for a format; one that is missing is a dash, whatever its format."""

    def __missing__(self, key: str) -> "_Dash":
        return _Dash()

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return _Dash() if value is None else value


class _Dash:
    def __format__(self, _: str) -> str:
        return "–"

    def __getitem__(self, _: object) -> "_Dash":
        return self


class Book:
    """The file of a day.

    Args:
        folder: where it lies.

    Raises:
        ValueError: the file is none of this door's.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JSON
        self.rows: dict[str, dict[str, Any]] = {}
        self.begun: list[str] = []
        if self.path.exists():
            try:
                content = json.loads(self.path.read_text("utf-8"))
                self.rows, self.begun = dict(content["rows"]), list(content["begun"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{self.path}: expected the file of an earlier run; name another --out"
                ) from None

    def has(self, name: str) -> bool:
        """Whether a row is there and did not fail."""
        return ERROR not in self.rows.get(name, {ERROR: ""})

    def begin(self, name: str) -> None:
        """Notes that a row is being measured, for the run after one that ended in it."""
        self.begun = [*(other for other in self.begun if other != name), name]
        self._save()

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Keeps a row."""
        self.rows[name] = dict(values)
        self.begun = [other for other in self.begun if other != name]
        self._save()

    def table(self, entries: Sequence[Entry]) -> str:
        """The README's table."""
        lines = ["| what | measured | goal | reached |", "|---|---|---|---|"]
        for entry in entries:
            measured, wanted, reached = entry.cells(self.rows.get(entry.name))
            lines.append(f"| {entry.what} | {measured} | {wanted or '–'} | {reached or '–'} |")
        return "\n".join(lines) + "\n"

    def _save(self) -> None:
        content = {"rows": self.rows, "begun": self.begun}
        write_text_atomically(self.path, json.dumps(content, indent=1) + "\n")
