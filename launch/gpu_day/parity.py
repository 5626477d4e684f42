"""Does this device compute what a CPU computed? Three small steps and a prediction, stored.

``golden.npz`` lies beside; ``python -m launch.gpu_day --make-golden`` writes it, on a CPU. Its
``machine`` says which.
"""

import platform
from pathlib import Path
from typing import Any

import jax
import numpy as np

from launch.bench import material
from launch.bench.training import Bench
from launch.config.build import experiment_of
from launch.config.page import load_config
from launch.gpu_day.day import SIDE, TINY, Day
from launch.gpu_day.measure import MODEL, made_up_maps
from qsr_jax.maps import MAPS
from qsr_jax.predictors.batched import BATCH, predict_maps
from qsr_jax.predictors.load import load_predictor

GOLDEN = Path(__file__).parent / "golden.npz"
STEPS = 3
STORED = (
    "total", "mae", "gan", "vgg", "discriminator", "laplace",
    "generator_gradient_norm", "discriminator_gradient_norm", "network_gradient_norm",
)  # fmt: skip
"""Numbers of a step that are compared: every loss, and the size of every gradient."""

UNITS = {"t1": 0.1, "t2": 0.05, "pd": 0.01}
"""How far a map and its standard deviation may lie from the CPU's, ms and percent: a 25th of what
bfloat16 changes on average (docs/speed.md)."""
OF_STEPS = (1e-4, 3e-3, 3e-3)
"""Of a step's numbers, relative: as beside PyTorch. Adam's first step turns rounding of small
gradients into whole steps, so that later ones differ more."""
NEAR_ZERO = 1e-6
"""Numbers of a step below it are compared with it."""


def three_steps(page: str) -> dict[str, np.ndarray]:
    """Every number of the first steps of a small page, float32 to the last bit of a product."""
    changes = {"data.resident": "no"}
    if page == "srgan":
        changes["vgg.weights"] = "random"
    words = [f"--config.{key}={value}" for key, value in (TINY[page] | changes).items()]
    side, material.SIDE = material.SIDE, SIDE
    try:
        bench = Bench(experiment_of(load_config(page, words)))
        frozen, batch = bench.frozen_and_batch()
    finally:
        material.SIDE = side
    state, told = bench.state(), []
    compiled = bench.step(list(bench.stages.values())[-1])
    for _ in range(STEPS):
        state, metrics = compiled(state, frozen, batch)
        told.append(jax.device_get(metrics))
    names = [name for name in STORED if name in told[0]]
    return {f"{page}/{name}": np.array([step[name] for step in told]) for name in names}


def prediction() -> dict[str, np.ndarray]:
    """Maps and standard deviations that the shipped model makes of a slice."""
    model = load_predictor(MODEL)
    maps = made_up_maps(1, SIDE)
    made = predict_maps(model.network, model.variables, model.task, maps, batch=BATCH)
    return {"prediction": made}


def steps_row(day: Day) -> dict[str, Any]:
    """How far three steps of both pages lie from the CPU's, in parts of what they may."""
    del day
    golden, worst, where = np.load(GOLDEN), 0.0, ""
    for page in TINY:
        for name, mine in three_steps(page).items():
            known = golden[name]
            apart = np.abs(mine - known) / np.maximum(np.abs(known), NEAR_ZERO)
            share = float((apart / OF_STEPS).max())
            if not share <= worst:  # a NaN is the worst there is
                worst, where = share, name
    return {"of_allowed": worst, "worst": where, "machine": str(golden["machine"])}


def prediction_row(day: Day) -> dict[str, Any]:
    """How far a prediction lies from the CPU's, in the units of the maps."""
    del day
    golden = np.load(GOLDEN)
    apart = np.abs(prediction()["prediction"] - golden["prediction"]).max((0, 1, 2))
    far = {name: float(max(apart[i], apart[i + len(MAPS)])) for i, name in enumerate(MAPS)}
    worst = max(far[name] / UNITS[name] for name in MAPS)
    return far | {"of_allowed": worst, "machine": str(golden["machine"])}


def make_golden() -> Path:
    """Writes what this machine computes.

    Raises:
        ValueError: it is no CPU.
    """
    if jax.default_backend() != "cpu":
        raise ValueError(f"goldens come from a CPU, not {jax.default_backend()}: JAX_PLATFORMS=cpu")
    arrays = prediction()
    for page in TINY:
        arrays |= three_steps(page)
    machine = f"CPU ({platform.machine()}), jax {jax.__version__}, numpy {np.__version__}"
    np.savez_compressed(GOLDEN, machine=machine, **arrays)  # type: ignore[arg-type]
    return GOLDEN
