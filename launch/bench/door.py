"""Measures training steps, reading and prediction; one JSON object per line on standard output.

step:    one compiled training step at the config's size, per stage (random records), with the
         config's precision and residence.
memory:  what the compiler says that step needs on one device; nothing is run.
save:    one checkpoint: how long training waits, and until it is whole and sealed.
input:   records read in batches: from --data_dir, or from a small data set made on the spot; beside
         the same bytes as bare arrays.
predict: one 256 x 256 slice through the config's network; then one whole brain (24 slices, all
         maps) from DICOM to DICOM, in a fresh folder.
ingest:  DICOM studies read by the strict reader, beside a loop that checks nothing.
cohort:  processor time of inspect, deidentify, pair, build and convert for one subject, beside a
         plain loop; and of more and more series.
simulate: one subject drawn and scanned with both protocols.
metrics: the image metrics of a whole test cohort (--subjects, --side, --workers).
agreement: the agreement of tables of 80,000 and a million rows, from csv file to tables and page.
tf32:    how far TF32 moves what the shipped model predicts, in grey and white matter of a simulated
         subject; emulated on a CPU, which has no TF32.
plan:    kernels, bytes, memory and a roofline of the paper's and the default model's step, of
         prediction, simulation and metrics on a --target GPU that need not be here; the page is
         not read (docs/speed.md).

Compile time stands apart from steady state; times are medians with their quartiles. Times of two
runs compare only on the same quiet machine.
"""

import argparse
import dataclasses
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from launch.bench import (
    agreement,
    cohort,
    data,
    material,
    metrics,
    plan,
    prediction,
    rounding,
    training,
)
from launch.bench.plan_target import TARGETS
from launch.config.build import experiment_of
from launch.config.page import add_config_argument, parse_with_config
from qsr_jax.cli import program
from qsr_jax.ops.devices import start_cpu_devices
from qsr_jax.training.checks import samples_shared
from qsr_jax.training.experiment import Experiment

PAGE = "srgan"
"""Shipped page that is measured where none is given."""


@dataclasses.dataclass(frozen=True)
class Asked:
    """What the flags say beside the page.

    Attributes:
        repeats: timed repetitions.
        data_dir: records to read, or None.
        subjects: of the cohort whose metrics are timed.
        side: pixels of a side of its slices.
        workers: subjects at a time.
        target: GPU that programs are planned for.
        only: part of the names of the programs that are planned.
    """

    repeats: int
    data_dir: Path | None
    subjects: int
    side: int
    workers: int
    target: str
    only: str


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.bench --help``."""
    parser = _parser()
    try:
        arguments, config = parse_with_config(parser, argv)
        if arguments.data_dir is not None and arguments.what != "input":
            parser.error("--data_dir belongs to --what input")
        asked = Asked(**{f.name: getattr(arguments, f.name) for f in dataclasses.fields(Asked)})
        experiment = experiment_of(config)
        start_cpu_devices(samples_shared(experiment))  # as a training does
        for row in BENCHES[arguments.what](experiment, asked):
            print(json.dumps(_hardware() | row), flush=True)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.bench"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_argument(parser, default=PAGE)
    add = parser.add_argument
    add("--what", required=True, choices=tuple(BENCHES), help="what to measure")
    add("--repeats", type=int, default=10, help="timed repetitions (default 10)")
    add("--data_dir", type=Path, help="records to read (input only)")
    cohort = parser.add_argument_group("metrics only")
    for name, default, said in (
        ("subjects", metrics.SUBJECTS, "how many subjects"),
        ("side", metrics.SIDE, "pixels of a side of a slice"),
        ("workers", metrics.WORKERS, "subjects at a time"),
    ):
        said = f"{said} (default {default})"
        cohort.add_argument(f"--{name}", type=int, default=default, help=said)
    planned = parser.add_argument_group("plan only")
    planned.add_argument("--target", choices=tuple(TARGETS), default="h100", help="GPU")
    planned.add_argument("--only", default="", metavar="TEXT", help="programs named like this")
    return parser


def bench_step(experiment: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """One call of the compiled step, per stage."""
    yield from training.step(experiment, asked.repeats, _timed)


def bench_memory(experiment: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """What the compiler says a step needs."""
    yield from training.memory(experiment, asked.repeats, _timed)


def bench_save(experiment: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """One checkpoint of the training state."""
    yield from training.save(experiment, asked.repeats, _timed)


def bench_input(experiment: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """Pairs per second through the reader that training uses, and of bare arrays."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        data_dir = asked.data_dir or material.records(scratch)
        yield from data.reading(experiment, asked.repeats, data_dir, scratch, _timed)


def bench_ingest(_: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """Studies per minute from DICOM, beside a loop that checks nothing."""
    with tempfile.TemporaryDirectory() as folder:
        yield from data.ingest(Path(folder), asked.repeats)


def bench_cohort(_: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """The data path of a cohort, subject by subject."""
    with tempfile.TemporaryDirectory() as folder:
        yield from cohort.bench(Path(folder), asked.repeats)


def bench_simulate(experiment: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """One simulated subject, both scans."""
    yield from data.simulate(experiment, asked.repeats, _timed)


def bench_predict(experiment: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """One slice through the network; one brain from DICOM to DICOM."""
    yield from prediction.of_experiment(experiment, asked.repeats, _timed)


def bench_metrics(_: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """Image metrics of a whole cohort."""
    yield metrics.bench(asked.subjects, asked.side, asked.workers)


def bench_agreement(_: Experiment, __: Asked) -> Iterator[dict[str, Any]]:
    """Big tables of values."""
    yield from agreement.bench()


def bench_tf32(_: Experiment, __: Asked) -> Iterator[dict[str, Any]]:
    """What TF32 does to a prediction."""
    yield from rounding.bench()


def bench_plan(_: Experiment, asked: Asked) -> Iterator[dict[str, Any]]:
    """Programs compiled for a GPU that is not here."""
    yield from plan.bench(asked.target, asked.only)


BENCHES = {
    "step": bench_step,
    "memory": bench_memory,
    "save": bench_save,
    "input": bench_input,
    "predict": bench_predict,
    "ingest": bench_ingest,
    "cohort": bench_cohort,
    "simulate": bench_simulate,
    "metrics": bench_metrics,
    "agreement": bench_agreement,
    "tf32": bench_tf32,
    "plan": bench_plan,
}


def _timed(once: Callable[[], Any], repeats: int) -> dict[str, Any]:
    """First call apart (it compiles), then the median and quartiles of ``repeats`` calls."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(once())
        times.append(time.perf_counter() - start)
    low, median, high = np.percentile(times[1:], [25, 50, 75])
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    device = jax.local_devices()[0].memory_stats() or {}
    on_device = {"device_peak_mib": device["peak_bytes_in_use"] / 2**20} if device else {}
    return {
        "first_s": times[0],
        "median_s": float(median),
        "quartiles_s": [float(low), float(high)],
        "repeats": repeats,
        "peak_memory_mib": peak_kib / 1024,
    } | on_device


def _hardware() -> dict[str, Any]:
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "jax": jax.__version__,
    }
