"""Times this package beside the same networks in PyTorch: in one process, turn by turn.

    python tests/bench/side_by_side.py --what step --crop 48 --batch 8
    python tests/bench/side_by_side.py --what predict --slices 4

One JSON line per program, times in seconds; ``ratio`` is the median over rounds of this program's
time over PyTorch's in the same round. On a GPU add ``--precision bfloat16``: both sides then use
it (autocast there), and PyTorch is also tried compiled. Run nothing else meanwhile.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch_networks

from launch.config.build import build_networks
from launch.config.page import load_config
from qsr_jax.maps import MAPS
from qsr_jax.models.weights import random_vgg19
from qsr_jax.tasks.crops import prepare
from qsr_jax.training.compute_options import Computing
from qsr_jax.training.state import init_state
from qsr_jax.training.steps import make_step
from qsr_jax.training.terms import LossWeights

PAGE = Path(__file__).parents[2] / "configs/srgan.py"
SPEC, SIDE = MAPS["t1"], 256
REFERENCE = "torch"


class Material:
    """The paper's networks, weights for both sides, and one batch on the device of both."""

    def __init__(self, *, batch: int, side: int) -> None:
        config = load_config(str(PAGE), ["--config.vgg.weights=random"])
        networks = build_networks(config, scale=2)
        self.networks = dataclasses.replace(
            networks,
            generator=networks.generator.clone(axis_name=None),
            discriminator=networks.discriminator.clone(axis_name=None),
        )
        self.layer, self.features = config.vgg.layer, random_vgg19(0)
        self.state = jax.device_get(
            jax.jit(
                lambda: init_state(
                    jax.random.key(0), self.networks, lr_shape=(32, 32), averaged=False
                )
            )()
        )
        rng = np.random.default_rng(0)
        self.batch = {
            "lr": rng.integers(0, 16000, (batch, side, side, 1), np.uint16),
            "hr": rng.integers(0, 16000, (batch, 2 * side, 2 * side, 1), np.uint16),
            "mask": np.ones((batch, 2 * side, 2 * side, 1), np.uint8),
            "sample_id": np.arange(batch, dtype=np.int32),
        }
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def images(self) -> list[torch.Tensor]:
        made = prepare(self.batch, spec=SPEC, scale=2, crop=0, seed=0, step=jnp.int32(0))
        images = (torch.from_numpy(np.array(x).transpose(0, 3, 1, 2)) for x in made)
        return [x.to(self.device).contiguous(memory_format=torch.channels_last) for x in images]


EIGEN = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
"""Compiler option that takes convolutions away from YNNPACK (jaxlib 0.10, CPU)."""


def jax_step(
    material: Material, precision: str, *, options: dict | None = None
) -> Callable[[], None]:
    networks = material.networks
    step = make_step(
        networks,
        spec=SPEC,
        weights=LossWeights(mae=1.0, gan=1e-3, vgg=2e-6, gan_reduction="sum"),
        batch_size=len(material.batch["lr"]),
        crop=0,
        seed=0,
        adversarial=True,
        frozen_norm=False,
        average_decay=0.0,
        axis_name=None,
        computing=Computing(precision=precision, matmul="default", parts=1, unroll=True),
    )
    compiled = jax.jit(step, donate_argnums=0, compiler_options=options)
    state = jax.tree.map(jnp.array, material.state)
    features, batch = jax.device_put((material.features, material.batch))

    def once() -> None:
        nonlocal state
        state, metrics = compiled(state, features, batch)
        jax.block_until_ready(metrics)

    return once


def torch_step(material: Material, precision: str, *, compiled: bool) -> Callable[[], None]:
    parts = (
        torch_networks.generator_from(material.state.generator, 2),
        torch_networks.discriminator_from(material.state.discriminator),
        torch_networks.vgg_from(material.features, material.layer),
    )
    parts = [part.to(material.device) for part in parts]
    weights = {"mae": 1.0, "gan": 1e-3, "vgg": 2e-6}
    trainer = torch_networks.Trainer(*parts, weights, bf16=precision == "bfloat16")
    if compiled:  # the networks in place, so that the optimisers keep their parameters
        for part in parts:
            part.compile()
    lr, hr = material.images()
    return _synchronised(lambda: trainer.step(lr, hr))


