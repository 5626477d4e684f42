"""One program of :mod:`side_by_side` in a process of its own; told when to run, it tells how long.

It is given a :class:`Setting` as JSON, says ``ready`` when everything but the first call is done,
and for every line on its standard input runs once and writes the seconds by the clock and of the
processor.
"""

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

JAX, TORCH, COMPILED = "qsr_jax", "torch", "torch.compile"
PAGES = {"srgan": "srgan", "default": "default"}
STEPS = 1000


@dataclasses.dataclass(frozen=True)
class Setting:
    """Attributes:

    program: one of the three above.
    net: a key of :data:`PAGES`.
    what: "step" or "predict".
    side: pixels of a side of a coarse slice.
    batch: samples of a step; slices at a time in a prediction.
    slices: of a prediction.
    precision: "float32" or "bfloat16", of a step.
    cores: that the process may use, 0: all.
    model: the page's network with other fields.
    """

    program: str
    net: str
    what: str
    side: int
    batch: int
    slices: int
    precision: str
    cores: int
    model: dict


def main() -> None:
    setting = Setting(**json.loads(sys.argv[1]))
    if setting.cores:  # before any library counts them
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-setting.cores :])
    once = prepared(setting)
    print("ready", flush=True)  # noqa: T201
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        once()
        row = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
        print(json.dumps(row), flush=True)  # noqa: T201


def prepared(setting: Setting) -> Callable[[], object]:
    from launch.bench import material
    from launch.bench.training import Bench
    from qsr_jax.front import load_experiment
    from qsr_jax.ops.devices import start_cpu_devices

    start_cpu_devices(setting.batch)
    material.SIDE = setting.side
    changes = {
        "precision.compute": setting.precision,
        "data.batch_size": setting.batch,
        "data.resident": "no",
    } | {f"model.{key}": value for key, value in setting.model.items()}
    if setting.net == "srgan":
        changes["vgg.weights"] = "random"
    bench = Bench(load_experiment(PAGES[setting.net], changes))
    if setting.program != JAX:
        import side_torch

        return side_torch.prepared(setting, bench)
    return jax_step(bench) if setting.what == "step" else jax_predict(setting, bench)


def jax_step(bench) -> Callable[[], object]:
    """The last stage's step, from records on the host to metrics."""
    import jax

    frozen, batch = bench.frozen_and_batch()
    *_, objective = bench.stages.values()
    compiled, state = bench.step(objective), bench.state()

    def once() -> None:
        nonlocal state
        state, metrics = compiled(state, frozen, batch)
        jax.block_until_ready(metrics)

    return once


def jax_predict(setting: Setting, bench) -> Callable[[], object]:
    """From maps in their units on the host to maps in their units on the host."""
    from launch.bench.prediction import untrained
    from qsr_jax.predictors.batched import predict_maps

    one = untrained(bench.experiment, bench.task.names)
    maps = physical_maps(setting, bench.task)
    return lambda: predict_maps(one.network, one.variables, one.task, maps, batch=setting.batch)


def physical_maps(setting: Setting, task):
    """Slices of some tissue, (z, h, w, c)."""
    import numpy as np

    rng = np.random.default_rng(0)
    levels = [scale.spec.tissue_levels[0] for scale in task.scales]
    shape = (setting.slices, setting.side, setting.side, len(levels))
    return (levels * rng.uniform(0.5, 1.5, shape)).astype(np.float32)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
    main()
