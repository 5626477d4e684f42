"""A trained model as it is read from a file or workdir, before anybody says what goes in."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from qsr_jax.checkpoint import (
    BEST,
    LATEST,
    CheckpointError,
    load_document,
    load_network,
    read_model_file,
    variables_sha256,
)
from qsr_jax.familiarity import FamiliarityError, KnownScans, from_tensors
from qsr_jax.familiarity.saving import read_known
from qsr_jax.maps import spec_of
from qsr_jax.models import build_model
from qsr_jax.objectives.objective import names_told, told_to
from qsr_jax.ops.devices import start_cpu_devices
from qsr_jax.predictors.batched import BATCH
from qsr_jax.pretrained import find_model, shipped_name
from qsr_jax.tasks import JointMaps, WeightedToMaps, described_task
from qsr_jax.tasks.spread import SpreadCalibration, SpreadError, read_calibrations

DENOISING = "denoising"
UNCALIBRATED = "standard deviations are the network's own: no validation subjects calibrated them"

CHECKPOINT, SPREAD, FAMILIARITY = "checkpoint", "spread", "familiarity"
"""Extras of a model file: which checkpoint it was made of; its calibration of spreads; the scans it
knows, whose arrays have the same first part in their names."""


@dataclasses.dataclass(frozen=True)
class Opened:
    """A network with what gives its numbers their meaning.

    Attributes:
        path: file or workdir.
        document: of the checkpoint.
        task: what it learned.
        network: the module.
        variables: its weights.
        description: one line for people and DICOM headers.
        notes: what a reader of its numbers must know.
        calibration: of its standard deviations, or None.
        familiarity: the scans it knows, or None.
    """

    path: Path
    document: Mapping[str, Any]
    task: JointMaps
    network: nn.Module
    variables: Mapping[str, Any]
    description: str
    notes: tuple[str, ...]
    calibration: SpreadCalibration | None
    familiarity: KnownScans | None

    @property
    def weights_sha256(self) -> str:
        """Digest over names, shapes and bytes of its variables."""
        return variables_sha256(self.variables)


def open_trained(model: Path | str, *, which: str = LATEST) -> Opened:
    """Opens a trained network that makes maps from a scan.

    Args:
        model: see :func:`open_model`.
        which: likewise.

    Raises:
        CheckpointError: as :func:`open_model`, or it holds a denoiser.
    """
    path = find_model(model)
    if is_denoiser(path, which=which):
        raise CheckpointError(f"{path}: holds a denoiser, which makes no maps from a scan")
    return open_model(path, which=which)


def open_model(model: Path | str, *, which: str = LATEST) -> Opened:
    """Opens any trained network.

    Args:
        model: name of a model that ships, a model file, or the workdir of a training.
        which: "latest", or "best", the one that did best on validation subjects: of a workdir,
            whose newest checkpoint of that kind is taken. A file holds one checkpoint.

    Raises:
        CheckpointError: no such model, no checkpoint in it, one that lacks its normalisation, one
            of another normalisation than this version's, or one whose calibration of spreads or
            whose known scans are damaged.
    """
    start_cpu_devices(BATCH)
    path = find_model(model)
    step, document = load_document(path, which=which)
    _check_normalisation(path, document)
    task = described_task(document["task"])
    network = build_model(
        **document["model"],
        scale=1 if document["objective"] == DENOISING else task.scale,
        channels=len(task.names),
        alignment=task.alignment,
    )
    variables = load_network(path, step, _shapes(network, task, document), which=which)
    found = _beside(path, step, which)
    tells = getattr(network, "spread", False)
    uncalibrated = [UNCALIBRATED] if tells and found.calibration is None else []
    return Opened(
        path=path,
        document=document,
        task=task,
        network=network,
        variables=variables,
        description=_description(path, document, step, found.which),
        notes=(*document["notes"], *uncalibrated),
        calibration=found.calibration if tells else None,
        familiarity=found.familiarity,
    )


def is_denoiser(model: Path | str, *, which: str = LATEST) -> bool:
    """Whether a trained network takes noise off and makes no maps.

    Raises:
        CheckpointError: no such model, or nothing in it can be read.
    """
    return load_document(find_model(model), which=which)[1]["objective"] == DENOISING


def takes_weighted(model: Path | str, *, which: str = LATEST) -> bool:
    """Whether a trained network takes weighted images and no maps.

    False of what cannot be read: whoever opens it says why.
    """
    try:
        document = load_document(find_model(model), which=which)[1]
    except CheckpointError:
        return False
    return bool(document["task"]["name"] == WeightedToMaps.KIND)


@dataclasses.dataclass(frozen=True)
class Beside:
    """What belongs to a network and is none of its weights.

    Attributes:
        which: checkpoint it is, "latest" or "best".
        calibration: of its standard deviations, or None.
        familiarity: the scans it knows, or None.
    """

    which: str
    calibration: SpreadCalibration | None
    familiarity: KnownScans | None


def _beside(path: Path, step: int, which: str) -> Beside:
    """What a file holds, or a workdir, beside the weights of a step."""
    try:
        if not path.is_file():
            return Beside(which, read_calibrations(path).get(step), read_known(path)[0])
        held = read_model_file(path)
        extras, known = held.extras, None
        if FAMILIARITY in extras:
            known = from_tensors(held.arrays_of(FAMILIARITY), extras[FAMILIARITY])
        spread = extras.get(SPREAD)
        found = None if spread is None else SpreadCalibration.from_json(spread)
        return Beside(extras.get(CHECKPOINT, LATEST), found, known)
    except (SpreadError, FamiliarityError) as error:
        where = f"{path}: " if path.is_file() else ""  # a workdir's errors name its files
        raise CheckpointError(f"{where}{error}") from None


def _description(path: Path, document: Mapping[str, Any], step: int, which: str) -> str:
    """One line for people and DICOM headers; only names of ours stand in it, none of a user's."""
    labels = "+".join(spec_of(name).label for name in document["maps"])
    if document["objective"] == DENOISING:
        seen = described_task(document["task"]).SEES_MAPS
        labels = f"denoiser of {labels if seen else 'weighted images'}"
    name = shipped_name(path)
    parts = [
        f"{document['model']['name']} {labels}, {step} training steps",
        "chosen on validation subjects" if which == BEST else "",
        f"shipped as {name}" if name else "",
    ]
    return ", ".join(part for part in parts if part)


