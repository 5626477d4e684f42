r"""Trains a grid of config overrides and gathers one table; what is finished is kept.

Example: nine runs, three at a time, each on a GPU of its own where there are GPUs (three at a time
on two GPUs are refused):

  python -m launch.sweep --config configs/srgan.py --data_dir DIR --out runs \
      --over map=t1,t2,pd --over seed=0,1,2 --parallel 3

As a Slurm array, a task per run:

  sbatch --array=0-8 launch/slurm.sbatch launch.sweep --config configs/srgan.py ...

Other overrides (--config.key=value) go to every run. RUNS/sweep.csv has a line per run.
"""

import argparse
import contextlib
import csv
import io
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

from launch.config.build import experiment_of
from launch.config.page import load_config
from launch.gpus import gpu_shares
from launch.status import status
from qsr_jax.cli import program
from qsr_jax.files.atomic import write_text_atomically
from qsr_jax.training.stopping import STOPPED, StopRequest
from qsr_jax.training.workdir import RUN_JSON

TABLE = "sweep.csv"
SCORES = ("relative_bias_percent", "pooled_psnr_db", "baseline_pooled_psnr_db")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.sweep --help``."""
    parser = _parser()
    arguments, overrides = parser.parse_known_args(argv)
    unknown = [text for text in overrides if not text.startswith("--config.")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    runs = dict(grid(arguments.over))
    if arguments.only is not None and not 0 <= arguments.only < len(runs):
        parser.error(f"--only {arguments.only}: expected 0 to {len(runs) - 1}")
    chosen = list(runs) if arguments.only is None else [list(runs)[arguments.only]]
    try:
        for one in runs.values():  # what is mistyped is told before anything runs
            experiment_of(load_config(arguments.config, [*overrides, *_flags(one)]))
        shares = gpu_shares(os.environ, arguments.parallel)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from error
    common = ["--config", arguments.config, "--data_dir", arguments.data_dir, *overrides]
    with StopRequest() as request:
        ended = _train_all({n: runs[n] for n in chosen}, common, arguments.out, shares, request)
    gather(arguments.out, runs)
    print(f"{arguments.out / TABLE}: {len(runs)} runs")
    _tell_failed({name: code for name, code in ended.items() if code})


def _tell_failed(failed: Mapping[str, int]) -> None:
    if failed:
        told = (f"{name} (status {code}, see {name}.log)" for name, code in failed.items())
        code = STOPPED if set(failed.values()) == {STOPPED} else 1
        print(f"error: not finished: {'; '.join(told)}", file=sys.stderr)
        raise SystemExit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.sweep"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="PAGE", help="page of the experiment")
    parser.add_argument("--data_dir", required=True, help="folder made by data_tools.build_dataset")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and the table")
    parser.add_argument(
        "--over",
        action="append",
        required=True,
        type=_axis,
        metavar="KEY=A,B,…",
        help="a config key and its values; repeat for a grid",
    )
    parser.add_argument(
        "--parallel", type=_count, default=1, help="runs at a time, a GPU each (default 1)"
    )
    parser.add_argument("--only", type=int, metavar="I", help="train only the I-th run, from 0")
    return parser


def _axis(text: str) -> tuple[str, tuple[str, ...]]:
    key, equals, listed = text.partition("=")
    values = re.split(r",(?![^(]*\))", listed)  # not at the commas inside (…)
    if not (key and equals and all(values)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected KEY=VALUE,VALUE,…")
    return key, tuple(values)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1 or more")
    return int(text)


def grid(axes: Sequence[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, dict[str, str]]]:
    """(name, overrides) of every combination, the last axis fastest; names are folder names."""
    keys = [key for key, _ in axes]
    for values in itertools.product(*(values for _, values in axes)):
        chosen = dict(zip(keys, values, strict=True))
        name = ",".join(f"{key.rsplit('.', 1)[-1]}={value}" for key, value in chosen.items())
        yield name.replace("/", "_"), chosen


def _flags(overrides: Mapping[str, str]) -> list[str]:
    return [f"--config.{key}={value}" for key, value in overrides.items()]


def _train_all(
    runs: Mapping[str, Mapping[str, str]],
    common: Sequence[str],
    out: Path,
    shares: Sequence[Mapping[str, str]],
    request: StopRequest,
) -> dict[str, int]:
    """Exit status by run; once asked to stop, no further run begins."""
    out.mkdir(parents=True, exist_ok=True)
    free: SimpleQueue[Mapping[str, str]] = SimpleQueue()
    for share in shares:
        free.put(share)

    def one(name: str) -> int:
        share = free.get()
        try:
            if request.name is not None:
                return STOPPED
            command = [sys.executable, "-m", "qsr_jax", "train", *common, *_flags(runs[name])]
            command += ["--workdir", str(out / name)]
            with (out / f"{name}.log").open("ab") as log:
                environment = os.environ | share
                run = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
                return _wait(run, request)
        finally:
            free.put(share)

    with ThreadPoolExecutor(len(shares)) as pool:
        codes = tqdm(pool.map(one, runs), total=len(runs), desc="sweep", unit="run")
        return dict(zip(runs, codes, strict=True))


def _wait(run: subprocess.Popen[bytes], request: StopRequest) -> int:
    """Exit status of a run, which hears of a stop as this process does.

    A terminal (SIGINT) and Slurm signal the run too, and a second signal would end it unsaved.
    """
    while request.name is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run.wait(timeout=0.5)
    if request.name == "SIGTERM" and "SLURM_STEP_ID" not in os.environ:
        run.terminate()
    return run.wait()


def gather(out: Path, runs: Mapping[str, Mapping[str, str]]) -> None:
    """Writes the table: one line per run, its overrides, where it stands and its last scores.

    A run whose workdir cannot be read is told, and its line says only what was asked of it.
    """
    keys = list(dict.fromkeys(key for overrides in runs.values() for key in overrides))
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["run", *keys, "step", "total_steps", *SCORES])
    for name, overrides in runs.items():
        writer.writerow([name, *(overrides[key] for key in keys), *_standing(out / name)])
    write_text_atomically(out / TABLE, table.getvalue())  # a task of an array each, at any moment


def _standing(workdir: Path) -> list[str | float]:
    """Step, total steps and scores of a run."""
    nothing: list[str | float] = [0, "", *("" for _ in SCORES)]
    if not (workdir / RUN_JSON).is_file():
        return nothing
    try:
        found = status(workdir)
    except (ValueError, OSError) as error:
        print(f"not in the table: {error}", file=sys.stderr)
        return nothing
    scores = found["validation"] or {}
    return [found["step"], found["total_steps"], *(scores.get(score, "") for score in SCORES)]


if __name__ == "__main__":
    main()
