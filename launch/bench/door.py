"""Measures training steps, reading and prediction; one JSON object per line on standard output.

step:    one compiled training step at the config's size, per stage (random records), with the
         config's precision, residence and steps per dispatch.
memory:  what the compiler says that step needs on one device; nothing is run.
save:    one checkpoint: how long training waits, and until it is whole and sealed.
input:   records read in batches: from --data_dir, or from a small data set made on the spot; beside
         the same bytes as bare arrays.
predict: one 256 x 256 slice with the config's generator; then one whole brain (24 slices, three
         maps) from DICOM to DICOM, in a fresh folder.
ingest:  DICOM studies read by the strict reader, beside a loop that checks nothing.
simulate: one subject drawn and scanned with both protocols.

Compile time stands apart from steady state; times are medians with their quartiles. Times of two
runs compare only on the same quiet machine.
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from launch.bench import data, material, training
from launch.config.page import add_config_argument, parse_with_config
from qsr_jax.cli import program
from qsr_jax.data.dicom import read_series, write_derived
from qsr_jax.maps import MAPS
from qsr_jax.models import GENERATORS
from qsr_jax.predictors.network import compile_upsampler
from qsr_jax.types import CORNER, Prediction


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.bench --help``."""
    parser = argparse.ArgumentParser(
        prog=program("launch.bench"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_config_argument(parser)
    parser.add_argument("--what", required=True, choices=tuple(BENCHES), help="what to measure")
    parser.add_argument("--repeats", type=int, default=10, help="timed repetitions (default 10)")
    parser.add_argument("--data_dir", type=Path, help="records to read (input only)")
    try:
        arguments, config = parse_with_config(parser, argv)
        if arguments.data_dir is not None and arguments.what != "input":
            parser.error("--data_dir belongs to --what input")
        for row in BENCHES[arguments.what](config, arguments.repeats, arguments.data_dir):
            print(json.dumps(_hardware() | row), flush=True)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def bench_step(config: ConfigDict, repeats: int, _: Path | None) -> Iterator[dict]:
    """One call of the compiled step, per stage."""
    yield from training.step(config, repeats, _timed)


def bench_memory(config: ConfigDict, repeats: int, _: Path | None) -> Iterator[dict]:
    """What the compiler says a step needs."""
    yield from training.memory(config, repeats, _timed)


def bench_save(config: ConfigDict, repeats: int, _: Path | None) -> Iterator[dict]:
    """One checkpoint of the training state."""
    yield from training.save(config, repeats, _timed)


def bench_input(config: ConfigDict, repeats: int, data_dir: Path | None) -> Iterator[dict]:
    """Pairs per second through the reader that training uses, and of bare arrays."""
    with tempfile.TemporaryDirectory() as folder:
        if data_dir is None:
            data_dir = material.records(Path(folder))
        yield from data.reading(config, repeats, data_dir, Path(folder), _timed)


def bench_ingest(_: ConfigDict, repeats: int, __: Path | None) -> Iterator[dict]:
    """Studies per minute from DICOM, beside a loop that checks nothing."""
    with tempfile.TemporaryDirectory() as folder:
        yield from data.ingest(Path(folder), repeats)


def bench_simulate(config: ConfigDict, repeats: int, _: Path | None) -> Iterator[dict]:
    """One simulated subject, both scans."""
    yield from data.simulate(config, repeats, _timed)


def bench_predict(config: ConfigDict, repeats: int, _: Path | None) -> Iterator[dict]:
    """One slice through the generator; one brain from DICOM to DICOM."""
    generator = GENERATORS[config.generator.name](
        features=config.generator.features,
        blocks=config.generator.blocks,
        norm_momentum=config.generator.norm_momentum,
        scale=material.SCALE,
    )
    image = np.full((1, material.SIDE, material.SIDE, 1), 1000.0, np.float32)
    variables = jax.jit(lambda key: generator.init(key, image, train=False))(jax.random.key(0))
    upsamplers = {
        name: compile_upsampler(generator, variables, spec) for name, spec in MAPS.items()
    }
    yield {"what": "predict", "of": "slice"} | _timed(lambda: upsamplers["t1"](image), repeats)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "study"
        for name in MAPS:
            material.write_scan(source / name, name, material.FAST)
        rounds = iter(range(repeats + 1))

        def brain() -> None:
            target = Path(folder) / f"out{next(rounds)}"
            for name, upsample in upsamplers.items():
                _dicom_to_dicom(source / name, target / name, upsample)

        yield {"what": "predict", "of": "brain", "maps": 3, "slices": material.SLICES} | _timed(
            brain, repeats
        )


BENCHES = {
    "step": bench_step,
    "memory": bench_memory,
    "save": bench_save,
    "input": bench_input,
    "predict": bench_predict,
    "ingest": bench_ingest,
    "simulate": bench_simulate,
}


def _timed(once: Callable[[], Any], repeats: int) -> dict[str, float]:
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


def _dicom_to_dicom(source: Path, target: Path, upsample: Callable) -> None:
    """Reads, predicts and writes one series as ``launch.predict`` does."""
    series = read_series(source)
    prediction = Prediction(
        mean=np.concatenate([np.asarray(upsample(image[None])) for image in series.volume.maps]),
        std=None,
        names=series.volume.names,
        geometry=series.volume.geometry.refined(material.SCALE, CORNER),
    )
    write_derived(prediction, series, target, derivation="benchmark", software="benchmark")
