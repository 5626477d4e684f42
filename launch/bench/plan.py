"""Plans the house's programs for a GPU that is not here, and says what they would cost."""

import sys
import time
from collections.abc import Iterator
from typing import Any

from tqdm import tqdm

from launch.bench import plan_programs
from launch.bench.plan_kernels import kernels_of
from launch.bench.plan_programs import Program
from launch.bench.plan_roofline import added, assumptions, cost
from launch.bench.plan_target import OPTIONS, TARGETS, Target, devices_of
from qsr_jax.formats.table import to_terminal

MIB = 2**20

HEAD = ("program", "kernels", "< 1 MB", "TFLOP", "GB", "ms", "+ starts", "MiB", "reductions")


def bench(target: str, only: str = "") -> Iterator[dict[str, Any]]:
    """A row for every program, and a table of them on standard error.

    Args:
        target: key of :data:`TARGETS`.
        only: part of the names of the programs that are planned.

    Raises:
        ValueError: no such program.
        NoCompilerError: the compiler for GPUs is not installed.
    """
    known = plan_programs.programs()
    chosen = [program for program in known if only in program.name]
    if not chosen:
        names = "; ".join(program.name for program in known)
        raise ValueError(f"--only {only!r} is part of no program's name; known: {names}")
    devices_of(TARGETS[target], 1)  # says at once what is missing
    rows = []
    for program in tqdm(chosen, "plan", unit="program"):
        rows.append(planned(program, TARGETS[target]))
        yield {"what": "plan", "target": target} | rows[-1]
    tqdm.write(to_terminal([HEAD, *map(_line, rows)]), file=sys.stderr)


def planned(program: Program, target: Target) -> dict[str, Any]:
    """What a program costs on a target."""
    devices = devices_of(target, program.devices)
    start, costs, memory, compiling = time.perf_counter(), [], [], 0.0
    for lowered, calls in program.parts(devices):
        begun = time.perf_counter()
        compiled = lowered.compile(dict(OPTIONS))
        compiling += time.perf_counter() - begun
        text, needs = compiled.as_text(), compiled.memory_analysis()
        assert text is not None  # this compiler tells both
        assert needs is not None
        costs.append(cost(kernels_of(text), target, calls=calls))
        memory.append(needs)
    return {
        "program": program.name,
        "devices": program.devices,
        "compiled_programs": len(costs),
        "compile_s": compiling,
        "other_s": time.perf_counter() - start - compiling,
        "arguments_mib": max(m.argument_size_in_bytes for m in memory) / MIB,
        "temporary_mib": max(m.temp_size_in_bytes for m in memory) / MIB,
        "peak_mib": max(m.peak_memory_in_bytes for m in memory) / MIB,
        **added(costs),
        "assumptions": assumptions(target),
    }


def _line(row: dict[str, Any]) -> list[str]:
    return [
        row["program"],
        str(row["kernels"]),
        str(row["kernels_small"]),
        f"{sum(row['tflop'].values()):.2f}",
        f"{row['gb']:.2f}",
        f"{row['roofline_ms']:.1f}",
        f"{row['starts_ms']:.1f}",
        f"{row['temporary_mib']:.0f}",
        str(row["all_reduces"]),
    ]
