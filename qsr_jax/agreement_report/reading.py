"""Cells become codes and numbers; a cell that is no number says the likely cause."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np

from qsr_jax.agreement_report.cells import (
    Table,
    TableError,
    chunks_of,
    name_of,
    word_of,
)

NAMES = ("subject", "region", "map", "unit", "method")
POSITIVE = "expected a positive number; percent has no meaning without"

_CAUSES = (
    (re.compile(r"[-+]?\d+,\d+"), "a decimal comma? write 1.5, not 1,5"),
    (re.compile(r"[-+]?\d{1,3}([,' ]\d{3})+(\.\d*)?"), "marks between thousands? write 1000.5"),
    (re.compile(r"[-+]?\d+(_\d+)+(\.\d*)?"), "marks between thousands? write 1000.5"),
    (re.compile(r"[-+]?[\d.]+\s*(ms|s|%|µs|us)"), "the unit belongs into its own column"),
    (re.compile(r"(?i)na|n/a|nan|null|none|-|–|\."), "a missing value: leave the line out"),
)
"""Forms of a cell that is no number, and what is behind them."""


class _Codes(dict[object, int]):
    """Text to a number, counted up where it is new."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, int] = {}

    def __missing__(self, cell: object) -> int:
        text = "" if cell is None or cell != cell else str(cell).strip()
        code = self.names.setdefault(text, len(self.names))
        self[cell] = code
        return code

    def of(self, cells: Sequence[object]) -> np.ndarray:
        """(cells,) int32 codes."""
        return np.fromiter(map(self.__getitem__, cells), np.int32, len(cells))


@dataclasses.dataclass(frozen=True)
class Rows:
    """A table as numbers, a row per value.

    Attributes:
        subject: (rows,) code, as ``region``, ``map``, ``unit``, ``method`` and ``average`` are.
        more: codes of further columns.
        value: (rows,) float64, NaN where there is no positive number.
        place: (rows,) line of the file, or number of the row.
        names: column ("subject", ..., "average", "more 0", ...) to the texts of its codes.
        bad: index of a row to why it has no value.
    """

    subject: np.ndarray
    region: np.ndarray
    map: np.ndarray
    unit: np.ndarray
    method: np.ndarray
    average: np.ndarray
    more: tuple[np.ndarray, ...]
    value: np.ndarray
    place: np.ndarray
    names: Mapping[str, Sequence[str]]
    bad: Mapping[int, str]


def read_rows(
    table: Table,
    columns: Mapping[str, str],
    *,
    where: Mapping[str, str],
    average: str | None,
    more: Sequence[str],
) -> Rows:
    """Reads the lines that are wanted.

    Args:
        table: file or table in memory.
        columns: our name of a column to the table's.
        where: column to the text that it must have, or texts with "|" between them.
        average: column of values that become means, or None.
        more: further columns.

    Raises:
        TableError: see :func:`qsr_jax.agreement_report.long_table.read_long_table`.
    """
    coded = {name: columns[name] for name in NAMES}
    coded |= {} if average is None else {"average": average}
    coded |= {f"more {i}": column for i, column in enumerate(more)}
    codes = {name: _Codes() for name in coded}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*coded, "value", "place")}
    bad: dict[int, str] = {}
    count, word = 0, word_of(table)
    for places, cells in chunks_of(table, [*coded.values(), columns["value"], *where]):
        kept = _kept(cells, where, len(places))
        place = np.asarray(places, np.int64)[slice(None) if kept is None else kept]
        value, wrong = _values(_chosen(cells[columns["value"]], kept))
        for name, column in coded.items():
            parts[name].append(codes[name].of(_chosen(cells[column], kept)))
        parts["place"].append(place)
        parts["value"].append(value)
        bad |= {count + i: f"{word} {place[i]}: {why}" for i, why in wrong.items()}
        count += len(place)
    if not count:
        kept_where = "".join(f" with {column} = {text}" for column, text in where.items())
        raise TableError(f"{name_of(table)}: no lines{kept_where}")
    whole = {name: np.concatenate(part) for name, part in parts.items()}
    names = {"average": [""]} | {name: list(code.names) for name, code in codes.items()}
    _check_names(table, coded, names, whole)
    return Rows(
        **{name: whole[name] for name in (*NAMES, "value", "place")},
        average=whole.get("average", np.zeros(count, np.int32)),
        more=tuple(whole[f"more {i}"] for i in range(len(more))),
        names=names,
        bad=bad,
    )


def _chosen(cells: Sequence[object], kept: np.ndarray | None) -> Sequence[object]:
    return cells if kept is None else [cells[i] for i in kept.tolist()]


def _kept(
    cells: Mapping[str, Sequence[object]], where: Mapping[str, str], count: int
) -> np.ndarray | None:
    """Rows that have the wanted texts; None for all."""
    if not where:
        return None
    keep = np.ones(count, bool)
    for column, text in where.items():
        codes = _Codes()
        found = codes.of(cells[column])
        keep &= np.isin(found, [codes.names.get(one.strip(), -1) for one in text.split("|")])
    return np.flatnonzero(keep)


def _values(cells: Sequence[object]) -> tuple[np.ndarray, dict[int, str]]:
    """float64, NaN where there is no positive number; and why."""
    try:
        value = np.fromiter(map(float, cells), np.float64, len(cells))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = np.array([_number(cell) for cell in cells])
    with np.errstate(invalid="ignore"):
        wrong = np.flatnonzero(~((value > 0.0) & np.isfinite(value))).tolist()
    wrong += [i for i, cell in enumerate(cells) if isinstance(cell, str) and "_" in cell]
    value[wrong] = np.nan
    return value, {i: _why(cells[i]) for i in wrong}


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return np.nan


def _why(cell: object) -> str:
    """What is wrong with a value, and the likely cause."""
    text = "" if cell is None else str(cell).strip()
    if not text:
        return "value is empty"
    cause = next((why for form, why in _CAUSES if form.fullmatch(text)), POSITIVE)
    return f"value {cell!r}, {cause}"


def _check_names(
    table: Table,
    coded: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
    whole: Mapping[str, np.ndarray],
) -> None:
    """Raises TableError for the first line whose subject, region, map, unit or method is empty."""
    for name in (n for n in (*NAMES, "average") if n in coded and "" in names[n]):
        row = int(np.flatnonzero(whole[name] == names[name].index(""))[0])
        raise TableError(
            f"{name_of(table)}, {word_of(table)} {whole['place'][row]}: {coded[name]} is empty"
        )
