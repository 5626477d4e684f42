"""Trained predictors from the workdirs of their trainings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from qsr_jax.checkpoint import BEST, LATEST, CheckpointError, load_document, load_network
from qsr_jax.maps import MAPS, spec_of
from qsr_jax.models import build_model
from qsr_jax.predictors.ensemble import Ensemble
from qsr_jax.predictors.network import NetworkPredictor, variables_sha256
from qsr_jax.predictors.trained import MismatchError, TrainedPredictor
from qsr_jax.tasks import JointMaps, described_task
from qsr_jax.tasks.spread import SpreadCalibration, SpreadError, read_calibrations

DENOISING = "denoising"
UNCALIBRATED = "standard deviations are the network's own: no validation subjects calibrated them"


def load_predictor(workdir: Path | str, *, which: str = LATEST) -> NetworkPredictor:
    """Loads the newest checkpoint of a workdir.

    Args:
        workdir: folder given to training.
        which: "latest", or "best": the one that did best on validation subjects.

    Returns:
        A predictor of the one map, or of all maps at once, that the workdir was trained on.

    Raises:
        CheckpointError: no checkpoint, one that lacks its normalisation, one of another
            normalisation than this version's, of a network that makes no maps from a scan, or
            one whose calibration of spreads is damaged.
    """
    workdir = Path(workdir)
    step, document = load_document(workdir, which=which)
    _check_normalisation(workdir, document)
    if document["objective"] == DENOISING:
        raise CheckpointError(f"{workdir}: holds a denoiser, which makes no maps from a scan")
    task = described_task(document["task"])
    network = build_model(
        **document["model"],
        scale=task.scale,
        channels=len(task.names),
        alignment=task.alignment,
    )
    target = jax.eval_shape(
        lambda key, image: network.init(key, image, train=False),
        jax.random.key(0),
        jax.ShapeDtypeStruct(_input_shape(task, document["lr_shape"]), jnp.float32),
    )
    variables = load_network(workdir, step, target, which=which)
    labels = "+".join(spec_of(name).label for name in task.names)
    chosen = ", chosen on validation subjects" if which == BEST else ""
    calibration, notes = _calibration(workdir, step, tells=getattr(network, "spread", False))
    rows, columns = document["lr_shape"]
    dz, dy, dx = document["lr_spacing_mm"]
    return NetworkPredictor(
        network=network,
        variables=variables,
        task=task,
        lr_shape=(rows, columns),
        lr_spacing_mm=(dz, dy, dx),
        description=f"{document['model']['name']} {labels}, {step} training steps{chosen}",
        weights_sha256=variables_sha256(variables),
        notes=(*document["notes"], *notes),
        calibration=calibration,
    )


def _calibration(
    workdir: Path, step: int, *, tells: bool
) -> tuple[SpreadCalibration | None, tuple[str, ...]]:
    """Factors on the spread of the network of a step, and what a reader must know without them."""
    if not tells:
        return None, ()
    try:
        calibration = read_calibrations(workdir).get(step)
    except SpreadError as error:
        raise CheckpointError(str(error)) from None
    return calibration, () if calibration else (UNCALIBRATED,)


def load_predictors(
    workdirs: Sequence[Path | str], *, which: str = LATEST, ensemble: bool = False
) -> list[TrainedPredictor]:
    """Loads models that together make each map once, in the order of :data:`qsr_jax.maps.MAPS`.

    Args:
        workdirs: of models of one map, of several maps at once, or both.
        which: checkpoint of each, "latest" or "best".
        ensemble: whether all workdirs of the same maps make one
            :class:`~qsr_jax.predictors.ensemble.Ensemble`; each then needs two or more.

    Raises:
        MismatchError: a map is made by two models, or with ``ensemble`` by one training alone.
        CheckpointError: see :func:`load_predictor`.
    """
    models: list[TrainedPredictor] = [load_predictor(path, which=which) for path in workdirs]
    if ensemble:
        groups: dict[tuple[str, ...], list[TrainedPredictor]] = {}
        for model in models:
            groups.setdefault(model.names, []).append(model)
        models = [Ensemble(tuple(members)) for members in groups.values()]
    names = [name for model in models for name in model.names]
    if len(set(names)) < len(names):
        raise MismatchError(
            f"models of {', '.join(names)}: two of the same map; give one per map, or ask for "
            "ensembles (--ensemble) where all of them make exactly the same maps"
        )
    return sorted(models, key=lambda model: list(MAPS).index(model.names[0]))


def _check_normalisation(workdir: Path, document: Mapping[str, Any]) -> None:
    """Refuses weights whose numbers would be read on another scale."""
    rows = zip(document["maps"], document["unit"], document["network_max"], strict=True)
    for name, unit, network_max in rows:
        spec = spec_of(name)
        if network_max != spec.network_max or unit != spec.unit:
            raise CheckpointError(
                f"{workdir}: trained with {spec.label} normalised by {network_max} {unit}, this "
                f"version uses {spec.network_max} {spec.unit}"
            )


def _input_shape(task: JointMaps, lr_shape: Sequence[int]) -> tuple[int, int, int, int]:
    """(n, h, w, c) of what the network sees."""
    rows, columns = (side + 2 * task.margin for side in lr_shape)
    return 1, rows, columns, len(task.names) * task.context
