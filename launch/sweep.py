r"""Trains a grid of config overrides and gathers one table; what is finished is kept.

Example: nine runs, three at a time, each on a GPU of its own where there are GPUs:

  python -m launch.sweep --config configs/srgan.py --data_dir DIR --out runs \
      --over map=t1,t2,pd --over seed=0,1,2 --parallel 3

As a Slurm array, a task per run:

  sbatch --array=0-8 launch/slurm.sbatch launch.sweep --config configs/srgan.py ...

Other overrides (--config.key=value) go to every run. RUNS/sweep.csv has a line per run.
"""

import argparse
import contextlib
import csv
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

from launch.config.page import ConfigError, load_config
from launch.status import RUN_JSON, status
from qsr_jax.training.stopping import STOPPED, StopRequest

TABLE = "sweep.csv"
SCORES = ("relative_bias_percent", "psnr_db", "bicubic_psnr_db")


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.sweep --help``."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.sweep",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="page of the experiment")
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
    parser.add_argument("--parallel", type=int, default=1, help="runs at a time (default 1)")
    parser.add_argument("--only", type=int, metavar="I", help="train only the I-th run, from 0")
    arguments, overrides = parser.parse_known_args(argv)
    unknown = [text for text in overrides if not text.startswith("--config.")]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    runs = dict(grid(arguments.over))
    chosen = list(runs)
    try:
        for one in runs.values():
            load_config(arguments.config, [*overrides, *_flags(one)])
    except ConfigError as error:
        raise SystemExit(f"error: {error}") from error
    if arguments.only is not None:
        if not 0 <= arguments.only < len(runs):
            parser.error(f"--only {arguments.only}: expected 0 to {len(runs) - 1}")
        chosen = [chosen[arguments.only]]
    common = ["--config", arguments.config, "--data_dir", arguments.data_dir, *overrides]
    with StopRequest() as request:
        ended = _train_all({name: runs[name] for name in chosen}, common, arguments, request)
    gather(arguments.out, runs)
    print(f"{arguments.out / TABLE}: {len(runs)} runs")
    failed = {name: code for name, code in ended.items() if code}
    if failed:
        told = (f"{name} (status {code}, see {name}.log)" for name, code in failed.items())
        code = STOPPED if set(failed.values()) == {STOPPED} else 1
        print(f"error: not finished: {'; '.join(told)}", file=sys.stderr)
        raise SystemExit(code)


def _axis(text: str) -> tuple[str, tuple[str, ...]]:
    key, equals, values = text.partition("=")
    if not (key and equals and all(values.split(","))):
        raise argparse.ArgumentTypeError(f"{text!r}: expected KEY=VALUE,VALUE,…")
    return key, tuple(values.split(","))


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
    arguments: argparse.Namespace,
    request: StopRequest,
) -> dict[str, int]:
    """Exit status by run; once asked to stop, no further run begins."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    places: SimpleQueue[int] = SimpleQueue()
    for place in range(arguments.parallel):
        places.put(place)

    def one(name: str) -> int:
        place = places.get()
        if request.name is not None:
            places.put(place)
            return STOPPED
        try:
            command = [sys.executable, "-m", "launch.train", *common, *_flags(runs[name])]
            command += ["--workdir", str(arguments.out / name)]
            with (arguments.out / f"{name}.log").open("ab") as log:
                environment = _environment(place, arguments.parallel)
                run = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
                return _wait(run, request)
        finally:
            places.put(place)

    with ThreadPoolExecutor(arguments.parallel) as pool:
        codes = tqdm(pool.map(one, runs), total=len(runs), desc="sweep", unit="run")
        return dict(zip(runs, codes, strict=True))


def _wait(run: subprocess.Popen, request: StopRequest) -> int:
    """Exit status of a run, which hears of a stop as this process does.

    A terminal (SIGINT) and Slurm signal the run too, and a second signal would end it unsaved.
    """
    while request.name is None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return run.wait(timeout=0.5)
    if request.name == "SIGTERM" and "SLURM_STEP_ID" not in os.environ:
        run.terminate()
    return run.wait()


def _environment(place: int, parallel: int) -> dict[str, str]:
    """One GPU per run when several run at a time on a machine that names its GPUs."""
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if parallel == 1 or not gpus:
        return dict(os.environ)
    listed = gpus.split(",")
    return os.environ | {"CUDA_VISIBLE_DEVICES": listed[place % len(listed)]}


def gather(out: Path, runs: Mapping[str, Mapping[str, str]]) -> None:
    """Writes the table: one line per run, its overrides, where it stands and its last scores."""
    keys = list(dict.fromkeys(key for overrides in runs.values() for key in overrides))
    with tempfile.NamedTemporaryFile(
        "w", dir=out, prefix=f".{TABLE}.", newline="", encoding="utf-8", delete=False
    ) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["run", *keys, "step", "total_steps", *SCORES])
        for name, overrides in runs.items():
            row = [name, *(overrides[key] for key in keys)]
            if not (out / name / RUN_JSON).is_file():
                writer.writerow([*row, 0, "", *("" for _ in SCORES)])
                continue
            found = status(out / name)
            scores = found["validation"]
            writer.writerow(
                [*row, found["step"], found["total_steps"]]
                + [scores[score] if scores else "" for score in SCORES]
            )
    Path(file.name).chmod(0o644)
    Path(file.name).replace(out / TABLE)  # a task of an array each, at any moment


if __name__ == "__main__":
    main()
