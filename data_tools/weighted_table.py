"""The table that ``data_tools.weighted_check`` prints."""

from collections.abc import Mapping, Sequence
from typing import Any


def as_text(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Numbers of every method, part by part; triples are T1, T2, PD unless said otherwise."""
    lines: list[str] = []
    for name, parts in found.items():
        lines.append(f"== {name}")
        for part, numbers in parts.items():
            lines.append(f"{part}:")
            lines += [f"  {where:44} {value}" for where, value in _rows(numbers, "")]
    return "\n".join(lines)


def _rows(numbers: Any, where: str) -> list[tuple[str, str]]:
    if isinstance(numbers, Mapping):
        return [
            row for key, value in numbers.items() for row in _rows(value, f"{where} {key}".strip())
        ]
    if isinstance(numbers, Sequence) and not isinstance(numbers, str):
        return [(where, " / ".join(f"{value:g}" for value in numbers))]
    return [(where, str(numbers))]
