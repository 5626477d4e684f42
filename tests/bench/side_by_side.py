"""Times this package beside the same networks in PyTorch: in one process, turn by turn.

    python tests/bench/side_by_side.py --what step --crop 48 --batch 8
    python tests/bench/side_by_side.py --what predict --slices 4

One JSON line per program, times in seconds; ``ratio`` is the median over rounds of this program's
time over PyTorch's in the same round. On a GPU add ``--precision bfloat16``: both sides then use
it (autocast there), and PyTorch is also tried compiled. Run nothing else meanwhile.
"""

import argparse
import json
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch_networks

from qsr_jax.models import build_model
from qsr_jax.models.srgan import Discriminator
from qsr_jax.models.vgg19 import Vgg19Features, random_vgg19
from qsr_jax.objectives import Srgan
from qsr_jax.tasks import SuperResolution
from qsr_jax.training.compute_options import ComputeOptions
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.optimizers import make_optimizers
from qsr_jax.training.plan import sample_example
from qsr_jax.training.state import init_state
from qsr_jax.training.step import make_step

PAPER, TASK, SIDE = Experiment(), SuperResolution(("t1",), 2), 256
OPTIMIZERS = make_optimizers(
    ("generator", "discriminator"), PAPER.optimizer, total_steps=1, warmup_steps=0
)
REFERENCE = "torch"


def paper_srgan(precision: str) -> Srgan:
    """The paper's networks and losses, on one device."""
    dtype = None if precision == "float32" else precision
    fields = {k: v for k, v in PAPER.model.items() if k != "name"}
    return Srgan(
        TASK,
        build_model("srgan", scale=2, channels=1, precision=precision, **fields),
        Discriminator(features=PAPER.discriminator.features, dtype=dtype),
        Vgg19Features(PAPER.vgg.layer, dtype=dtype),
        PAPER.loss.terms,
    )


class Material:
    """The paper's networks, weights for both sides, and one batch on the device of both."""

    def __init__(self, *, batch: int, side: int) -> None:
        self.layer, self.features = PAPER.vgg.layer, random_vgg19(0)
        objective = paper_srgan("float32")
        self.state = jax.device_get(
            jax.jit(
                lambda: init_state(
                    jax.random.key(0), objective, sample_example(TASK), OPTIMIZERS, averaged=False
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
        example = TASK.whole(self.batch)
        made = (example.inputs["lr"], example.target)
        images = (torch.from_numpy(np.array(x).transpose(0, 3, 1, 2)) for x in made)
        return [x.to(self.device).contiguous(memory_format=torch.channels_last) for x in images]


EIGEN = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
"""Compiler option that takes convolutions away from YNNPACK (jaxlib 0.10, CPU)."""


def jax_step(
    material: Material, precision: str, *, options: dict | None = None
) -> Callable[[], None]:
    step = make_step(
        TASK,
        paper_srgan(precision),
        OPTIMIZERS,
        batch_size=len(material.batch["lr"]),
        average_decay=0.0,
        axis_name=None,
        options=ComputeOptions(precision=precision, matmul="default", parts=1, unroll=True),
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
        torch_networks.generator_from(material.state.served, 2),
        torch_networks.discriminator_from(material.state.players["discriminator"].variables),
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
    generator = paper_srgan(precision).generator
    run = jax.jit(lambda variables, x: generator.apply(variables, x, train=False))
    variables = jax.device_put(material.state.served)
    lr = TASK.whole(material.batch).inputs["lr"]
    slices = [lr[i : i + 1] for i in range(len(lr))]
    return lambda: jax.block_until_ready([run(variables, x) for x in slices])


def torch_predict(material: Material, precision: str, *, compiled: bool) -> Callable[[], None]:
    generator = torch_networks.generator_from(material.state.served, 2).to(material.device)
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
