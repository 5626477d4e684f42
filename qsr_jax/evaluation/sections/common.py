"""What every section of the report is made of, and needs.

A section is ``sections/X.py`` (rows, how they are computed, tables that show them), the words
around them in ``sections/X.html`` and one line in
:data:`qsr_jax.evaluation.compute_tables.SECTIONS`.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from qsr_jax.data.studies.manifest import FAST, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.formats.table import MISSING, Cell, Num, Part, Styled, Table
from qsr_jax.maps import spec_of
from qsr_jax.predictors.baselines import CALIBRATED
from qsr_jax.statistics import MIN_SUBJECTS, DegenerateError

PAPER_TISSUES = ("GM", "WM")
"""Tissues that the paper measures, and that it pools."""

POOLED = "GM + WM"

MAIN = (FAST, TRAINED, ROUTINE, REPEAT, TRUTH, BICUBIC, CALIBRATED)
"""Methods of the tables, in their order: what is used, what is judged, what it should replace, the
floor, and interpolations of fast for comparison; the other interpolations are in the csv."""

ResultT = TypeVar("ResultT")


@dataclasses.dataclass(frozen=True)
class TableRow:
    """A row of a table; what could not be computed is None, and every row has its n.

    ``row`` is its name in ``tables.csv``. Dictionaries are keyed by method, or by
    "method-reference"; ``paper`` is what the paper has in that place.
    """

    row: str


class Spread(Protocol):
    """Anything with a mean and a standard deviation."""

    @property
    def mean(self) -> float: ...  # noqa: D102
    @property
    def sd(self) -> float | None: ...  # noqa: D102


class Between(Protocol):
    """Anything with two ends."""

    @property
    def low(self) -> float: ...  # noqa: D102
    @property
    def high(self) -> float: ...  # noqa: D102


def _no_tables(_: Cohort) -> tuple[Table, ...]:
    return ()


def _nothing(_: Cohort) -> dict[str, object]:
    return {}


@dataclasses.dataclass(frozen=True)
class Section:
    """One part of the report.

    Attributes:
        source: the section's own file ``X.py``; ``X.html`` beside it are its words on the page,
            where ``tables.NAME`` stands for a table of ``shown``.
        title: its heading, and its name in the page's contents.
        tables: name in ``tables.csv`` and ``tables.json`` to what computes its rows.
        shown: the tables that page and LaTeX show.
        plots: further names of the page's words: plots, numbers of captions.
        absent: what the page says where no table has a row; "" for nothing.
        folded: whether a reader has to open it.
    """

    source: Path
    title: str
    tables: Mapping[str, Callable[[Cohort], Iterable[TableRow]]]
    shown: Callable[[Cohort], Iterable[Table]] = _no_tables
    plots: Callable[[Cohort], Mapping[str, object]] = _nothing
    absent: str = ""
    folded: bool = True

    @property
    def name(self) -> str:
        """The section's anchor on the page: the name of its file."""
        return self.source.stem

    def has_rows(self, cohort: Cohort) -> bool:
        """Whether there is something to show; what has no table of its own always is shown."""
        return not self.tables or any(cohort.rows(compute) for compute in self.tables.values())


def named(row: str, compute: Callable[..., ResultT], *data: Any, **options: Any) -> ResultT:
    """Computes; what is degenerate gets the name of its row.

    Raises:
        ValueError: what ``compute`` raises, with the row's name before it.
    """
    try:
        return compute(*data, **options)
    except ValueError as error:
        raise ValueError(f"{row}: {error}") from error


def if_enough(
    row: str, compute: Callable[..., ResultT], *data: Any, **options: Any
) -> ResultT | None:
    """None below three subjects, and where the values are degenerate: a table goes on without."""
    if min(len(values) for values in data) < MIN_SUBJECTS:
        return None
    try:
        return compute(*data, **options)
    except DegenerateError:
        return None
    except ValueError as error:
        raise ValueError(f"{row}: {error}") from error


def title(place: str, name: str) -> str:
    """A place and a map with its unit, "GM T1 (ms)"."""
    spec = spec_of(name)
    return f"{place} {spec.label} ({spec.unit})"


def mean_sd(sample: Spread | None, digits: int, *, signed: bool = False) -> Cell:
    """The cell "1230.17 (34.12)"."""
    if sample is None:
        return MISSING
    spread = Styled("sd", ("(", Num(sample.sd, digits), ")"))
    return Num(sample.mean, digits, signed=signed), " ", spread


def interval(ends: Between | None, digits: int, *, signed: bool = True) -> tuple[Part, ...]:
    """The cell "-1.2 to 3.4": a dash between signs is hard to read."""
    if ends is None:
        return (MISSING,)
    return Num(ends.low, digits, signed=signed), " to ", Num(ends.high, digits, signed=signed)


def in_brackets(cell: Cell) -> Styled:
    """A cell in brackets and small, to stand behind a number."""
    return Styled("sd", ("(", *(cell if isinstance(cell, tuple) else (cell,)), ")"))


def spanned(
    value: float | None, ends: Between | None, digits: int, *, signed: bool = True
) -> tuple[Part, ...]:
    """The cell "+1.2 (+0.3 to +2.1)"; without ends the number alone."""
    number = Num(value, digits, signed=signed)
    if ends is None:
        return (number,)
    return number, " ", in_brackets(interval(ends, digits, signed=signed))


def style_of(method: str) -> str:
    """The style of a method's line: the trained model stands out, what nobody can beat is grey."""
    return {TRAINED: "main", TRUTH: "floor", REPEAT: "floor"}.get(method, "")


def answer(good: bool, *, otherwise: str = "NO") -> Styled:
    """A yes, or what it says otherwise."""
    return Styled("good", "yes") if good else Styled("bad", otherwise)


def maps_of(rows: Sequence[Any]) -> list[str]:
    """The maps of rows, in order of appearance."""
    return list(dict.fromkeys(row.map for row in rows))
