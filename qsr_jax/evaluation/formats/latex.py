r"""Tables for a paper: rows in, LaTeX with booktabs rules out. Every cell is text already.

A page that holds one needs ``\usepackage{booktabs}`` and UTF-8, nothing else.
"""

import dataclasses
from collections.abc import Sequence
from itertools import groupby

MISSING = "--"
"""Stands where there is no number."""

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "\u00b1": r"$\pm$",
    "\u2212": r"$-$",
    "\u00d7": r"$\times$",
    "\u00b2": r"\textsuperscript{2}",
    "\u2013": "--",
}
"""Characters that mean something to LaTeX, or that its default fonts lack."""


@dataclasses.dataclass(frozen=True)
class Column:
    r"""One column of a table.

    Attributes:
        head: its heading, plain text.
        unit: of its numbers, plain text, put in brackets behind the heading; "" for none.
        align: "l", "r" or "c".
        group: heading over neighbouring columns with the same group; "" for none.
    """

    head: str
    unit: str = ""
    align: str = "r"
    group: str = ""


def escape(text: str) -> str:
    """Plain text as LaTeX that prints the same."""
    return "".join(SPECIAL.get(character, character) for character in text)


def number(value: float | None, digits: int, *, signed: bool = False) -> str:
    """A number with a true minus sign; None is a dash. A rounded zero has no sign."""
    if value is None:
        return MISSING
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    if not any(figure in text for figure in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "$-$").replace("+", "$+$")


def interval(low: float, high: float, digits: int) -> str:
    """An interval, "-1.2 to 3.4": a dash between signs is hard to read."""
    return f"{number(low, digits)} to {number(high, digits)}"


def p_value(p: float | None) -> str:
    """A P value as journals print it: three decimals, no leading zero, never 0."""
    if p is None:
        return MISSING
    return "$<$.001" if p < 0.001 else f"{p:.3f}".replace("0.", ".", 1)


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    label: str,
    notes: Sequence[str] = (),
) -> str:
    r"""A floating table.

    Args:
        columns: from left to right.
        rows: cells of LaTeX, made by the functions of this file; an empty row is a rule.
        caption: plain text above the table.
        label: for ``\ref``, plain text.
        notes: plain text below the table, one paragraph each.

    Returns:
        LaTeX that ends in a line feed.

    Raises:
        ValueError: a row with more or fewer cells than there are columns.
    """
    for i, row in enumerate(rows):
        if row and len(row) != len(columns):
            raise ValueError(f"row {i} has {len(row)} cells, expected {len(columns)}: {row}")
    body = [" & ".join(row) + r" \\" if row else r"\midrule" for row in rows]
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escape(caption)}}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{''.join(column.align for column in columns)}}}",
        r"\toprule",
        *_heads(columns),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip\footnotesize {escape(note)}" for note in notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _heads(columns: Sequence[Column]) -> list[str]:
    """One line of headings, and above it the groups' where there are any."""
    names = [c.head + (f" ({c.unit})" if c.unit else "") for c in columns]
    lines = [" & ".join(map(escape, names)) + r" \\"]
    if not any(column.group for column in columns):
        return lines
    cells, rules, start = [], [], 1
    for group, members in groupby(columns, lambda column: column.group):
        width = len(list(members))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [" & ".join(cells) + r" \\", " ".join(rules), *lines]
