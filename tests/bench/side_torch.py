"""PyTorch's programs of :mod:`side_programs`; they get finished examples in network scale."""

from collections.abc import Callable

import jax
import numpy as np
import torch
import torch_default
import torch_networks
from side_programs import COMPILED, STEPS, Setting, physical_maps

from launch.bench import material
from launch.bench.training import Bench
from qsr_jax.objectives.weighted_terms import region_weights


def prepared(setting: Setting, bench: Bench) -> Callable[[], object]:
    torch.set_num_threads(setting.cores or torch.get_num_threads())
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = setting.what == "step"  # a prediction is float32
    device = "cuda" if torch.cuda.is_available() else "cpu"
    once = (step if setting.what == "step" else predict)(setting, bench, device)

    def run() -> None:
        once()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def network(setting: Setting, bench: Bench, variables: dict, side: int) -> torch.nn.Module:
    if setting.net == "srgan":
        return torch_networks.generator_from(variables, 2)
    fold, bf16 = bench.experiment.model.get("fold", 1), setting.precision == "bfloat16"
    return torch_default.unet_from(variables, side, fold=fold, bf16=bf16)


def step(setting: Setting, bench: Bench, device: str) -> Callable[[], object]:
    state = jax.device_get(bench.state())
    records = material.batch(setting.batch, maps=len(bench.task.names))
    example = bench.task.example(records, step=0)
    lr, hr = (images(x, device) for x in (example.inputs["lr"], example.target))
    served = network(setting, bench, state.served, lr.shape[-1]).to(device)
    if setting.net == "default":
        weights = images(region_weights(example, "head"), device)
        trainer = torch_default.Trainer(served, decay=0.999, steps=STEPS)
        compile_in_place(setting, served)
        return lambda: trainer.step(lr, hr, weights)
    players, vgg = state.players, bench.frozen_and_batch()[0]
    judge = torch_networks.discriminator_from(players["discriminator"].variables).to(device)
    layer = bench.experiment.vgg.layer
    features = torch_networks.vgg_from(jax.device_get(vgg), layer).to(device)
    weights = {"mae": 1.0, "gan": 1e-3, "vgg": 2e-6}
    bf16 = setting.precision == "bfloat16"
    trainer = torch_networks.Trainer(served, judge, features, weights, bf16=bf16)
    compile_in_place(setting, served, judge, features)
    return lambda: trainer.step(lr, hr)


def compile_in_place(setting: Setting, *networks: torch.nn.Module) -> None:
    """So that the optimisers keep their parameters."""
    for one in networks if setting.program == COMPILED else ():
        one.compile()


def predict(setting: Setting, bench: Bench, device: str) -> Callable[[], object]:
    """Images on the host to images on the host; no units on either end."""
    inputs = bench.task.inputs(physical_maps(setting, bench.task))["lr"]
    state = jax.device_get(bench.state())
    made = network(setting, bench, state.served, inputs.shape[1]).to(device).eval()
    compile_in_place(setting, made)
    batches = images(inputs, "cpu").split(setting.batch)

    @torch.no_grad()
    def once() -> list[torch.Tensor]:
        return [made(x.to(device)).cpu() for x in batches]

    return once


def images(x: jax.Array, device: str) -> torch.Tensor:
    """(n, h, w, c) to channels-last memory there."""
    tensor = torch.from_numpy(np.array(x).transpose(0, 3, 1, 2))
    return tensor.to(device).contiguous(memory_format=torch.channels_last)
