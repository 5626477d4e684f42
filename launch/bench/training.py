"""Benchmarks of training: one call of the compiled step, its memory, and saving its state."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from launch.bench import material
from launch.config.build import build_networks, features_parameters, steps_by_stage
from launch.config.compute import YES, computing_of
from qsr_jax.checkpoint import REQUIRED, Checkpoints
from qsr_jax.maps import spec_of
from qsr_jax.training.device_records import FEATURES, RECORDS, routine_features, with_features
from qsr_jax.training.dispatch import one_by_one, together
from qsr_jax.training.parallel import replicate, split_over_devices
from qsr_jax.training.state import GanState, Networks, init_state
from qsr_jax.training.steps import Step

Timed = Callable[[Callable[[], object], int], dict]
STAGES = {"warm-up": 1, "adversarial": 0}
"""Stage and the warm-up steps that make the first step belong to it."""


def step(config: ConfigDict, repeats: int, timed: Timed) -> Iterator[dict]:
    """Warm-up step and adversarial step on random records of the paper's size.

    With ``data.resident=yes`` the records lie on the device; else every call brings them. The loss
    after the last call is a row's last word: it must not depend on the number of devices.
    """
    networks, size = build_networks(config, scale=material.SCALE), config.data.batch_size
    count = config.compile.steps_per_dispatch
    frozen, batch = _frozen_and_batch(config, networks)
    for stage in STAGES:
        compiled, state = _stage(config, networks, stage), _state(config, networks)
        metrics: dict[str, Any] = {}

        def once(compiled: Step = compiled) -> Any:
            nonlocal state, metrics
            state, metrics = compiled(state, frozen, batch)
            return metrics

        row = _setting(config, stage) | timed(once, repeats)
        last = one_by_one(jax.device_get(metrics), count)[-1]
        rate = {"images_per_s": count * size / row["median_s"]}
        yield row | rate | {"steps": int(state.step), "loss_after": float(last["total"])}


def memory(config: ConfigDict, _: int, __: Timed) -> Iterator[dict]:
    """What the compiler says each stage's step needs on one device; nothing is run."""
    networks = build_networks(config, scale=material.SCALE)
    frozen, batch = _frozen_and_batch(config, networks)
    state = _state(config, networks)
    for stage in STAGES:
        start = time.perf_counter()
        program = _stage(config, networks, stage).lower(state, frozen, batch).compile()
        needs, mib = program.memory_analysis(), 2**20
        yield _setting(config, stage) | {
            "what": "memory",
            "compile_s": time.perf_counter() - start,
            "arguments_mib": needs.argument_size_in_bytes / mib,
            "temporary_mib": needs.temp_size_in_bytes / mib,
            "reused_mib": needs.alias_size_in_bytes / mib,
            "results_mib": needs.output_size_in_bytes / mib,
        }


def save(config: ConfigDict, repeats: int, _: Timed) -> Iterator[dict]:
    """A checkpoint: how long the training waits, and until it is whole on disk and sealed."""
    state = _state(config, build_networks(config, scale=material.SCALE))
    document = dict.fromkeys(REQUIRED, "benchmark") | {"map": config.map}
    waits, wholes = [], []
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), keep=config.cadence.keep)
        for number in range(1, repeats + 2):
            start = time.perf_counter()
            checkpoints.save(number, state, state.served, document)
            waits.append(time.perf_counter() - start)
            checkpoints.wait()
            wholes.append(time.perf_counter() - start)
        checkpoints.close()
    leaves = jax.tree.leaves(state)
    yield {
        "what": "save",
        "state_mib": sum(leaf.nbytes for leaf in leaves) / 2**20,
        "first_s": wholes[0],
        "training_waits_s": float(np.median(waits[1:])),
        "median_s": float(np.median(wholes[1:])),
        "quartiles_s": [float(q) for q in np.percentile(wholes[1:], [25, 75])],
        "repeats": repeats,
    }


def _setting(config: ConfigDict, stage: str) -> dict[str, Any]:
    return {
        "what": "step",
        "stage": stage,
        "batch": config.data.batch_size,
        "coarse_side": config.data.crop or material.SIDE,
        "precision": config.precision.compute,
        "resident": config.data.resident == YES,
        "cached": config.vgg.cached,
        "accumulate": config.memory.accumulate,
        "remat": config.memory.remat,
        "steps_per_dispatch": config.compile.steps_per_dispatch,
    }


def _stage(config: ConfigDict, networks: Networks, stage: str) -> Step:
    config.schedule.frozen_norm_steps, config.schedule.warmup_steps = 0, STAGES[stage]
    resident = config.data.resident == YES
    return steps_by_stage(config, networks, spec_of(config.map), 1, resident=resident)(0)


def _state(config: ConfigDict, networks: Networks) -> GanState:
    make = jax.jit(
        lambda: init_state(
            jax.random.key(0),
            networks,
            lr_shape=(material.SIDE, material.SIDE),
            averaged=config.average.decay > 0.0,
        )
    )
    return replicate(make())


def _frozen_and_batch(config: ConfigDict, networks: Networks) -> tuple[Any, Any]:
    """What the compiled step gets beside the state, as training would pass it."""
    records = material.batch(config.data.batch_size)
    features, batch = features_parameters(config), records
    frozen = replicate(features)
    if config.data.resident == YES:
        kept = replicate({name: records[name] for name in ("lr", "hr", "mask")})
        if config.vgg.cached:
            maps = routine_features(
                networks,
                features,
                kept["hr"],
                spec=spec_of(config.map),
                computing=computing_of(config),
                batch_size=1,
            )
            kept = with_features(kept, replicate(maps))
        frozen, batch = {FEATURES: frozen, RECORDS: kept}, {"sample_id": records["sample_id"]}
    return frozen, together([split_over_devices(batch)] * config.compile.steps_per_dispatch)
