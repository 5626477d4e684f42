"""Anybody's values: a table with one number per line, checked line by line.

Columns ``subject, region, map, unit, method, value``; further columns are left unread. The table
is a csv file or lies in memory, as columns or as rows.
"""

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TextIO, TypeAlias, runtime_checkable

COLUMNS = ("subject", "region", "map", "unit", "method", "value")
AVERAGED = "averaged"
"""Our name of the column over which values are averaged."""

RENAMED = {"subject": "person"}
"""What a column was called in tables of older versions."""


@runtime_checkable
class SupportsColumns(Protocol):
    """Columns by name: a mapping, or a pandas DataFrame."""

    def keys(self) -> Iterable[str]:
        """Names of the columns."""

    def __getitem__(self, column: str, /) -> Iterable[object]:
        """Cells of a column."""


Table: TypeAlias = Path | str | SupportsColumns | Sequence[Mapping[str, object]]
"""The path of a csv file; or columns by name; or a list of rows."""


class TableError(ValueError):
    """A table that cannot be trusted; the message says file, line and reason."""


@dataclasses.dataclass(frozen=True)
class LongTable:
    """The values of a table.

    Attributes:
        name: where it was read, opens the messages about it.
        values: (map, region, method) to subject to value, all in order of appearance.
        units: map to unit.
    """

    name: str
    values: Mapping[tuple[str, str, str], Mapping[str, float]]
    units: Mapping[str, str]


def name_of(table: Table) -> str:
    """What a table is called in messages: its path, or "table"."""
    return str(table) if isinstance(table, Path | str) else "table"


def read_long_table(
    table: Table, *, columns: Mapping[str, str], where: Mapping[str, str], average: str | None
) -> LongTable:
    """Reads a table.

    Args:
        table: a csv file (UTF-8, comma-separated, one line of headings), or a table in memory.
        columns: what the table calls a column of :data:`COLUMNS` that it names otherwise.
        where: keeps the lines whose column has this text.
        average: column, such as the run of a model; a subject's values that differ in it become
            their mean. None: a subject has one value.

    Raises:
        TableError: no such file, or nothing that is a table; a missing column;
            a line with too few cells, an empty name, a value that is
            not a positive number, a second unit of a map or a second value of a subject; no lines.
    """
    mine = dict(zip(COLUMNS, COLUMNS, strict=True)) | dict(columns)
    mine |= {} if average is None else {AVERAGED: average}
    wanted = [*mine.values(), *where]
    name = name_of(table)
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    units: dict[str, str] = {}
    seen: dict[tuple[str, ...], str] = {}
    for place, cells in _cells(table, wanted):
        if any(_text(cells[column]) != text for column, text in where.items()):
            continue
        row = {ours: _text(cells[theirs]) for ours, theirs in mine.items()}
        empty = [mine[ours] for ours, text in row.items() if not text]
        if empty:
            raise TableError(f"{name}, {place}: {', '.join(empty)} is empty")
        _check_unit(units, row, f"{name}, {place}")
        key = (row["map"], row["region"], row["method"])
        first = seen.setdefault((*key, row["subject"], row.get(AVERAGED, "")), place)
        if first != place:
            raise TableError(
                f"{name}, {place}: subject {row['subject']} has a second value of "
                f"{', '.join(key)} (the first is in {first}); a subject counts once: choose lines "
                "(where, --where) or take means over a column such as the run (average, --average)"
            )
        value = _value(cells[mine["value"]], f"{name}, {place}")
        values.setdefault(key, {}).setdefault(row["subject"], []).append(value)
    if not values:
        kept = "".join(f" with {column} = {text}" for column, text in where.items())
        raise TableError(f"{name}: no lines{kept}")
    means = {key: {p: math.fsum(v) / len(v) for p, v in of.items()} for key, of in values.items()}
    return LongTable(name, means, units)


def _check_unit(units: dict[str, str], row: Mapping[str, str], place: str) -> None:
    """One unit for every map."""
    name, unit = row["map"], row["unit"]
    if units.setdefault(name, unit) != unit:
        raise TableError(f"{place}: {name} in {unit!r} after {units[name]!r}; convert to one unit")


def _text(cell: object) -> str:
    return "" if cell is None else str(cell).strip()


def _value(cell: object, place: str) -> float:
    try:
        value = float(cell)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise TableError(
            f"{place}: value {cell!r}, expected a positive number; percent has no meaning without"
        )
    return value


def _cells(table: Table, wanted: Sequence[str]) -> Iterator[tuple[str, Mapping[str, object]]]:
    """("line 2", cells by column) of a table of any kind; rows in memory are counted from 0."""
    if isinstance(table, Path | str):
        yield from _cells_of_file(Path(table), wanted)
    elif isinstance(table, SupportsColumns):
        _check_columns("table", list(table.keys()), wanted)
        columns = {column: list(table[column]) for column in dict.fromkeys(wanted)}
        lengths = {column: len(cells) for column, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            raise TableError(f"table: columns of unequal lengths: {lengths}")
        for i, cells in enumerate(zip(*columns.values(), strict=True)):
            yield f"row {i}", dict(zip(columns, cells, strict=True))
    else:
        for i, row in enumerate(_rows(table)):
            _check_columns(f"table, row {i}", list(row), wanted)
            yield f"row {i}", row


def _rows(table: object) -> Sequence[Mapping[str, object]]:
    """The rows of a table in memory; refuses what is none."""
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return table
    raise TableError(
        f"table: {type(table).__name__}; expected the path of a csv file, columns by name (a "
        "DataFrame, a mapping), or a list of rows, each a mapping"
    )


def _cells_of_file(path: Path, wanted: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    with _opened(path) as file:
        reader = csv.reader(file, strict=True)
        try:
            heads = next(reader, [])
            _check_columns(f"{path}, line 1", heads, wanted)
            for cells in reader:
                place = f"line {reader.line_num}"
                if len(cells) != len(heads):
                    raise TableError(f"{path}, {place}: {len(cells)} cells, expected {len(heads)}")
                yield place, dict(zip(heads, cells, strict=True))
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(
                f"{path}, after line {reader.line_num}: not a UTF-8 csv file ({error})"
            ) from error


def _opened(path: Path) -> TextIO:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise TableError(f"{path}: {kind}; expected a csv file with one value per line")
    try:
        return path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from error


def _check_columns(place: str, heads: Sequence[str], wanted: Sequence[str]) -> None:
    """Every wanted column stands there once and only once."""
    wrong = [column for column in dict.fromkeys(wanted) if heads.count(column) != 1]
    if not wrong:
        return
    old = [f"'{then}' is called '{now}' now: rename it" for now, then in RENAMED.items()
           if now in wrong and then in heads]  # fmt: skip
    raise TableError(
        f"{place}: expected each of the columns {', '.join(wrong)} once, got "
        f"{', '.join(map(str, heads)) or 'nothing'}; "
        + "".join(f"{hint}, or " for hint in old)
        + "say what the table calls them (columns, --column NAME=COLUMN)"
    )
