"""JSON files read with suspicion: every key, type and range is checked and named when wrong."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, TypeVar

Number = TypeVar("Number", int, float)


class ManifestError(ValueError):
    """A manifest that cannot be trusted; the text names the file and the key."""


@dataclasses.dataclass(frozen=True)
class Node:
    """A JSON object at a place of a file, read with suspicion."""

    path: Path
    place: str
    content: Any

    def refuse(self, key: str, why: str) -> NoReturn:
        """Raises the error about ``key``."""
        raise ManifestError(f"{self.path}: {self.place}.{key}: {why}")

    def keys(self, names: str) -> None:
        """Refuses missing and unknown keys."""
        expected = set(names.split())
        if not isinstance(self.content, dict):
            self.refuse("*", f"is {type(self.content).__name__}, expected an object")
        for key in sorted(expected ^ set(self.content)):
            self.refuse(key, "missing" if key in expected else "unknown key")

    def take(self, key: str, kind: type) -> Any:
        """The value of ``key``, of the given type."""
        value = self.content[key]
        if type(value) is not kind:
            self.refuse(key, f"is {type(value).__name__}, expected {kind.__name__}")
        return value

    def one_of(self, key: str, allowed: Sequence[Any]) -> Any:
        """The value of ``key``, out of ``allowed``."""
        value = self.content[key]
        if value not in allowed:
            self.refuse(key, f"{value!r}; expected one of {', '.join(map(str, allowed))}")
        return value

    def child(self, key: str) -> "Node":
        """The object under ``key``."""
        return Node(self.path, f"{self.place}.{key}", self.take(key, dict))

    def version(self, name: str, number: int) -> None:
        """Refuses a file of another format or version, before anything else is looked at."""
        content = self.content if isinstance(self.content, dict) else {}
        for key, wanted in (("format", name), ("version", number)):
            if key in content and content[key] != wanted:
                why = f"{content[key]!r}; expected {wanted}: make the file again"
                self.refuse(key, why)

    def all_of(self, key: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """The list under ``key``, each of its values out of ``allowed``."""
        values = self.take(key, list)
        for value in values:
            if value not in allowed:
                self.refuse(key, f"{value!r}; expected {', '.join(allowed)}")
        return tuple(values)

    def table(self, key: str, columns: str) -> tuple[Mapping[str, str], ...]:
        """The list under ``key``, of objects with the given keys."""
        rows = self.children(key)
        for row in rows:
            row.keys(columns)
        return tuple(row.content for row in rows)

    def children(self, key: str) -> list["Node"]:
        """The objects of the list under ``key``."""
        items = self.take(key, list)
        return [Node(self.path, f"{key}[{index}]", item) for index, item in enumerate(items)]

    def three(self, key: str, kind: type[Number]) -> tuple[Number, Number, Number]:
        """Three positive numbers of one kind: slices, rows, columns."""
        values: list[Number] = self.take(key, list)
        if len(values) != 3 or not all(type(v) is kind and v > 0 for v in values):
            self.refuse(key, f"{values}; expected three positive {kind.__name__}")
        slices, rows, columns = values
        return slices, rows, columns

    def folder(self, key: str) -> str:
        """A relative folder that stays inside the tree."""
        text = self.take(key, str)
        parts = PurePosixPath(text)
        if parts.is_absolute() or ".." in parts.parts or not text:
            self.refuse(key, "expected a folder inside root, relative to it")
        return text