def jax_predict(material: Material, precision: str) -> Callable[[], None]:
    computing = Computing(precision=precision, matmul="default", parts=1, unroll=True)
    generator = computing.applied_to(material.networks).generator
    run = jax.jit(lambda variables, x: generator.apply(variables, x, train=False))
    variables = jax.device_put(material.state.generator)
    lr, _ = prepare(material.batch, spec=SPEC, scale=2, crop=0, seed=0, step=jnp.int32(0))
    slices = [lr[i : i + 1] for i in range(len(lr))]
    return lambda: jax.block_until_ready([run(variables, x) for x in slices])


def torch_predict(material: Material, precision: str, *, compiled: bool) -> Callable[[], None]:
    generator = torch_networks.generator_from(material.state.generator, 2).to(material.device)
    generator.eval()
    if compiled:
        generator.compile()
    slices = material.images()[0].split(1)

    @torch.no_grad()
    def once() -> None:
        with torch.autocast(material.device, torch.bfloat16, enabled=precision == "bfloat16"):
            for x in slices:
                generator(x)

    return _synchronised(once)


def _synchronised(once: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        once()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return run


def race(programs: dict[str, Callable[[], None]], rounds: int) -> list[dict]:
    """First call apart (it compiles), one call to warm up, then ``rounds`` calls turn by turn."""
    first, times = {}, {name: [] for name in programs}
    for name, once in programs.items():
        start = time.perf_counter()
        once()
        first[name] = time.perf_counter() - start
        once()
    for _ in range(rounds):
        for name, once in programs.items():
            start = time.perf_counter()
            once()
            times[name].append(time.perf_counter() - start)
    rows = []
    for name, taken in times.items():
        low, median, high = np.percentile(taken, [25, 50, 75])
        ratio = np.median(np.divide(taken, times[REFERENCE]))
        row = {"program": name, "first_s": first[name], "median_s": median}
        rows.append(row | {"quartiles_s": [low, high], "ratio": float(ratio), "rounds": rounds})
    return rows


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--what", choices=("step", "predict"), default="step")
    parser.add_argument("--crop", type=int, default=48, help="coarse side, 0: whole (default 48)")
    parser.add_argument("--batch", type=int, default=8, help="samples of a step (default 8)")
    parser.add_argument("--slices", type=int, default=4, help="of a prediction (default 4)")
    parser.add_argument("--rounds", type=int, default=9, help="timed rounds (default 9)")
    parser.add_argument("--cores", type=int, default=2, help="threads of PyTorch (default 2)")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", action="store_true", help="also try torch.compile")
    parser.add_argument("--variants", action="store_true", help="also other forms of our step")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.cores)
    torch.backends.cudnn.benchmark = True
    predicting = options.what == "predict"
    material = Material(
        batch=options.slices if predicting else options.batch,
        side=SIDE if predicting else options.crop or SIDE,
    )
    mine, theirs = (jax_predict, torch_predict) if predicting else (jax_step, torch_step)
    programs = {
        REFERENCE: theirs(material, options.precision, compiled=False),
        "qsr_jax": mine(material, options.precision),
    }
    if options.compile:
        programs["torch.compile"] = theirs(material, options.precision, compiled=True)
    if options.variants and not predicting:
        programs["Eigen convolutions"] = jax_step(material, options.precision, options=EIGEN)
    setting = {k: v for k, v in vars(options).items() if k not in ("rounds", "compile", "variants")}
    device = {"device": jax.devices()[0].device_kind, "torch": torch.__version__}
    for row in race(programs, options.rounds):
        line = json.dumps(setting | device | {"jax": jax.__version__} | row)
        print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
