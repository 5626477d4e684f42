"""Benchmarks of training: one call of the compiled step, its memory, and saving its state."""

import dataclasses
import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from launch.bench import material
from qsr_jax.checkpoint import FORMAT_VERSION, REQUIRED, Checkpoints
from qsr_jax.objectives import FEATURES_HR, Objective, Srgan
from qsr_jax.tasks import JointMaps
from qsr_jax.training.assemble import (
    compute_options_of,
    features_of,
    frozen_parameters,
    objective_of,
    task_of,
)
from qsr_jax.training.device_records import FEATURES, RECORDS, from_resident, routine_features
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.options import YES
from qsr_jax.training.parallel import AXIS, compile_step, replicate, split_over_devices
from qsr_jax.training.plan import sample_example
from qsr_jax.training.state import Optimizers, TrainState, init_state
from qsr_jax.training.step import Step, make_step

Timed = Callable[[Callable[[], object], int], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Bench:
    """A training on made-up records."""

    experiment: Experiment

    @functools.cached_property
    def task(self) -> JointMaps:
        """As on records of the paper's grids."""
        return task_of(self.experiment, scale=material.SCALE)

    @functools.cached_property
    def stages(self) -> dict[str, Objective]:
        """By name; one, or with a discriminator the warm-up and the adversarial stage."""
        objective = objective_of(self.experiment, self.task)
        if not isinstance(objective, Srgan):
            return {self.experiment.objective.name: objective}
        warm_up = dataclasses.replace(objective, adversarial=False)
        return {"warm-up": warm_up, "adversarial": objective}

    @functools.cached_property
    def optimizers(self) -> Optimizers:
        """One for every role."""
        *_, last = self.stages.values()
        roles = jax.eval_shape(lambda: last.init(jax.random.key(0), sample_example(self.task)))
        options = self.experiment.optimizer
        return make_optimizers(tuple(roles), options, total_steps=1000, warmup_steps=0)

    def drawn(self) -> TrainState:
        """A fresh state."""
        *_, last = self.stages.values()
        return init_state(
            jax.random.key(0),
            last,
            sample_example(self.task),
            self.optimizers,
            averaged=self.experiment.average.decay > 0.0,
        )

    def state(self) -> TrainState:
        """A fresh state on all devices."""
        return replicate(jax.jit(self.drawn)())

    def step(self, objective: Objective, *, devices: Sequence[jax.Device] | None = None) -> Step:
        """The compiled step of a stage, for the devices there are or for described GPUs."""
        options = compute_options_of(self.experiment)
        step = make_step(
            self.task,
            objective,
            self.optimizers,
            batch_size=self.experiment.data.batch_size,
            average_decay=self.experiment.average.decay,
            axis_name=AXIS,
            options=options if devices is None else dataclasses.replace(options, unroll=False),
        )
        return compile_step(from_resident(step) if self.resident else step, devices=devices)

    @property
    def resident(self) -> bool:
        """Whether the records lie on the device."""
        return self.experiment.data.resident == YES

    def frozen_and_batch(self) -> tuple[Any, Any]:
        """What the compiled step gets beside the state, as training would pass it."""
        size, count = self.experiment.data.batch_size, len(self.task.names)
        frozen = frozen_parameters(self.experiment)
        if not self.resident:
            records = material.batch(size, maps=count, context=self.task.context)
            return replicate(frozen), split_over_devices(records)
        records = material.batch(size, maps=count)
        kept = {name: records[name] for name in ("lr", "hr", "mask")}
        vgg = self.experiment.vgg
        if vgg is not None and vgg.cached:
            kept[FEATURES_HR] = routine_features(
                features_of(self.experiment),
                frozen,
                kept,
                task=self.task,
                matmul="default",
                batch_size=1,
            )
        batch = split_over_devices({"sample_id": records["sample_id"]})
        return {FEATURES: replicate(frozen), RECORDS: replicate(kept)}, batch

    def setting(self, stage: str) -> dict[str, Any]:
        """What a row was measured with."""
        experiment = self.experiment
        return {
            "what": "step",
            "stage": stage,
            "map": experiment.map,
            "model": experiment.model["name"],
            "batch": experiment.data.batch_size,
            "coarse_side": experiment.data.crop or material.SIDE,
            "precision": experiment.precision.compute,
            "resident": self.resident,
            "cached": experiment.vgg is not None and experiment.vgg.cached,
            "accumulate": experiment.memory.accumulate,
            "remat": experiment.memory.remat,
        }


def step(experiment: Experiment, repeats: int, timed: Timed) -> Iterator[dict[str, Any]]:
    """A step of every stage on random records of the paper's size.

    With ``data.resident=yes`` the records lie on the device; else every call brings them. The loss
    after the last call is a row's last word: it must not depend on the number of devices.
    """
    bench = Bench(experiment)
    frozen, batch = bench.frozen_and_batch()
    for stage, objective in bench.stages.items():
        compiled, state = bench.step(objective), bench.state()
        metrics: dict[str, Any] = {}

        def once(compiled: Step = compiled) -> Any:
            nonlocal state, metrics
            state, metrics = compiled(state, frozen, batch)
            return metrics

        row = bench.setting(stage) | timed(once, repeats)
        rate = {"images_per_s": experiment.data.batch_size / row["median_s"]}
        yield row | rate | {"steps": int(state.step), "loss_after": float(metrics["total"])}


def memory(experiment: Experiment, _: int, __: Timed) -> Iterator[dict[str, Any]]:
    """What the compiler says each stage's step needs on one device; nothing is run."""
    bench = Bench(experiment)
    frozen, batch = bench.frozen_and_batch()
    state = bench.state()
    for stage, objective in bench.stages.items():
        start = time.perf_counter()
        lowered = bench.step(objective).lower(state, frozen, batch)  # type: ignore[attr-defined]
        needs, mib = lowered.compile().memory_analysis(), 2**20
        yield bench.setting(stage) | {
            "what": "memory",
            "compile_s": time.perf_counter() - start,
            "arguments_mib": needs.argument_size_in_bytes / mib,
            "temporary_mib": needs.temp_size_in_bytes / mib,
            "reused_mib": needs.alias_size_in_bytes / mib,
            "results_mib": needs.output_size_in_bytes / mib,
        }


def save(experiment: Experiment, repeats: int, _: Timed) -> Iterator[dict[str, Any]]:
    """A checkpoint: how long the training waits, and until it is whole on disk and sealed."""
    state = Bench(experiment).state()
    document = dict.fromkeys(REQUIRED, "benchmark") | {"version": FORMAT_VERSION}
    waits, wholes = [], []
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(Path(folder), keep=experiment.cadence.keep)
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
