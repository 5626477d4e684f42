"""The programs whose cost is planned: training steps, prediction, simulation, metrics."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from launch.bench import data, material, metrics, reconstruction
from launch.bench.plan_calls import noted
from launch.bench.training import Bench
from launch.config.build import experiment_of
from launch.config.page import load_config
from qsr_jax.evaluation.measure.niqe import fit_models
from qsr_jax.models import build_model
from qsr_jax.objectives import FEATURES_HR
from qsr_jax.objectives.objective import output_of
from qsr_jax.predictors.batched import BATCH, FLOAT32, TF32, super_resolve
from qsr_jax.training.assemble import features_of, frozen_parameters, task_of
from qsr_jax.training.device_records import FEATURES, RECORDS
from qsr_jax.training.experiment import Experiment

TRAINING_SLICES = 2900
"""Of the paper; so many records lie on the device where they are resident."""

LOW = ("precision.compute=bfloat16",)
KEPT = (*LOW, "data.resident=yes", "vgg.cached=True")
"""Overrides of the paper's page."""

Devices = Sequence[jax.Device]


@dataclasses.dataclass(frozen=True)
class Program:
    """Something whose cost is planned.

    Attributes:
        name: for people.
        parts: devices to (lowered programs, how often each runs).
        devices: how many it runs on.
    """

    name: str
    parts: Callable[[Devices], Iterator[tuple[jax.stages.Lowered, int]]]
    devices: int = 1


def programs() -> list[Program]:
    """All of them, in the order of the table."""
    found = [
        Program(f"paper's step, {said}", _step("srgan", overrides), devices)
        for said, overrides, devices in (
            ("float32", (), 1),
            ("bfloat16", LOW, 1),
            ("bfloat16, resident, cached", KEPT, 1),
            ("the same on 8 devices", KEPT, 8),
            ("8 devices, each its own norms", (*KEPT, "devices.batch_norm=device"), 8),
        )
    ]
    found.append(Program("default model's step", _step("default", ()), 1))
    for page, said, slices in (("srgan", "paper's", 72), ("default", "default", 24)):
        name = f"{said} network, {slices} slices by"
        found += [
            Program(f"{name} {at_once}", _brain(page, slices, at_once, FLOAT32))
            for at_once in (24, BATCH, 1)
        ]
        found.append(Program(f"{name} 24 in TF32", _brain(page, slices, 24, TF32)))
    found.append(Program("subject simulated, both scans", _simulated))
    found.append(Program(f"metrics of {metrics.SUBJECTS} subjects", _measured))
    slices = reconstruction.SLICES
    found.append(Program(f"fingerprints of {slices} slices reconstructed", _reconstructed))
    return found


def _experiment(page: str, overrides: Sequence[str]) -> Experiment:
    words = [f"--config.{word}" for word in overrides]
    if page == "srgan":
        words.append("--config.vgg.weights=random")
    return experiment_of(load_config(page, words))


def _shapes(tree: Any, device: jax.Device | None = None) -> Any:
    """Shapes for arrays; on a device, if one is given."""
    sharding = None if device is None else jax.sharding.SingleDeviceSharding(device)

    def one(leaf: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct | jax.Array | np.ndarray):
            return leaf  # not traced
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return jax.tree.map(one, tree)


def _step(page: str, overrides: Sequence[str]) -> Callable[[Devices], Iterator[Any]]:
    def parts(devices: Devices) -> Iterator[tuple[jax.stages.Lowered, int]]:
        experiment = _experiment(page, overrides)
        bench = Bench(experiment)
        *_, last = bench.stages.values()
        compiled: Any = bench.step(last, devices=devices)
        state = jax.eval_shape(bench.drawn)
        frozen, batch = _frozen_and_batch(bench)
        share = experiment.data.batch_size // len(devices)
        split = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct((len(devices), share, *x.shape[1:]), x.dtype), batch
        )
        yield compiled.lower(state, frozen, split), 1

    return parts


def _frozen_and_batch(bench: Bench) -> tuple[Any, Any]:
    """Shapes of what :meth:`Bench.frozen_and_batch` makes, with all the paper's records."""
    experiment = bench.experiment
    frozen = _shapes(jax.tree.map(np.asarray, frozen_parameters(experiment)))
    size, maps = experiment.data.batch_size, len(bench.task.names)
    batch = _shapes(material.batch(size, maps=maps, context=bench.task.context))
    if not bench.resident:
        return frozen, batch
    kept = {name: _many(batch[name]) for name in ("lr", "hr", "mask")}
    if experiment.vgg is not None and experiment.vgg.cached:
        network = features_of(experiment)
        assert network is not None
        image = jax.ShapeDtypeStruct(kept["hr"].shape, jnp.float32)
        seen = jax.eval_shape(lambda p, x: output_of(network, {"params": p}, x), frozen, image)
        kept[FEATURES_HR] = jax.ShapeDtypeStruct(seen.shape, network.dtype or jnp.float32)
    return {FEATURES: frozen, RECORDS: kept}, {"sample_id": batch["sample_id"]}


def _many(one: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((TRAINING_SLICES, *one.shape[1:]), one.dtype)


def _brain(
    page: str, slices: int, at_once: int, precision: str
) -> Callable[[Devices], Iterator[Any]]:
    """Prediction of so many slices; of one map with the paper's network, of three with default."""

    def parts(devices: Devices) -> Iterator[tuple[jax.stages.Lowered, int]]:
        experiment = _experiment(page, ())
        task, fields = task_of(experiment, scale=material.SCALE), dict(experiment.model)
        maps = len(task.names)
        network = build_model(
            fields.pop("name"), scale=task.scale, channels=maps, alignment=task.alignment, **fields
        )
        seen = jnp.zeros((1, 32, 32, maps * task.context))
        drawn = jax.eval_shape(lambda key: network.init(key, seen, train=False), jax.random.key(0))
        shape = (at_once + task.context - 1, material.SIDE, material.SIDE, maps)
        given = _shapes((drawn, jax.ShapeDtypeStruct(shape, jnp.float32)), devices[0])
        how = {"network": network, "task": task, "precision": precision}
        yield super_resolve.lower(*given, **how), -(-slices // at_once)

    return parts


def _called(run: Callable[[], object], devices: Devices, times: int) -> Iterator[Any]:
    """The compiled functions that ``run`` calls, ``times`` over; it runs once, on the CPU."""
    with noted() as calls:
        run()
    for function, args, kwargs, count in calls:
        given, named = _shapes((args, kwargs), devices[0])
        yield function.lower(*given, **named), count * times


def _simulated(devices: Devices) -> Iterator[tuple[jax.stages.Lowered, int]]:
    yield from _called(lambda: data.one_subject(0), devices, 1)


def _measured(devices: Devices) -> Iterator[tuple[jax.stages.Lowered, int]]:
    case, made = metrics.make_subject(metrics.SIDE)
    models = fit_models([case.routine])
    run = lambda: metrics.measure(case, made, models)  # noqa: E731
    yield from _called(run, devices, metrics.SUBJECTS)


def _reconstructed(devices: Devices) -> Iterator[tuple[jax.stages.Lowered, int]]:
    yield from _called(reconstruction.one_slice, devices, reconstruction.SLICES)
