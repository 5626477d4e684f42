r"""Tables for a paper: LaTeX with booktabs rules.

A page that holds one needs ``\usepackage{booktabs}`` and UTF-8, nothing else.
"""

from collections.abc import Sequence
from itertools import groupby

from qsr_jax.formats.table import Cell, Column, Num, Styled, Table, parts_of

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
    "<": r"$<$",
    ">": r"$>$",
    "\u00b1": r"$\pm$",
    "\u2212": r"$-$",
    "\u00d7": r"$\times$",
    "\u00b2": r"\textsuperscript{2}",
    "\u2013": "--",
    "\u2014": "---",
    "\u25cf": r"$\bullet$",
    "\u25cb": r"$\circ$",
    "\u03b1": r"$\alpha$",
    "\u03c3": r"$\sigma$",
    "\u2080": r"$_0$",
    "\u2081": r"$_1$",
    "\u2082": r"$_2$",
    "\u201c": "``",
    "\u201d": "''",
    "\u2019": "'",
}
"""Characters that mean something to LaTeX, or that its default fonts lack."""


def escape_latex(text: str) -> str:
    """Plain text as LaTeX that prints the same."""
    return "".join(SPECIAL.get(character, character) for character in text)


def cell_latex(cell: Cell) -> str:
    """A cell as LaTeX; a plus sign of a number is set like a minus."""
    made = []
    for part in parts_of(cell):
        if isinstance(part, Styled):
            made.append((" " if part.kind == "sub" else "") + cell_latex(part.parts))
        else:
            text = escape_latex(str(part))
            made.append(text.replace("+", "$+$") if isinstance(part, Num) else text)
    return "".join(made)


def to_latex(table: Table) -> str:
    """A floating table with rules between its groups; LaTeX that ends in a line feed."""
    kept = [i for i, column in enumerate(table.columns) if column.latex]
    columns = [table.columns[i] for i in kept]
    body: list[str] = []
    for group in table.groups:
        body += [r"\midrule"] if body else []
        if group.head:
            body.append(rf"\multicolumn{{{len(kept)}}}{{l}}{{{cell_latex(group.head)}}} \\")
        body += [" & ".join(cell_latex(g.cells[i]) for i in kept) + r" \\" for g in group.lines]
    caption = f"{table.heading} {table.caption}".strip()
    lines = [
        r"\begin{table}[htbp]",
        r"\centering",
        rf"\caption{{{escape_latex(caption)}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{{''.join(column.align for column in columns)}}}",
        r"\toprule",
        *_heads_latex(columns),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\smallskip\footnotesize {escape_latex(note)}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _heads_latex(columns: Sequence[Column]) -> list[str]:
    """One line of headings, and above it the groups' where there are any."""
    lines = [" & ".join(escape_latex(c.text) for c in columns) + r" \\"]
    if not any(column.group for column in columns):
        return lines
    cells, rules, start = [], [], 1
    for group, members in groupby(columns, lambda column: column.group):
        width = len(list(members))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [" & ".join(cells) + r" \\", " ".join(rules), *lines]
