"""Cells of anybody's table, column by column: from a csv file, from columns or rows in memory."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO, TypeAlias, runtime_checkable

CHUNK = 65_536
"""Rows that are held as text at a time; a million at once would take gigabytes."""

RENAMED = {"subject": "person"}
"""What a column was called in tables of older versions."""

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
MARK = "\ufeff"


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


class Chunk(NamedTuple):
    """Some rows of a table.

    Attributes:
        places: the line of each in the file, or its number in memory, counted from 0.
        cells: column to the cells of these rows.
    """

    places: Sequence[int]
    cells: Mapping[str, Sequence[object]]


def name_of(table: Table) -> str:
    """What a table is called in messages: its path, or "table"."""
    return str(table) if isinstance(table, Path | str) else "table"


def word_of(table: Table) -> str:
    """What a row of it is called: "line" of a file, "row" in memory."""
    return "line" if isinstance(table, Path | str) else "row"


def chunks_of(table: Table, wanted: Sequence[str]) -> Iterator[Chunk]:
    """The wanted columns of a table of any kind, some rows at a time. Blank lines are left out.

    Raises:
        TableError: no such file, no table, no UTF-8, a column that is not there once, a line with
            too few or too many cells.
    """
    wanted = list(dict.fromkeys(wanted))
    if isinstance(table, Path | str):
        yield from _of_file(Path(table), wanted)
    elif isinstance(table, SupportsColumns):
        check_columns("table", list(table.keys()), wanted)
        columns = {column: list(table[column]) for column in wanted}
        lengths = {column: len(cells) for column, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            raise TableError(f"table: columns of unequal lengths: {lengths}")
        yield Chunk(range(min(lengths.values())), columns)
    else:
        rows = _rows(table)
        for number, row in enumerate(rows):
            if not all(column in row for column in wanted):
                check_columns(f"table, row {number}", list(row), wanted)
        yield Chunk(range(len(rows)), {c: [row[c] for row in rows] for c in wanted})


def _rows(table: object) -> Sequence[Mapping[str, object]]:
    """The rows of a table in memory; refuses what is none."""
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return table
    raise TableError(
        f"table: {type(table).__name__}; expected the path of a csv file, columns by name (a "
        "DataFrame, a mapping), or a list of rows, each a mapping"
    )


def _of_file(path: Path, wanted: Sequence[str]) -> Iterator[Chunk]:
    with _opened(path) as file:
        reader = csv.reader(file, strict=True)
        try:
            heads = next(reader, [])
            check_columns(f"{path}, line 1", heads, wanted)
            index = [heads.index(column) for column in wanted]
            lines: list[int] = []
            rows: list[list[str]] = []
            for cells in reader:
                if len(cells) != len(heads):
                    if not any(cell.strip() for cell in cells):
                        continue  # a blank line, or the commas that a spreadsheet leaves
                    raise TableError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells, expected "
                        f"{len(heads)}{_why_not(cells, len(heads))}"
                    )
                rows.append(cells)
                lines.append(reader.line_num)
                if len(rows) == CHUNK:
                    yield _chunk(lines, rows, wanted, index)
                    lines, rows = [], []
            if rows:
                yield _chunk(lines, rows, wanted, index)
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(
                f"{path}, after line {reader.line_num}: not a UTF-8 csv file ({error})"
            ) from error


def _chunk(
    lines: Sequence[int], rows: Sequence[Sequence[str]], wanted: Sequence[str], index: Sequence[int]
) -> Chunk:
    """Columns of rows; rows of empty cells are left out."""
    if not all(map(any, rows)):
        kept = [i for i, row in enumerate(rows) if any(row)]
        lines, rows = [lines[i] for i in kept], [rows[i] for i in kept]
    columns = list(zip(*rows, strict=True)) or [()] * (max(index) + 1)
    return Chunk(lines, {name: columns[i] for name, i in zip(wanted, index, strict=True)})


def _why_not(cells: Sequence[str], expected: int) -> str:
    """The likely cause of a wrong number of cells."""
    if len(cells) == expected + 1 and any(cell.isdigit() for cell in cells[-2:]):
        return "; a decimal comma? write 1.5, not 1,5"
    return "; a comma inside a name? put the name in double quotes" if len(cells) > expected else ""


def _opened(path: Path) -> TextIO:
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no such file"
        raise TableError(f"{path}: {kind}; expected a csv file with one value per line")
    try:
        with path.open("rb") as file:
            start = file.read(2)
        if start in (b"\xff\xfe", b"\xfe\xff"):
            raise TableError(f"{path}: UTF-16 text; save it as UTF-8 (in Excel: CSV UTF-8)")
        return path.open(newline="", encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror})") from error


def check_columns(place: str, heads: Sequence[str], wanted: Sequence[str]) -> None:
    """Every wanted column stands there once and only once.

    Raises:
        TableError: it does not; the message says what may be the cause.
    """
    wrong = [column for column in dict.fromkeys(wanted) if heads.count(column) != 1]
    if not wrong:
        return
    got = ", ".join(map(str, heads)) or "nothing"
    raise TableError(
        f"{place}: expected each of the columns {', '.join(wrong)} once, got {got}; "
        + "".join(f"{hint}, or " for hint in _why_no_columns(heads, wrong))
        + "say what the table calls them (columns, --column NAME=COLUMN)"
    )


def _why_no_columns(heads: Sequence[str], wrong: Sequence[str]) -> Iterator[str]:
    """Likely causes of missing columns, each with what to do."""
    for now, then in RENAMED.items():
        if now in wrong and then in heads:
            yield f"'{then}' is called '{now}' now: rename it"
    for mark, word in SEPARATORS.items():
        if len(heads) == 1 and mark in heads[0]:
            yield f"cells are separated by {word}: save the table with commas and decimal points"
    if not heads:
        yield "the first line is blank: the names of the columns belong there"
    if any(str(head).startswith(MARK) for head in heads):
        yield "a byte order mark stands before the first name: read the file as utf-8-sig"
    if any(str(head).strip().casefold() in wrong for head in heads):
        yield "names count with their capitals and blanks: rename them"
