"""Tables said once, to be printed three ways: on the page, in LaTeX, on a terminal.

A cell is text, a :class:`Num`, or several of them in a row. Numbers keep their full value until
they are printed. :mod:`.html` and :mod:`.latex` print tables; text of a terminal is made here.
"""

import dataclasses
from collections.abc import Sequence
from itertools import zip_longest

from qsr_jax.formats.numbers import number, p_value

MISSING = "–"
"""Stands where there is no number."""


@dataclasses.dataclass(frozen=True)
class Num:
    """A number in a cell.

    Attributes:
        value: in full; None where it could not be computed.
        digits: decimals shown.
        signed: whether a plus is shown.
        p: whether it is a P value, which has its own form.
    """

    value: float | None
    digits: int = 2
    signed: bool = False
    p: bool = False

    def __str__(self) -> str:
        if self.value is None:
            return MISSING
        return (
            p_value(self.value) if self.p else number(self.value, self.digits, signed=self.signed)
        )


@dataclasses.dataclass(frozen=True)
class Styled:
    """Parts of a cell in a style of the page ("sd", "good", "bad", "sub", ...)."""

    kind: str
    parts: "Cell"


Part = str | Num | Styled
Cell = Part | tuple[Part, ...]
"""What stands in one place of a table."""


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        head: its heading.
        unit: of its numbers, put in brackets behind the heading; "" for none.
        align: "l", "r" or "c".
        group: heading over neighbouring columns with the same group; "" for none.
        kind: style of its cells on the page; "paper" for the paper's numbers.
        latex: whether LaTeX shows it: pages of a journal are narrow.
    """

    head: str
    unit: str = ""
    align: str = "r"
    group: str = ""
    kind: str = ""
    latex: bool = True

    @property
    def text(self) -> str:
        """Heading and unit."""
        return f"{self.head} ({self.unit})" if self.unit else self.head


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a table, a cell for each column; ``kind`` is its style on the page."""

    cells: Sequence[Cell]
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Group:
    """Lines that belong together, and a heading over them if not empty."""

    lines: Sequence[Line]
    head: Cell = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: anchor on the page and label in LaTeX.
        title: first words of the caption.
        caption: the rest of it.
        columns: from left to right.
        groups: from top to bottom.
        notes: below the table in LaTeX, one paragraph each.
        wide: whether it fills the page.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group]
    notes: Sequence[str] = ()
    wide: bool = True

    @property
    def heading(self) -> str:
        """The title as a sentence of its own."""
        return self.title if self.title[-1:] in ("?", "!", "") else f"{self.title}."

    def __post_init__(self) -> None:
        for line in (line for group in self.groups for line in group.lines):
            if len(line.cells) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: a line has {len(line.cells)} cells, expected "
                    f"{len(self.columns)}: {' | '.join(map(to_text, line.cells))}"
                )


def parts_of(cell: Cell) -> tuple[Part, ...]:
    """The parts of a cell, from left to right."""
    return cell if isinstance(cell, tuple) else (cell,)


def to_text(cell: Cell) -> str:
    """A cell as plain text."""
    return "".join(to_text(p.parts) if isinstance(p, Styled) else str(p) for p in parts_of(cell))


def to_terminal(lines: Sequence[Sequence[Cell]]) -> str:
    """Lines of cells in columns: the first flush left, the others flush right."""
    texts = [[to_text(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip_longest(*texts, fillvalue="")]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in texts
    )
