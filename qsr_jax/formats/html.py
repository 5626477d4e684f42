"""Tables as HTML; every number carries its full value for machines in ``<data value>``."""

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup, escape

from qsr_jax.formats.table import Cell, Column, Line, Num, Styled, Table, parts_of

DENSE_FROM = 13
"""Columns beyond which a table is set small, to fit a laptop's screen."""


def cell_html(cell: Cell) -> Markup:
    """A cell as HTML; numbers carry their full value in ``<data value>``."""
    made = []
    for part in parts_of(cell):
        if isinstance(part, Styled):
            made.append(
                Markup('<span class="{}">{}</span>').format(part.kind, cell_html(part.parts))
            )
        elif isinstance(part, Num) and part.value is not None:
            full = repr(part.value)
            made.append(Markup('<data value="{}">{}</data>').format(full, str(part)))
        else:
            made.append(escape(str(part)))
    return Markup("").join(made)


def to_html(table: Table) -> Markup:
    """A table of the page, in a box that scrolls where the screen is narrow."""
    kinds = ["wide"] * table.wide + ["dense"] * (len(table.columns) > DENSE_FROM)
    classes = Markup(' class="{}"').format(" ".join(kinds)) if kinds else Markup("")
    opening = Markup('<div class="scroll"><table id="{}"{}>\n').format(table.name, classes)
    caption = Markup("<caption><b>{}</b> {}</caption>\n").format(table.heading, table.caption)
    parts = [opening, caption if table.title else Markup(""), _heads_html(table.columns)]
    for group in table.groups:
        grouped = Markup(' class="group"') if len(table.groups) > 1 else Markup("")
        parts.append(Markup("<tbody{}>\n").format(grouped))
        if group.head:
            head = Markup('<tr class="head"><th colspan="{}">{}</th></tr>\n')
            parts.append(head.format(len(table.columns), cell_html(group.head)))
        parts += [_line_html(table.columns, line) for line in group.lines]
        parts.append(Markup("</tbody>\n"))
    return Markup("").join([*parts, Markup("</table></div>\n")])


def _heads_html(columns: Sequence[Column]) -> Markup:
    lines = [_row_html([_tag("th", c, escape(c.text)) for c in columns])]
    if any(column.group for column in columns):
        cells = []
        for (group, kind), members in groupby(columns, lambda c: (c.group, c.kind)):
            span = Markup('<th class="{}" colspan="{}">{}</th>')
            style = f"span {kind}".strip() if group else kind
            cells.append(span.format(style, len(list(members)), group))
        lines.insert(0, _row_html(cells))
    return Markup("<thead>\n{}</thead>\n").format(Markup("").join(lines))


def _line_html(columns: Sequence[Column], line: Line) -> Markup:
    cells = [_tag("td", c, cell_html(v)) for c, v in zip(columns, line.cells, strict=True)]
    return _row_html(cells, line.kind)


def _row_html(cells: Sequence[Markup], kind: str = "") -> Markup:
    style = Markup(' class="{}"').format(kind) if kind else Markup("")
    return Markup("<tr{}>{}</tr>\n").format(style, Markup("").join(cells))


def _tag(name: str, column: Column, content: Markup) -> Markup:
    style = " ".join(filter(None, ["left" if column.align == "l" else "", column.kind]))
    attribute = Markup(' class="{}"').format(style) if style else Markup("")
    return Markup("<{0}{1}>{2}</{0}>").format(name, attribute, content)
