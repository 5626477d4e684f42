"""Anybody's values: a table with one number per line, checked cell by cell.

Columns ``subject, region, map, unit, method, value``; further columns are left unread unless they
are asked for. A value that is no positive number is missing, and says why; what puts the whole
table in doubt (columns, units, second values) ends it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from qsr_jax.agreement_report.cells import Table, TableError, name_of, word_of
from qsr_jax.agreement_report.reading import Rows, read_rows
from qsr_jax.maps import MAPS

COLUMNS = ("subject", "region", "map", "unit", "method", "value")
EXAMPLES = 3
"""Bad cells that a message tells one by one."""


class Key(NamedTuple):
    """What a value is of; ``more`` are the cells of further columns that make families."""

    map: str
    region: str
    method: str
    more: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class LongTable:
    """The values of a table, those of a key side by side.

    Attributes:
        name: where it was read, opens the messages about it.
        keys: K of them, in order of appearance.
        units: map to unit.
        subjects: names of all subjects.
        starts: (K + 1,) key k has the rows ``starts[k]`` to ``starts[k + 1]``.
        subject: (rows,) index into ``subjects``, ascending within a key.
        value: (rows,) float64 in the unit of the map, NaN where missing.
        missing: index of a row without value to the reason.
    """

    name: str
    keys: tuple[Key, ...]
    units: Mapping[str, str]
    subjects: tuple[str, ...]
    starts: np.ndarray
    subject: np.ndarray
    value: np.ndarray
    missing: Mapping[int, str]

    def of(self, key: int) -> tuple[np.ndarray, np.ndarray]:
        """(subjects, values) of the key with this index."""
        rows = slice(self.starts[key], self.starts[key + 1])
        return self.subject[rows], self.value[rows]

    def reasons(self, key: int) -> list[str]:
        """Why values of a key are missing."""
        if not self.missing:
            return []
        return [self.missing[i] for i in range(self.starts[key], self.starts[key + 1])
                if i in self.missing]  # fmt: skip


def read_long_table(
    table: Table,
    *,
    columns: Mapping[str, str],
    where: Mapping[str, str],
    average: str | None,
    more: Sequence[str] = (),
) -> LongTable:
    """Reads a table.

    Args:
        table: a csv file (UTF-8, comma-separated, one line of headings), or a table in memory.
        columns: what the table calls a column of :data:`COLUMNS` that it names otherwise.
        where: keeps the lines whose column has this text, or one of "this|that".
        average: column, such as the run of a model; a subject's values that differ in it become
            their mean. None: a subject has one value.
        more: further columns that tell keys apart.

    Raises:
        TableError: no such file, or nothing that is a table; a missing column; a line with too few
            cells or an empty name; a second unit of a map, or a unit its values cannot have; a
            second value of a subject; no lines.
    """
    mine = dict(zip(COLUMNS, COLUMNS, strict=True)) | dict(columns)
    told = name_of(table), word_of(table)
    rows = read_rows(table, mine, where=where, average=average, more=more)
    units = _units(rows, told)
    keys, key = _keys(rows, len(more))
    order, starts = _sorted(rows, key, told)
    found = rows.subject[order[starts]], rows.value[order]
    count = np.diff(np.append(starts, len(order)))
    sums = np.add.reduceat(found[1], starts)
    group = np.empty(len(order), np.int64)  # of every row of the table
    group[order] = np.repeat(np.arange(len(starts)), count)
    missing = {int(group[row]): why for row, why in rows.bad.items()}
    bounds = np.searchsorted(key[order[starts]], np.arange(len(keys) + 1))
    _check_magnitudes(units, keys, bounds, sums / count, told[0])
    return LongTable(
        told[0], keys, units, tuple(rows.names["subject"]), bounds, found[0], sums / count, missing
    )


def _units(rows: Rows, told: tuple[str, str]) -> dict[str, str]:
    """Map to unit; refuses a map in two units."""
    names, units = rows.names["map"], rows.names["unit"]
    pairs = rows.map.astype(np.int64) * len(units) + rows.unit
    _, first = np.unique(pairs, return_index=True)
    found: dict[str, str] = {}
    for row in np.sort(first).tolist():
        name, unit = names[rows.map[row]], units[rows.unit[row]]
        if found.setdefault(name, unit) != unit:
            raise TableError(
                f"{told[0]}, {told[1]} {rows.place[row]}: {name} in {unit!r} after "
                f"{found[name]!r}; convert to one unit"
            )
    return found


def _keys(rows: Rows, more: int) -> tuple[tuple[Key, ...], np.ndarray]:
    """The keys in order of appearance, and the index of each row's key."""
    names = [rows.names[n] for n in ("map", "region", "method")]
    codes = [rows.map, rows.region, rows.method, *rows.more]
    sizes = [*map(len, names), *(len(rows.names[f"more {i}"]) for i in range(more))]
    one = np.zeros(len(rows.value), np.int64)
    for code, size in zip(codes, sizes, strict=True):
        _, one = np.unique(one * size + code, return_inverse=True)
    _, first, key = np.unique(one, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    keys = []
    for row in first[order].tolist():
        texts = [n[c[row]] for n, c in zip(names, codes, strict=False)]
        also = tuple(rows.names[f"more {i}"][rows.more[i][row]] for i in range(more))
        keys.append(Key(texts[0], texts[1], texts[2], also))
    return tuple(keys), rank[key]


def _sorted(rows: Rows, key: np.ndarray, told: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Rows by key and subject, and where each pair of these begins; refuses second values."""
    of = key * len(rows.names["subject"]) + rows.subject
    whole = of * len(rows.names["average"]) + rows.average
    order = np.argsort(whole, kind="stable")
    twice = np.flatnonzero(np.diff(whole[order]) == 0)
    if len(twice):
        first, second = min(
            ((order[i], order[i + 1]) for i in twice.tolist()), key=lambda pair: pair[1]
        )
        names = [rows.names[n][getattr(rows, n)[second]] for n in ("map", "region", "method")]
        same = rows.value[first] == rows.value[second]
        raise TableError(
            f"{told[0]}, {told[1]} {rows.place[second]}: subject "
            f"{rows.names['subject'][rows.subject[second]]} has a second value of "
            f"{', '.join(names)} (the first is in {told[1]} {rows.place[first]}"
            f"{', and is the same: a copied line?' if same else ''}); a subject counts once: "
            "choose lines (where, --where) or take means over a column such as the run (average, "
            "--average)"
        )
    starts = np.flatnonzero(np.diff(of[order], prepend=-1))
    return order, starts


def _check_magnitudes(
    units: Mapping[str, str],
    keys: Sequence[Key],
    bounds: np.ndarray,
    values: np.ndarray,
    name: str,
) -> None:
    """Refuses a unit that the values of a known map cannot have: seconds that are called ms."""
    for map_name, unit in units.items():
        spec = MAPS.get(map_name.casefold())
        factors = dict(spec.bids_units) if spec else {}
        if spec is None or unit not in factors:
            continue
        rows = [values[bounds[i] : bounds[i + 1]] for i, k in enumerate(keys) if k.map == map_name]
        known = np.concatenate(rows)
        median = float(np.median(known[~np.isnan(known)])) if np.isfinite(known).any() else 0.0
        low, high = spec.median_possible
        likely = [u for u, f in factors.items() if low <= median * f <= high]
        if likely and unit not in likely:
            raise TableError(
                f"{name}: {map_name} in {unit!r} with a median of {median:g}; a head has {low:g} "
                f"to {high:g} {spec.unit}, so these are {likely[0]}; write the unit they have"
            )
