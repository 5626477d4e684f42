"""What a program that XLA has planned for a GPU does: its kernels, bytes and products.

What one instruction of the schedule starts on the device counts as one kernel. A kernel moves its
results and of its operands what it reads: a fusion that picks rows of a table reads the rows, not
the table. Operations are those of convolutions and matrix products; everything else moves more
than it computes.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from launch.bench.plan_text import USED, Computations, Instruction, read_program

SILENT = frozenset({
    "parameter", "get-tuple-element", "tuple", "bitcast", "constant", "after-all", "opt-barrier",
    "partition-id", "replica-id", "iota",
})  # fmt: skip
"""Instructions that start nothing, or that their starting half has been counted for."""

PICKS = frozenset({"gather", "dynamic-slice", "slice"})
"""Instructions that read of their first operand as much as they return."""

REDUCED = ("all-reduce", "all-reduce-start")


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What one instruction of the schedule does.

    Attributes:
        name: of the instruction.
        kind: "convolution", "product", "all-reduce", "fusion", or its opcode.
        moved: bytes read and written.
        flop: operations of convolutions and products.
        number: in which they compute: "bf16", "f32" (no shorter factors allowed), "tf32", ...
        source: what of the program it comes from, as JAX names it.
        times: how often a loop around it runs it.
    """

    name: str
    kind: str
    moved: int
    flop: float = 0.0
    number: str = ""
    source: str = ""
    times: int = 1


def kernels_of(text: str) -> list[Kernel]:
    """The kernels of a planned program, in the order of its schedule.

    Args:
        text: of ``jax.stages.Compiled.as_text()``.

    Raises:
        PlanTextError: no entry computation; it is not such a text.
    """
    computations, entry = read_program(text)
    return list(_walk(entry, computations, times=1))


def _walk(
    instructions: Sequence[Instruction], computations: Computations, *, times: int
) -> Iterator[Kernel]:
    named = {one.name: one for one in instructions}
    for one in instructions:
        if one.kind in SILENT or one.kind.endswith(("-done", "-update")):
            continue
        if one.kind in ("while", "call", "conditional", "async-start"):
            yield from _inside(one, computations, times=times)
            continue
        yield _kernel(one, named, computations, times)


def _inside(one: Instruction, computations: Computations, *, times: int) -> Iterator[Kernel]:
    """Kernels of what an instruction calls; of several branches those that move most."""
    times *= int(one.said(r'"known_trip_count":\{"n":"(\d+)"') or 1)
    if one.kind == "conditional":
        names = USED.findall(one.said(r"branch_computations=\{([^}]*)\}") or "")
        names = names or re.findall(r"(?:true|false)_computation=%([\w.\-]+)", one.rest)
        branches = [list(_walk(computations[n], computations, times=times)) for n in names]
        yield from max(branches, key=lambda kernels: sum(k.moved for k in kernels))
        return
    for name in re.findall(r"(?:body|to_apply|calls)=%([\w.\-]+)", one.rest):
        yield from _walk(computations[name], computations, times=times)


def _kernel(
    one: Instruction, named: Mapping[str, Instruction], computations: Computations, times: int
) -> Kernel:
    target = one.said(r'custom_call_target="([^"]+)"') or ""
    source = one.said(r'op_name="([^"]*)"') or ""
    operands = [named[name] for name in dict.fromkeys(one.operands) if name in named]
    flop, kind = 0.0, one.kind
    if target.startswith("__cudnn$conv"):
        kind, flop = "convolution", _convolution_flop(one, operands, target)
    elif target.startswith("__cublas"):
        kind, flop = "product", _product_flop(one, operands[0])
    elif one.kind == "fusion":
        body = computations[one.said(r"calls=%([\w.\-]+)") or ""]
        flop = sum(_product_flop(p, *_named(body, p)[:1]) for p in body if p.kind == "dot")
        moved = _moved_by_fusion(one, named, body)
        number = _number(next((p for p in body if p.kind == "dot"), one)) if flop else ""
        return Kernel(one.name, kind, moved, flop, number, source, times)
    elif one.kind in REDUCED:
        kind = "all-reduce"
    elif target:
        kind = target
    moved = _results(one, scratch=bool(target)) + sum(o.size for o in operands)
    return Kernel(one.name, kind, moved, flop, _number(one) if flop else "", source, times)


def _named(body: Sequence[Instruction], one: Instruction) -> list[Instruction]:
    named = {other.name: other for other in body}
    return [named[name] for name in one.operands]


def _results(one: Instruction, *, scratch: bool) -> int:
    """Bytes of results; a library call's last one of many is its scratch space."""
    if scratch and len(one.shapes) > 1 and one.shapes[-1][0] in ("u8", "s8"):
        return one.size - math.prod(one.shapes[-1][1])
    return one.size


def _number(one: Instruction) -> str:
    number = one.shapes[0][0]
    if number != "f32":
        return number
    return "f32" if "highest" in one.rest.lower() else "tf32"


def _convolution_flop(one: Instruction, operands: Sequence[Instruction], target: str) -> float:
    """Two operations for every output element, kernel element and channel of the forward pass."""
    labels = one.said(r"dim_labels=\w+_(\w+)->")
    window = one.said(r"window=\{size=(\d+(?:x\d+)*)")
    result, (first, second, *_) = one.shapes[0][1], [o.shapes[0][1] for o in operands]
    if "BackwardFilter" in target:
        kernel, output = result, second
    elif "BackwardInput" in target:
        kernel, output = second, first
    else:
        kernel, output = second, result
    taps = math.prod(int(n) for n in (window or "1").split("x"))
    assert labels is not None  # every convolution says what its dimensions are
    return 2.0 * math.prod(output) * taps * kernel[labels.index("i")]


def _product_flop(one: Instruction, left: Instruction) -> float:
    """Two operations for every output element and contracted one."""
    dims = one.said(r'lhs_contracting_dim(?:ension)?s"?[=:][\[{]"?([\d",]*)') or ""
    contracted = [int(n) for n in re.findall(r"\d+", dims)]
    depth = math.prod(left.shapes[0][1][dim] for dim in contracted)
    return 2.0 * math.prod(one.shapes[0][1]) * depth


def _moved_by_fusion(
    one: Instruction, named: Mapping[str, Instruction], body: Sequence[Instruction]
) -> int:
    """Bytes of its results, and of its operands what its body reads."""
    parameters = {int(p.inside): p for p in body if p.kind == "parameter"}
    moved = one.size
    for index, name in enumerate(one.operands):
        whole = named[name].size if name in named else 0
        moved += whole if index not in parameters else _read(parameters[index], body, whole)
    root = next(p for p in body if p.root)
    if root.kind == "dynamic-update-slice":  # in place: the rest is neither read nor written
        moved -= 2 * one.size - _named(body, root)[1].size
    return moved


def _read(value: Instruction, body: Sequence[Instruction], whole: int) -> int:
    """How many of a value's ``whole`` bytes its users in a fusion read."""
    total = 0
    for user in body:
        if value.name not in user.operands:
            continue
        if user.kind in PICKS and user.operands[0] == value.name:
            total += user.size
        elif user.kind in ("bitcast", "reshape"):
            total += _read(user, body, whole)
        else:
            return whole
    return min(total, whole)
