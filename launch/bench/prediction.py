"""Benchmarks of prediction: one slice, and one brain from DICOM to DICOM."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from launch.bench import material
from qsr_jax.maps import MAPS
from qsr_jax.models import build_model
from qsr_jax.predictors.batched import super_resolve
from qsr_jax.predictors.dicom_series import predict
from qsr_jax.predictors.network import NetworkPredictor
from qsr_jax.training.assemble import task_of
from qsr_jax.training.experiment import Experiment

Timed = Callable[[Callable[[], object], int], dict[str, Any]]


def of_experiment(experiment: Experiment, repeats: int, timed: Timed) -> Iterator[dict[str, Any]]:
    """One slice through the network; one brain of all its maps, in a fresh folder.

    A network of one map is timed on all three maps, as three trainings of it would be used.
    """
    joint = len(experiment.names) > 1
    groups = [experiment.names] if joint else [(name,) for name in MAPS]
    models = [untrained(experiment, names) for names in groups]
    image = np.full((1, material.SIDE, material.SIDE, len(groups[0])), 1000.0, np.float32)

    def one_slice() -> jax.Array:
        stack = np.repeat(image, models[0].task.context, 0)
        first = models[0]
        return super_resolve(first.variables, stack, network=first.network, task=first.task)

    yield {"what": "predict", "of": "slice", "maps": len(groups[0])} | timed(one_slice, repeats)
    with tempfile.TemporaryDirectory() as folder:
        source, names = Path(folder) / "study", [name for group in groups for name in group]
        for name in names:
            material.write_scan(source / name, name, material.FAST)
        rounds = iter(range(repeats + 1))

        def brain() -> None:
            predict(models, source, Path(folder) / f"out{next(rounds)}")

        row = {"what": "predict", "of": "brain", "maps": len(names), "slices": material.SLICES}
        yield row | timed(brain, repeats)


def untrained(experiment: Experiment, names: tuple[str, ...]) -> NetworkPredictor:
    """The experiment's network with the weights it starts from: a clock does not mind."""
    fields = dict(experiment.model)
    task = task_of(experiment, scale=material.SCALE, names=names)
    network = build_model(
        fields.pop("name"),
        scale=task.scale,
        channels=len(names),
        alignment=task.alignment,
        **fields,
    )
    image = np.zeros((1, 32, 32, len(names) * task.context), np.float32)
    variables = jax.jit(lambda key: network.init(key, image, train=False))(jax.random.key(0))
    return NetworkPredictor(
        network=network,
        variables=variables,
        task=task,
        lr_shape=(material.SIDE, material.SIDE),
        lr_spacing_mm=(5.0, 220 / material.SIDE, 220 / material.SIDE),
        description=f"{experiment.model['name']} untrained",
        weights_sha256="0" * 64,
    )