def _check_normalisation(path: Path, document: Mapping[str, Any]) -> None:
    """Refuses weights whose numbers would be read on another scale."""
    rows = zip(document["maps"], document["unit"], document["network_max"], strict=True)
    for name, unit, network_max in rows:
        spec = spec_of(name)
        if network_max != spec.network_max or unit != spec.unit:
            raise CheckpointError(
                f"{path}: trained with {spec.label} normalised by {network_max} {unit}, this "
                f"version uses {spec.network_max} {spec.unit}"
            )


def _shapes(network: nn.Module, task: JointMaps, document: Mapping[str, Any]) -> Any:
    """Shapes of a network's variables."""
    if document["objective"] == DENOISING:
        image = jax.ShapeDtypeStruct((1, *document["lr_shape"], len(task.names)), jnp.float32)
        level = jax.ShapeDtypeStruct((1,), jnp.float32)
        return jax.eval_shape(
            lambda key, x, sigma: network.init(key, x, sigma, train=False),
            jax.random.key(0),
            image,
            level,
        )
    if names_told(network):
        inputs = task.whole(task.blank()).inputs
        told = told_to(network, inputs)
        return jax.eval_shape(
            lambda key: network.init(key, inputs["lr"], train=False, **told), jax.random.key(0)
        )
    return jax.eval_shape(
        lambda key, image: network.init(key, image, train=False),
        jax.random.key(0),
        jax.ShapeDtypeStruct(_input_shape(task, document["lr_shape"]), jnp.float32),
    )


def _input_shape(task: JointMaps, lr_shape: Sequence[int]) -> tuple[int, int, int, int]:
    """(n, h, w, c) of what the network sees."""
    rows, columns = (side + 2 * task.margin for side in lr_shape)
    channels = jax.eval_shape(lambda: task.whole(task.blank()).inputs["lr"]).shape[-1]
    return 1, rows, columns, channels
