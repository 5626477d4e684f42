"""The rows that run in this process: steps, brains, a subject, the metrics of a cohort."""

import time
from typing import Any

import numpy as np

from launch.bench import data, material, metrics, rounding
from launch.bench.training import Bench
from launch.gpu_day.day import Day
from qsr_jax.maps import MAPS
from qsr_jax.physics.mdme_protocol import PROTOCOLS
from qsr_jax.predictors.batched import BATCH, FLOAT32, TF32, predict_maps
from qsr_jax.predictors.load import load_predictor

MODEL = "default"
SLICES = 24
"""Of the paper's brain."""


def step(day: Day, page: str, **changes: Any) -> dict[str, Any]:
    """The last stage's step of a page on random records, and what its program needs."""
    bench = Bench(day.experiment(page, **changes))
    frozen, batch = bench.frozen_and_batch()
    stage, objective = list(bench.stages.items())[-1]
    state, start = bench.state(), time.perf_counter()
    lowered = bench.step(objective).lower(state, frozen, batch)  # type: ignore[attr-defined]
    compiled = lowered.compile()
    needs, seconds = compiled.memory_analysis(), time.perf_counter() - start

    def once() -> Any:
        nonlocal state
        state, told = compiled(state, frozen, batch)
        return told

    row = bench.setting(stage) | {"compile_s": seconds} | day.timed(once)
    bytes_ = needs.argument_size_in_bytes + needs.temp_size_in_bytes
    row["gib"] = bytes_ / 2**30
    row["images_per_s"] = 1e3 * bench.experiment.data.batch_size / row["ms"]
    return row


def brain(day: Day, *, slices: int, precision: str = FLOAT32) -> dict[str, Any]:
    """A brain through the shipped model, from maps on the host to maps on the host.

    Args:
        day: the day.
        slices: of the brain.
        precision: that is asked for.
    """
    model = load_predictor(MODEL, precision=precision)
    side = material.SIDE
    slices = BATCH if day.dry else slices
    maps = made_up_maps(slices, side)
    row: dict[str, Any] = {"slices": slices, "side": side}
    for batch in dict.fromkeys((BATCH, slices)):

        def once(batch: int = batch) -> np.ndarray:
            given = (model.network, model.variables, model.task, maps)
            return predict_maps(*given, batch=batch, precision=precision)

        told = day.timed(once)
        row |= {f"batch_{batch}_ms": told["ms"], f"batch_{batch}_first_s": told["first_s"]}
    usual = row[f"batch_{BATCH}_ms"]
    return row | {"ms": usual, "whole_ms": row[f"batch_{slices}_ms"]}


def tf32(day: Day) -> dict[str, Any]:
    """A brain with products in TF32, and how far they move what is said of a simulated subject."""
    row = brain(day, slices=SLICES, precision=TF32)
    for told in rounding.bench("tiny" if day.dry else "paper"):
        row |= {f"{told['map']}_{told['tissue']}_{key}": told[key] for key in ("rms", "largest")}
    return row


def made_up_maps(slices: int, side: int) -> np.ndarray:
    """Some tissue, (z, h, w, c) in the units of the maps."""
    rng = np.random.default_rng(0)
    levels = np.array([spec.tissue_levels[0] for spec in MAPS.values()])
    return (levels * rng.uniform(0.5, 1.5, (slices, side, side, len(levels)))).astype(np.float32)


def simulate(day: Day) -> dict[str, Any]:
    """One subject drawn and scanned with both protocols, without writing DICOM."""
    protocol = "tiny" if day.dry else "paper"
    numbers = iter(range(1000))
    told = day.timed(lambda: data.one_subject(next(numbers), protocol), 5)
    return {"protocol": protocol, "slices": PROTOCOLS[protocol][0].slices} | told


def cohort_metrics(day: Day) -> dict[str, Any]:
    """The image metrics of the paper's 38 subjects."""
    if day.dry:
        return metrics.bench(1, metrics.LEAST_SIDE, 1)
    return metrics.bench(metrics.SUBJECTS, metrics.SIDE, metrics.WORKERS)
