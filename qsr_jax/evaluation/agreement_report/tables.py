"""Comparisons as tables: tidy csv where each number has its unit, and LaTeX."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qsr_jax.evaluation.formats import latex
from qsr_jax.statistics import Comparison

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


def leaves(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
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


HEADS = (
    latex.Column("Map", align="l"),
    latex.Column("Region", align="l"),
    latex.Column("Method", align="l"),
    latex.Column("n"),
    latex.Column("mean (SD)", group="Test"),
    latex.Column("mean (SD)", group="Reference"),
    latex.Column("mean", group="Difference"),
    latex.Column("TOST interval", group="Difference"),
    latex.Column("margin", group="Equivalence"),
    latex.Column("P", group="Equivalence"),
    latex.Column("bias", "%", group="Bland-Altman"),
    latex.Column("95 % limits", "%", group="Bland-Altman"),
    latex.Column("Slope"),
    latex.Column("CCC"),
)


def digits_of(spread: float) -> int:
    """Decimals that show two figures of a spread, at most 4."""
    return next((digits for digits in range(4) if spread * 10**digits >= 10.0), 4)


def latex_tables(
    comparisons: Sequence[Comparison], corrected: Sequence[Mapping[str, Mapping[str, float]]]
) -> str:
    """A LaTeX table per map and method, P of equivalence corrected by Holm over all of them."""
    rows: dict[tuple[str, str], list[Sequence[str]]] = {}
    for comparison, extra in zip(comparisons, corrected, strict=True):
        key = comparison.endpoint.map, comparison.endpoint.test
        rows.setdefault(key, []).append(_latex_row(comparison, extra))
    first, reference = comparisons[0].equivalence_percent, comparisons[0].endpoint.reference
    note = (
        f"Margin of equivalence: {first.margin_percent:g} % of the mean of {reference}. TOST "
        f"intervals are of level {100 * first.interval.level:g} %; P of equivalence corrected "
        f"by Holm over {len(comparisons)} comparisons. Slope: least squares on {reference}. "
        "CCC: Lin's concordance."
    )
    return "\n".join(
        latex.table(
            HEADS,
            lines,
            caption=f"{name}, {method}: agreement with {reference}; n counts subjects.",
            label=f"tab:agreement-{safe(name)}-{safe(method)}",
            notes=[note],
        )
        for (name, method), lines in rows.items()
    )


def _latex_row(c: Comparison, corrected: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    tost, relative, digits = c.equivalence_percent, c.bland_altman_percent, digits_of(c.paired_t.sd)
    return (
        *map(latex.escape, (f"{c.endpoint.map} ({c.endpoint.unit})", c.endpoint.region)),
        *(latex.escape(c.endpoint.test), str(c.n)),
        *(
            f"{latex.number(s.mean, digits)} ({latex.number(s.sd, digits)})"
            for s in (c.test, c.reference)
        ),
        latex.number(tost.difference, digits, signed=True),
        latex.interval(tost.interval.low, tost.interval.high, digits),
        latex.number(tost.margin, digits),
        latex.p_value(corrected["equivalence_percent"]["holm"]),
        latex.number(relative.bias, 2, signed=True),
        latex.interval(relative.low, relative.high, 2),
        latex.number(c.regression.slope, 3),
        latex.number(c.concordance.value, 3),
    )
