"""Comparisons as tables: tidy csv where each number has its unit, and LaTeX."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.evaluation.formats.latex import to_latex
from qsr_jax.evaluation.formats.table import Column, Group, Line, Num, Part, Table
from qsr_jax.statistics import Adjusted, Comparison

UNITLESS = re.compile(
    r"n$|(deming|regression|proportional_bias|passing_bablok)\.slope|(concordance|icc_)"
    r"|.*\.(n|t|v|p|points|level|alpha|r_squared|error_ratio|linearity_p|equivalent|stated|method"
    r"|unit|form|intervals)$"
    r"|adjusted\.|bootstrap\.(slope|r_squared|deming_slope|concordance|icc_|proportional_slope)"
)
PERCENT = re.compile(
    r"bland_altman_percent|variation|.*margin_percent|bootstrap\.(cv_|\w+_percent)"
)


def save_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Saves one line per number of comparisons that are plain dictionaries."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["map", "region", "test", "reference", "n", "quantity", "unit", "value"])
        for row in rows:
            endpoint = row["endpoint"]
            names = [endpoint[key] for key in ("map", "region", "test", "reference")]
            for quantity, value in leaves(row):
                unit = unit_of(quantity, endpoint["unit"])
                writer.writerow([*names, row["n"], quantity, unit, value])


def leaves(node: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """("bland_altman.low_interval.high", value) of everything but the endpoint."""
    for key, value in node.items():
        if key == "endpoint":
            continue
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value


def unit_of(quantity: str, unit: str) -> str:
    """The unit of a quantity of a map in ``unit``: that unit, "%" or "" for pure numbers."""
    if UNITLESS.match(quantity):
        return ""
    return "%" if PERCENT.match(quantity) else unit


def safe(name: str) -> str:
    """A name as part of a file name."""
    return re.sub(r"[^\w.-]", "_", name)


COLUMNS = (
    Column("Map", align="l"),
    Column("Region", align="l"),
    Column("Method", align="l"),
    Column("n"),
    Column("mean (SD)", group="Test"),
    Column("mean (SD)", group="Reference"),
    Column("mean", group="Difference"),
    Column("TOST interval", group="Difference"),
    Column("margin", group="Equivalence"),
    Column("P", group="Equivalence"),
    Column("bias", "%", group="Bland-Altman"),
    Column("95 % limits", "%", group="Bland-Altman"),
    Column("Slope"),
    Column("CCC"),
)


def digits_of(spread: float) -> int:
    """Decimals that show two figures of a spread, at most 4."""
    return next((digits for digits in range(4) if spread * 10**digits >= 10.0), 4)


def span(low: float, high: float, digits: int) -> tuple[Part, ...]:
    """An interval, "-1.2 to 3.4": a dash between signs is hard to read."""
    return Num(low, digits), " to ", Num(high, digits)


def latex_tables(
    comparisons: Sequence[Comparison], corrected: Sequence[Mapping[str, Adjusted]]
) -> str:
    """A LaTeX table per map and method, P of equivalence corrected by Holm over all of them."""
    lines: dict[tuple[str, str], list[Line]] = {}
    for comparison, p in zip(comparisons, corrected, strict=True):
        key = comparison.endpoint.map, comparison.endpoint.test
        lines.setdefault(key, []).append(_line(comparison, p))
    first, reference = comparisons[0].equivalence_percent, comparisons[0].endpoint.reference
    note = (
        f"Margin of equivalence: {first.margin_percent:g} % of the mean of {reference}. TOST "
        f"intervals are of level {100 * first.interval.level:g} %; P of equivalence corrected "
        f"by Holm over {len(comparisons)} comparisons. Slope: least squares on {reference}. "
        "CCC: Lin's concordance."
    )
    return "\n".join(
        to_latex(
            Table(
                name=f"agreement-{safe(name)}-{safe(method)}",
                title=f"{name}, {method}: agreement with {reference}; n counts subjects.",
                caption="",
                columns=COLUMNS,
                groups=[Group(mine)],
                notes=[note],
            )
        )
        for (name, method), mine in lines.items()
    )


def _line(c: Comparison, corrected: Mapping[str, Adjusted]) -> Line:
    tost, relative, digits = c.equivalence_percent, c.bland_altman_percent, digits_of(c.paired_t.sd)
    return Line(
        [
            f"{c.endpoint.map} ({c.endpoint.unit})",
            c.endpoint.region,
            c.endpoint.test,
            str(c.n),
            *((Num(s.mean, digits), " (", Num(s.sd, digits), ")") for s in (c.test, c.reference)),
            Num(tost.difference, digits, signed=True),
            span(tost.interval.low, tost.interval.high, digits),
            Num(tost.margin, digits),
            Num(float(corrected["equivalence_percent"].holm), p=True),
            Num(relative.bias, 2, signed=True),
            span(relative.low, relative.high, 2),
            Num(c.regression.slope, 3),
            Num(c.concordance.value, 3),
        ]
    )
