"""Every number of an agreement as csv, a line per number with its unit, and as json."""

import csv
import dataclasses
import functools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.agreement_report.judged import SIDES, Judged
from qsr_jax.agreement_report.mixed import Mixed

HEADS = ("map", "region", "test", "reference", "family", "n", "quantity", "unit", "value")

UNITLESS = re.compile(
    r"n$|missing$|(deming|regression|proportional_bias|passing_bablok)\.slope|(concordance|icc_)"
    r"|.*\.(n|t|v|p|p_holm|points|level|alpha|r_squared|error_ratio|linearity_p|equivalent|stated"
    r"|method|unit|form|intervals|question|outcome|reason|reach|concordance|concordance_low)$"
    r"|adjusted\.|bootstrap\.(slope|r_squared|deming_slope|concordance|icc_|proportional_slope)"
)
PERCENT = re.compile(
    r"bland_altman_percent|variation|.*(margin|interval)_percent|bootstrap\.(cv_|\w+_percent)"
)

Saved = dict[str, Any]
"""A comparison as plain nested dictionaries of JSON values."""


def as_saved(row: Judged) -> Saved:
    """Everything about one comparison."""
    names = ("endpoint", "family", "missing", "repeatability", *SIDES)
    verdicts = {"n": row.count} | {name: plain(getattr(row, name)) for name in names}
    statistics = {} if isinstance(row.statistics, str) else plain(row.statistics)
    return statistics | verdicts | {"adjusted": plain(row.adjusted)}


def plain(result: Any) -> Any:
    """Dataclasses as dictionaries; quicker than ``dataclasses.asdict``, which copies every leaf."""
    kind: Any = type(result)
    names = _fields(kind)
    if names:
        return {name: plain(getattr(result, name)) for name in names}
    if isinstance(result, Mapping):
        return {key: plain(value) for key, value in result.items()}
    if isinstance(result, float) and not math.isfinite(result):
        return None  # JSON has no word for it
    return result


@functools.cache
def _fields(kind: Any) -> tuple[str, ...]:
    return (
        tuple(f.name for f in dataclasses.fields(kind))
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
        else ()
    )


def save_numbers(
    table: Path,
    document: Path,
    head: Mapping[str, object],
    rows: Iterable[Judged],
    *,
    mixed: Sequence[Mixed] = (),
) -> None:
    """Saves all comparisons, one after the other, so that a million rows need no memory.

    Args:
        table: csv file, one line per number.
        document: json file, one line per comparison.
        head: what else the json file says.
        rows: the comparisons.
        mixed: models of the differences, whose numbers follow in the table.
    """
    with (
        table.open("w", newline="", encoding="utf-8") as lines,
        document.open("w", encoding="utf-8") as objects,
    ):
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(HEADS)
        text = json.dumps(dict(head), indent=1, ensure_ascii=False, allow_nan=False)
        objects.write(text.removesuffix("\n}") + ',\n "comparisons": [')
        for i, row in enumerate(rows):
            saved = as_saved(row)
            writer.writerows(_lines(saved))
            one = json.dumps(saved, ensure_ascii=False, allow_nan=False)
            objects.write(f"{',' if i else ''}\n  {one}")
        objects.write("\n ]\n}\n")
        for model in mixed:
            writer.writerows(_lines_of_model(model))


def _lines(row: Saved) -> Iterator[list[object]]:
    """The csv lines of a comparison."""
    endpoint = row["endpoint"]
    names = [endpoint[key] for key in ("map", "region", "test", "reference")]
    names += [row["family"], row["n"]]
    units = {side: row[side]["unit"] or endpoint["unit"] for side in SIDES}
    units["repeatability"] = units["mean"]
    for quantity, value in leaves(row):
        unit = units.get(quantity.partition(".")[0], endpoint["unit"])
        yield [*names, quantity, unit_of(quantity, unit), value]


def _lines_of_model(one: Mixed) -> Iterator[list[object]]:
    """The csv lines of a mixed model; what regions share stands under no region."""
    names = [one.question.test, one.question.reference, one.question.family]
    saved = plain(one.model)
    parts = {"": {key: value for key, value in saved.items() if key != "regions"}}
    for region, numbers in (parts | saved["regions"]).items():
        for quantity, value in leaves(numbers, "mixed_model."):
            unit = unit_of(quantity, one.unit)
            yield [one.map, region, *names, numbers["n"], quantity, unit, value]


def leaves(node: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """("bland_altman.low_interval.high", value) of everything but names and empty places."""
    for key, value in node.items():
        if not prefix and key in ("endpoint", "family"):
            continue
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif value is not None and value != "":
            yield f"{prefix}{key}", value


@functools.lru_cache(4096)
def unit_of(quantity: str, unit: str) -> str:
    """The unit of a quantity of a map in ``unit``: that unit, "%" or "" for pure numbers."""
    if UNITLESS.match(quantity):
        return ""
    return "%" if PERCENT.match(quantity) else unit
