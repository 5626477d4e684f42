"""Reads the text of a program that XLA has planned: computations of instructions."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence

BYTES = {
    "pred": 1, "s8": 1, "u8": 1, "s16": 2, "u16": 2, "bf16": 2, "f16": 2, "s32": 4, "u32": 4,
    "f32": 4, "s64": 8, "u64": 8, "f64": 8, "c64": 8, "c128": 16,
}  # fmt: skip
"""Of one element; tokens and other types that hold no data have none."""

_HEAD = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_NAME = re.compile(r"^\s+(ROOT )?%([\w.\-]+) = ")
_SHAPE = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
USED = re.compile(r"%([\w.\-]+)")


class PlanTextError(ValueError):
    """The text is not a planned program."""


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: of its result.
        kind: its opcode.
        shapes: of the result or results, (type, dimensions).
        inside: what stands in its brackets; of a parameter its number.
        operands: names of other instructions in there.
        rest: everything behind the operands.
        root: whether the computation returns it.
    """

    name: str
    kind: str
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    inside: str
    operands: tuple[str, ...]
    rest: str
    root: bool

    def said(self, pattern: str) -> str | None:
        """First group of a pattern in :attr:`rest`."""
        found = re.search(pattern, self.rest)
        return found.group(1) if found else None

    @property
    def size(self) -> int:
        """Bytes of all results."""
        return sum(BYTES.get(kind, 0) * math.prod(shape) for kind, shape in self.shapes)


Computations = Mapping[str, Sequence[Instruction]]


def read_program(text: str) -> tuple[Computations, Sequence[Instruction]]:
    """All computations by name, and the one that the program starts with.

    Args:
        text: of ``jax.stages.Compiled.as_text()``.

    Raises:
        PlanTextError: no entry computation; it is not such a text.
    """
    found: dict[str, list[Instruction]] = {}
    entry = here = None
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head:
            here = head.group(2)
            found[here] = []
            entry = here if head.group(1) else entry
        elif here is not None and (one := instruction(line)) is not None:
            found[here].append(one)
    if entry is None:
        raise PlanTextError(
            "expected the text of a compiled program with an ENTRY computation; got "
            f"{text[:60]!r}: pass what compiled.as_text() returns"
        )
    return found, found[entry]


def instruction(line: str) -> Instruction | None:
    """One line of a computation, or None where it is not one.

    Example:
        >>> one = instruction("  %sum.2 = f32[8,2]{1,0} add(%a, %b), metadata={}")
        >>> one.kind, one.operands, one.size
        ('add', ('a', 'b'), 64)
    """
    begun = _NAME.match(line)
    if begun is None:
        return None
    several = line[begun.end()] == "("
    kind_at = _behind(line, begun.end()) if several else line.index(" ", begun.end())
    opened = line.index("(", kind_at)
    closed = _behind(line, opened)
    shapes = tuple(
        (kind, tuple(int(n) for n in sizes.split(",") if n))
        for kind, sizes in _SHAPE.findall(line[begun.end() : kind_at])
    )
    return Instruction(
        name=begun.group(2),
        kind=line[kind_at:opened].strip(),
        shapes=shapes,
        inside=line[opened + 1 : closed - 1],
        operands=tuple(USED.findall(line[opened:closed])),
        rest=line[closed:],
        root=begun.group(1) is not None,
    )


def _behind(line: str, start: int) -> int:
    """The place behind the bracket that closes the one at ``start``."""
    depth = 0
    for place in range(start, len(line)):
        depth += (line[place] == "(") - (line[place] == ")")
        if depth == 0:
            return place + 1
    raise PlanTextError(f"a bracket is not closed in {line[:120]!r}; was the text cut short?")
