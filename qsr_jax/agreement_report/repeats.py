"""How far apart are two measurements by the reference itself? Measured in the table, or stated."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from qsr_jax.agreement_report.cells import TableError, check_columns
from qsr_jax.agreement_report.long_table import Key, LongTable
from qsr_jax.agreement_report.pairs import Pair
from qsr_jax.statistics import DegenerateError
from qsr_jax.statistics.repeatability import Repeatability, repeatability

PERCENT = "%"
COLUMNS = ("map", "region", "unit", "value")
"""Of a file of repeatability coefficients; an empty region stands for all regions of the map."""


@dataclasses.dataclass(frozen=True)
class Stated:
    """A repeatability coefficient, 1.96 sqrt(2) within-subject SDs; ``unit`` may be "%"."""

    value: float
    unit: str


Coefficients = Mapping[tuple[str, str], Stated]
"""By map and region; region "" stands for all regions of a map."""


def read_coefficients(given: Sequence[str]) -> dict[tuple[str, str], Stated]:
    """What ``--repeatability`` says: ``MAP=X`` in the unit of the map, ``MAP=X%``, or csv files.

    Raises:
        TableError: a file or text that says no positive number.
    """
    found: dict[tuple[str, str], Stated] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if equals and not Path(text).is_file():
            found[name, ""] = _stated(value.removesuffix(PERCENT), value, f"--repeatability {text}")
        else:
            found |= _of_file(Path(text))
    return found


def _stated(number: str, unit: str, where: str) -> Stated:
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < float("inf"):
        raise TableError(f"{where}: expected a positive number, got {number!r}")
    return Stated(value, PERCENT if unit.endswith(PERCENT) else "")


def _of_file(path: Path) -> dict[tuple[str, str], Stated]:
    if not path.is_file():
        raise TableError(
            f"--repeatability {path}: no such file; expected MAP=X, or a csv file with the columns "
            f"{', '.join(COLUMNS)}"
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        check_columns(f"{path}, line 1", reader.fieldnames or [], COLUMNS)
        return {
            (row["map"], row["region"]): _stated(
                row["value"] or "", row["unit"] or "", f"{path}, line {reader.line_num}"
            )
            for row in reader
        }


def coefficients_of(
    pairs: Sequence[Pair],
    table: LongTable,
    *,
    repeat: str | None,
    stated: Coefficients,
    margins: Mapping[str, float],
) -> list[float | None]:
    """The repeatability coefficient of each comparison's reference, in the unit of its margin.

    What is stated comes first, for a region before its map; then what the table's own repeats say.

    Args:
        pairs: the comparisons.
        table: where they come from.
        repeat: method that is the reference measured again; None for none.
        stated: coefficients that are known otherwise.
        margins: maps whose margin is in their own unit.

    Raises:
        TableError: ``repeat`` is not a method of the table, or ``stated`` is of a map that is not.
    """
    methods = {key.method for key in table.keys}
    if repeat is not None and repeat not in methods:
        raise TableError(f"repeat {repeat!r} is no method of the table: {', '.join(methods)}")
    unknown = sorted({name for name, _ in stated} - set(table.units))
    if unknown:
        raise TableError(
            f"repeatability of {unknown[0]!r}, but the maps are {', '.join(table.units)}"
        )
    index = {key: i for i, key in enumerate(table.keys)}
    measured: dict[Key, Repeatability | None] = {}
    found: list[float | None] = []
    for pair in pairs:
        e = pair.endpoint
        said = stated.get((e.map, e.region)) or stated.get((e.map, ""))
        if said is not None:
            found.append(_in_margin_unit(pair, said, margins))
            continue
        key = Key(e.map, e.region, e.reference, pair.more)
        if repeat is not None and key not in measured:
            measured[key] = _measured(table, index, key, repeat)
        twice = measured.get(key)
        value = None if twice is None else twice.coefficient if e.map in margins else twice.percent
        found.append(value)
    return found


def _measured(
    table: LongTable, index: Mapping[Key, int], key: Key, repeat: str
) -> Repeatability | None:
    """From who was measured twice; None below three of them."""
    places = index.get(key), index.get(key._replace(method=repeat))
    if places[0] is None or places[1] is None:
        return None
    (who, first), (again, second) = table.of(places[0]), table.of(places[1])
    _, one, two = np.intersect1d(who, again, assume_unique=True, return_indices=True)
    both = np.isfinite(first[one]) & np.isfinite(second[two])
    try:
        return repeatability(first[one][both], second[two][both])
    except DegenerateError:
        return None


def _in_margin_unit(pair: Pair, said: Stated, margins: Mapping[str, float]) -> float | None:
    """What was stated, in the unit of the comparison's margin; percent of PD is its own unit."""
    percent = said.unit == PERCENT and pair.endpoint.unit != PERCENT
    wanted = pair.endpoint.map not in margins
    if percent == wanted:
        return said.value
    if not len(pair.reference):
        return None
    scale = float(pair.reference.mean()) / 100.0
    return said.value / scale if wanted else said.value * scale
