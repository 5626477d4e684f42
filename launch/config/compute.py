"""From a config page to how its numbers are computed: precision, memory, residence, compilation."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache
from ml_collections import ConfigDict

from launch.config.page import ConfigError
from qsr_jax.data.records.batches import batches
from qsr_jax.data.records.on_device import index_batches, load_resident, resident_bytes
from qsr_jax.data.records.open import Records
from qsr_jax.maps import MapSpec
from qsr_jax.training.compute_options import Computing
from qsr_jax.training.device_records import FEATURES, RECORDS, routine_features, with_features
from qsr_jax.training.parallel import replicate
from qsr_jax.training.state import Networks
from qsr_jax.types import CORNER, Batch

AUTO, YES, NO, NONE = "auto", "yes", "no", "none"
REMAT = {NONE: (), "generator": ("generator",), "vgg": ("vgg",), "both": ("generator", "vgg")}
RESIDENT_SHARE = 0.4
"""Of a device's memory that records may fill before "auto" leaves them on the host."""
CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def computing_of(config: ConfigDict) -> Computing:
    """The computation that a config describes; loops are written out on CPUs.

    Raises:
        ConfigError: a value does not exist.
    """
    try:
        return Computing(
            precision=config.precision.compute,
            matmul=config.precision.matmul,
            parts=config.memory.accumulate,
            unroll=jax.default_backend() == "cpu",
        )
    except ValueError as error:
        raise ConfigError(f"precision or memory: {error}") from error


def remat_of(config: ConfigDict) -> tuple[str, ...]:
    """Which networks compute their blocks again in the backward pass."""
    if config.memory.remat not in REMAT:
        known = ", ".join(REMAT)
        raise ConfigError(f"memory.remat is {config.memory.remat!r}; known: {known}")
    return REMAT[config.memory.remat]


def is_resident(config: ConfigDict, records: Records) -> bool:
    """Whether the records are to be kept on the devices.

    "auto" says yes where a device tells its memory (GPUs do) and the records fill less than
    :data:`RESIDENT_SHARE` of it; on a CPU they would only be kept twice.
    """
    wanted = config.data.resident
    if wanted not in (AUTO, YES, NO):
        raise ConfigError(f"data.resident is {wanted!r}; expected 'auto', 'yes' or 'no'")
    memory = jax.local_devices()[0].memory_stats() or {}
    fits = resident_bytes(records) < RESIDENT_SHARE * memory.get("bytes_limit", 0)
    return wanted == YES or (wanted == AUTO and fits)


def check_computing(config: ConfigDict, records: Records, total_steps: int) -> None:
    """Refuses combinations that would compute something else than they say.

    Raises:
        ConfigError: which keys, and what to do.
    """
    remat_of(config)
    share = config.data.batch_size // jax.device_count()
    if config.memory.accumulate < 1 or share % config.memory.accumulate:
        raise ConfigError(
            f"memory.accumulate is {config.memory.accumulate}; expected a divisor of the {share} "
            "samples of each device"
        )
    if config.data.flip and records.grid_alignment != CORNER:
        raise ConfigError(
            f"data.flip needs grids aligned by {CORNER!r}, these records are aligned by "
            f"{records.grid_alignment!r}: a mirrored pair would not match; set data.flip to False"
        )
    if config.vgg.cached and (config.data.crop or config.data.flip):
        raise ConfigError("vgg.cached holds features of whole slices; set data.crop=0, flip=False")
    if config.vgg.cached and not is_resident(config, records):
        raise ConfigError("vgg.cached needs the records on the devices; set data.resident=yes")
    _check_dispatch(config, total_steps)


def _check_dispatch(config: ConfigDict, total_steps: int) -> None:
    count, schedule, cadence = config.compile.steps_per_dispatch, config.schedule, config.cadence
    ends = {
        "all steps": total_steps,
        "schedule.warmup_steps": schedule.warmup_steps,
        "steps before schedule.frozen_norm_steps": total_steps - schedule.frozen_norm_steps,
        "cadence.validate_every": cadence.validate_every,
        "cadence.save_every": cadence.save_every,
    }
    for what, number in ends.items():
        if count < 1 or number % count:
            raise ConfigError(
                f"compile.steps_per_dispatch is {count}, which does not divide {what} ({number})"
            )


def feed(
    config: ConfigDict,
    networks: Networks,
    spec: MapSpec,
    records: Records,
    features_params: Any,
    *,
    first_step: int,
) -> tuple[Any, Iterator[Batch]]:
    """What the compiled step gets beside the state: its frozen argument, and the batches.

    Returns:
        The frozen argument on every device, and this process' part of the batches from
        ``first_step`` on. Resident records change neither the order nor a bit of the result.
    """
    order = {
        "batch_size": config.data.batch_size,
        "seed": config.seed,
        "start_step": first_step,
        "part": jax.process_index(),
        "parts": jax.process_count(),
    }
    frozen = replicate(features_params)
    if not is_resident(config, records):
        return frozen, batches(records, num_threads=config.data.threads, **order)
    kept = replicate(load_resident(records))
    if config.vgg.cached:
        features = routine_features(
            networks,
            features_params,
            kept["hr"],
            spec=spec,
            computing=computing_of(config),
            batch_size=config.data.batch_size,
        )
        kept = with_features(kept, replicate(features))
    return {FEATURES: frozen, RECORDS: kept}, index_batches(records, **order)


def use_compile_cache(config: ConfigDict, workdir: Path) -> None:
    """Makes JAX keep compiled programs, so that a second start does not compile again.

    ``JAX_COMPILATION_CACHE_DIR`` comes first and changes no config. Else ``compile.cache_dir``:
    "auto" is ``workdir/compiled`` on a GPU, and nothing on a CPU, whose entries hold one machine
    type's instructions; "none" keeps nothing. A cache holds code: only folders that nobody else
    can write.
    """
    asked = config.compile.cache_dir
    if os.environ.get(CACHE_VARIABLE) or asked == NONE:
        return
    if asked == AUTO:
        if jax.default_backend() == "cpu":
            return
        asked = str(workdir / "compiled")
    jax.config.update("jax_compilation_cache_dir", asked)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    compilation_cache.reset_cache()  # a program compiled before would otherwise have decided
