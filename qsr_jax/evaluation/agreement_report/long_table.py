"""Anybody's values: a table with one number per line, checked line by line.

Columns ``subject, region, map, unit, method, value``; further columns are left unread.
"""

import csv
import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from qsr_jax.evaluation.report.opening import plural
from qsr_jax.statistics import Endpoint

COLUMNS = ("subject", "region", "map", "unit", "method", "value")
AVERAGED = "averaged"
"""Our name of the column over which values are averaged."""


class TableError(ValueError):
    """A table that cannot be trusted; the message says file, line and reason."""


@dataclasses.dataclass(frozen=True)
class Block:
    """Comparisons over the same subjects.

    Attributes:
        subjects: n names.
        endpoints: what is compared.
        test: (endpoints, n) float64.
        reference: (endpoints, n) float64.
    """

    subjects: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    test: np.ndarray
    reference: np.ndarray


@dataclasses.dataclass(frozen=True)
class LongTable:
    """The values of a table.

    Attributes:
        path: where it was read.
        values: (map, region, method) to subject to value, all in order of appearance.
        units: map to unit.
    """

    path: Path
    values: Mapping[tuple[str, str, str], Mapping[str, float]]
    units: Mapping[str, str]


def read_long_table(
    path: Path, *, columns: Mapping[str, str], where: Mapping[str, str], average: str | None
) -> LongTable:
    """Reads a csv file.

    Args:
        path: UTF-8, comma-separated, one line of headings.
        columns: what the file calls a column of :data:`COLUMNS` that it names otherwise.
        where: keeps the lines whose column has this text.
        average: column, such as the run of a model; a subject's values that differ in it become
            their mean. None: a subject has one value.

    Raises:
        TableError: a missing column; a line with too few cells, an empty name, a value that is
            not a positive number, a second unit of a map or a second value of a subject; no lines.
    """
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    units: dict[str, str] = {}
    seen: dict[tuple[str, ...], int] = {}
    mine = dict(zip(COLUMNS, COLUMNS, strict=True)) | dict(columns)
    mine |= {} if average is None else {AVERAGED: average}
    for line, row in _rows(path, mine, where):
        place = f"{path}, line {line}"
        name, unit = row["map"], row["unit"]
        if units.setdefault(name, unit) != unit:
            raise TableError(
                f"{place}: {name} in {unit!r} after {units[name]!r}; convert to one unit"
            )
        key = (name, row["region"], row["method"])
        first = seen.setdefault((*key, row["subject"], row.get(AVERAGED, "")), line)
        if first != line:
            raise TableError(
                f"{place}: subject {row['subject']} has a second value of {', '.join(key)} (the "
                f"first is in line {first}); a subject counts once: --where chooses lines, "
                "--average takes means over a column such as the run"
            )
        mean_of = values.setdefault(key, {}).setdefault(row["subject"], [])
        mean_of.append(_value(row["value"], place))
    if not values:
        kept = "".join(f" with {column} = {text}" for column, text in where.items())
        raise TableError(f"{path}: no lines{kept}")
    means = {key: {p: math.fsum(v) / len(v) for p, v in of.items()} for key, of in values.items()}
    return LongTable(path, means, units)


def _value(text: str, place: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0.0):
        raise TableError(
            f"{place}: value {text!r}, expected a positive number; percent has no meaning without"
        )
    return value


def _rows(
    path: Path, mine: Mapping[str, str], where: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, cells by our names) of the lines kept."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, strict=True)
        try:
            heads = next(reader, [])
            places = _places(path, heads, [*mine.values(), *where])
            for cells in reader:
                line = reader.line_num
                if len(cells) != len(heads):
                    raise TableError(
                        f"{path}, line {line}: {len(cells)} cells, expected {len(heads)}"
                    )
                if any(cells[places[column]] != text for column, text in where.items()):
                    continue
                row = {name: cells[places[column]].strip() for name, column in mine.items()}
                empty = [mine[name] for name, text in row.items() if not text]
                if empty:
                    raise TableError(f"{path}, line {line}: {', '.join(empty)} is empty")
                yield line, row
        except (csv.Error, UnicodeDecodeError) as error:
            raise TableError(
                f"{path}, after line {reader.line_num}: not a UTF-8 csv file ({error})"
            ) from error


def _places(path: Path, heads: list[str], wanted: list[str]) -> dict[str, int]:
    """Where each wanted column stands, once and only once."""
    wrong = [column for column in dict.fromkeys(wanted) if heads.count(column) != 1]
    if wrong:
        raise TableError(
            f"{path}, line 1: expected each of the columns {', '.join(wrong)} once, got "
            f"{', '.join(heads) or 'nothing'}; --column NAME=COLUMN says what the file calls them"
        )
    return {column: heads.index(column) for column in wanted}


def blocks_of(table: LongTable, *, reference: str) -> list[Block]:
    """Every other method against ``reference``, comparisons over the same subjects together.

    They are in order of map, then method, then region, each in order of appearance.

    Raises:
        TableError: no such method, no other method, or a subject with one method and not the other.
    """
    methods = list(dict.fromkeys(method for _, _, method in table.values))
    if reference not in methods or len(methods) < 2:
        raise TableError(
            f"{table.path}: expected the reference {reference!r} and another method, got "
            f"{', '.join(methods)}"
        )
    found: dict[tuple[str, ...], list[tuple[Endpoint, list[float], list[float]]]] = {}
    maps = list(table.units)
    keys = sorted(table.values, key=lambda key: (maps.index(key[0]), methods.index(key[2])))
    for name, region, method in keys:
        if method == reference:
            continue
        test = table.values[name, region, method]
        endpoint = Endpoint(name, region, table.units[name], method, reference)
        against = _partners(table, endpoint)
        unpaired = sorted(test.keys() ^ against.keys())
        if unpaired:
            raise TableError(
                f"{table.path}: {endpoint}: {plural(len(unpaired), 'subject')} with one method and "
                f"not the other ({', '.join(unpaired[:3])}{' ...' if len(unpaired) > 3 else ''}); "
                "both are needed"
            )
        subjects = tuple(sorted(test))
        row = endpoint, [test[p] for p in subjects], [against[p] for p in subjects]
        found.setdefault(subjects, []).append(row)
    return [
        Block(subjects, endpoints, np.array(test), np.array(references))
        for subjects, rows in found.items()
        for endpoints, test, references in [tuple(zip(*rows, strict=True))]
    ]


def _partners(table: LongTable, endpoint: Endpoint) -> Mapping[str, float]:
    key = (endpoint.map, endpoint.region, endpoint.reference)
    if key not in table.values:
        raise TableError(f"{table.path}: {endpoint}: the reference has no values there")
    return table.values[key]
