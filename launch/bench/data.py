"""Benchmarks of making and reading data: one simulated subject, DICOM ingest, records."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from launch.bench import material
from launch.bench.dicom_reading import ingest_rate
from qsr_jax.data.records.batches import batch_ids, batches
from qsr_jax.data.records.joint import JointRecords, open_joint
from qsr_jax.phantom.mni_tissues import load_template
from qsr_jax.phantom.phantom import Phantom, draw_phantom
from qsr_jax.physics.mdme_protocol import PROTOCOLS, geometries
from qsr_jax.simulate.simulate import scan
from qsr_jax.training.experiment import Experiment
from qsr_jax.types import CORNER

Timed = Callable[[Callable[[], object], int], dict[str, Any]]

SNR = 45.0
"""Of white matter in the routine scan; it does not matter to a clock."""

ARRAYS = ("lr", "hr", "mask")


def simulate(_: Experiment, repeats: int, timed: Timed) -> Iterator[dict[str, Any]]:
    """One subject drawn and scanned with both protocols of the paper, without writing DICOM."""
    subjects = iter(range(repeats + 1))
    row = {"what": "simulate", "of": "subject", "slices": PROTOCOLS["paper"][0].slices}
    yield row | timed(lambda: one_subject(next(subjects)), repeats)


def one_subject(number: int, protocol: str = "paper") -> tuple[Phantom, dict[str, np.ndarray]]:
    """Draws and scans one subject; its scans by protocol."""
    routine, fast = PROTOCOLS[protocol]
    grids = dict(zip((routine, fast), geometries(routine, fast, CORNER), strict=True))
    rng = np.random.default_rng([0, number])
    phantom = draw_phantom(rng, load_template(), grids[routine], patient=False)
    return phantom, scan(rng, phantom, grids, snr=SNR, reference=routine).scans


def ingest(folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """Studies per minute through the strict reader, and through a loop that checks nothing."""
    material.write_subjects(folder)
    for workers in (1, 2):
        rate = ingest_rate(folder, workers=workers, repeats=repeats)
        yield {
            "what": "ingest",
            "workers": workers,
            "series": rate.series,
            "studies_per_minute": rate.strict_per_minute,
            "plain_loop_studies_per_minute": rate.plain_per_minute,
            "ratio_to_plain_loop": rate.ratio,
        }


def reading(
    experiment: Experiment, repeats: int, data_dir: Path, scratch: Path, timed: Timed
) -> Iterator[dict[str, Any]]:
    """Pairs per second through the reader that training uses, and as bare arrays in one file."""
    records = open_joint(data_dir, experiment.names, "train", context=experiment.task.context)
    size, seed = experiment.data.batch_size, experiment.seed
    per_pass = max(1, len(records) // size)
    stream = batches(
        records, batch_size=size, seed=seed, start_step=0, num_threads=experiment.data.threads
    )
    bare = _bare_batches(records, scratch, size=size, seed=seed)
    rows = {}
    for name, source in (("records", stream), ("bare arrays", bare)):

        def one_pass(source: Iterator = source) -> None:
            for _ in range(per_pass):
                next(source)

        rows[name] = timed(one_pass, repeats)
    speeds = {name: per_pass * size / row["median_s"] for name, row in rows.items()}
    yield {
        "what": "input",
        "threads": experiment.data.threads,
        "pairs": per_pass * size,
        "pairs_per_s": speeds["records"],
        "bare_arrays_pairs_per_s": speeds["bare arrays"],
        "ratio_to_bare_arrays": speeds["records"] / speeds["bare arrays"],
    } | rows["records"]


def _bare_batches(records: JointRecords, scratch: Path, *, size: int, seed: int) -> Iterator[list]:
    """The same batches from memory-mapped stacks: what no format could beat on this machine."""
    for name in ARRAYS:
        np.save(scratch / f"{name}.npy", np.stack([records[i][name] for i in range(len(records))]))
    stacks = [np.load(scratch / f"{name}.npy", mmap_mode="r") for name in ARRAYS]
    step = 0
    while True:
        ids = batch_ids(len(records), batch_size=size, seed=seed, step=step)
        yield [stack[ids] for stack in stacks]
        step += 1
