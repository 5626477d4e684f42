"""Times this package beside the same networks in PyTorch: two processes, turn by turn.

    python tests/bench/side_by_side.py --net default --what step
    python tests/bench/side_by_side.py --net default --what predict --slices 24
    python tests/bench/side_by_side.py --net srgan --what step --side 48 --batch 8

One JSON line per program, times in seconds; ``ratio`` is the median over rounds of this program's
time by the clock over that of the first program in the same round, ``cpu_ratio`` the same of
processor time, which is what to read where others work on the machine (with ``--cores 1``). Each
program is a process of its own, so that neither's threads wait in the other's way, and may have a
Python of its own: ``--python qsr_jax=/elsewhere/bin/python``. Ours is a device per core, as in a
training or a prediction; ``JAX_NUM_CPU_DEVICES=1`` makes it one. On a GPU add ``--precision
bfloat16`` to a step: both sides then use it (autocast there).
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from side_programs import COMPILED, JAX, PAGES, TORCH, Setting

EIGEN = "Eigen convolutions"
"""Our program with convolutions taken away from YNNPACK (jaxlib 0.10, CPU)."""
PROGRAMS = (TORCH, JAX, COMPILED, EIGEN)
EIGEN_FLAGS = "--xla_cpu_experimental_ynn_fusion_type=LIBRARY_FUSION_TYPE_DOT"


class Program:
    """A process that runs once whenever it is asked."""

    def __init__(self, name: str, setting: Setting, python: str) -> None:
        self.name, environment = name, dict(os.environ)
        root = Path(__file__).parents[2]
        environment["PYTHONPATH"] = os.pathsep.join([str(root), str(root / "tests/bench")])
        if setting.program != JAX:
            environment["JAX_PLATFORMS"] = "cpu"  # it only makes the weights
        if name == EIGEN:
            environment["XLA_FLAGS"] = f"{environment.get('XLA_FLAGS', '')} {EIGEN_FLAGS}".strip()
        words = [python, str(Path(__file__).parent / "side_programs.py"), json.dumps(vars(setting))]
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self) -> dict[str, float]:
        """Seconds of one call."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self.said())

    def said(self) -> str:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"error: {self.name} ended; what it said stands above")
        return line

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


def race(programs: Sequence[Program], rounds: int) -> list[dict]:
    """First call apart (it compiles), one call to warm up, then ``rounds`` calls turn by turn."""
    first = {}
    for program in programs:
        program.said()  # ready
        first[program.name] = program.run()["wall"]
        program.run()
    taken = {p.name: [] for p in programs}
    for _ in range(rounds):
        for program in programs:
            taken[program.name].append(program.run())
    rows = []
    for program in programs:
        row = {"program": program.name, "first_s": first[program.name], "rounds": rounds}
        for clock, prefix in (("wall", ""), ("cpu", "cpu_")):
            mine, base = ([t[clock] for t in taken[n]] for n in (program.name, programs[0].name))
            low, median, high = np.percentile(mine, [25, 50, 75])
            row |= {f"{prefix}median_s": median, f"{prefix}quartiles_s": [low, high]}
            row[f"{prefix}ratio"] = float(np.median(np.divide(mine, base)))
        rows.append(row)
    return rows


def main(argv: list[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    predicting = options.what == "predict"
    batch = options.batch or (4 if predicting else 8)
    pythons = dict(pair.split("=", 1) for pair in options.python)
    common = {
        "net": options.net, "what": options.what, "side": options.side, "batch": batch,
        "slices": options.slices if predicting else batch, "precision": options.precision,
        "cores": options.cores, "model": dict(_field(pair) for pair in options.model),
    }  # fmt: skip
    programs = []
    for name in options.programs.split(","):
        kind = JAX if name == EIGEN else name
        setting = Setting(program=kind, **common)
        programs.append(Program(name, setting, pythons.get(name, sys.executable)))
    for row in race(programs, options.rounds):
        print(json.dumps(common | row), flush=True)  # noqa: T201
    for program in programs:
        program.end()


def _field(pair: str) -> tuple[str, float | bool]:
    key, value = pair.split("=", 1)
    return key, json.loads(value.lower())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--net", choices=PAGES, default="srgan")
    add("--what", choices=("step", "predict"), default="step")
    add("--programs", default=f"{TORCH},{JAX}", help=f"of {', '.join(PROGRAMS)}; the first is 1")
    add("--side", type=int, default=256, help="of a coarse slice (default 256)")
    add("--batch", type=int, default=0, help="of a step (default 8), of a prediction (default 4)")
    add("--slices", type=int, default=4, help="of a prediction (default 4)")
    add("--rounds", type=int, default=9, help="timed rounds (default 9)")
    add("--cores", type=int, default=0, help="of each program (default: all)")
    add("--precision", choices=("float32", "bfloat16"), default="float32")
    add("--model", action="append", default=[], metavar="FIELD=VALUE", help="another network")
    add("--python", action="append", default=[], metavar="PROGRAM=PYTHON")
    return parser


if __name__ == "__main__":
    main()
