"""Trained predictors: by the name they ship under, from model files, from workdirs of trainings."""

from collections.abc import Sequence
from pathlib import Path

from qsr_jax.checkpoint import LATEST, CheckpointError
from qsr_jax.maps import MAPS
from qsr_jax.predictors.batched import FLOAT32
from qsr_jax.predictors.ensemble import Ensemble
from qsr_jax.predictors.network import NetworkPredictor
from qsr_jax.predictors.opened import open_trained
from qsr_jax.predictors.trained import MismatchError, TrainedPredictor


def load_predictor(
    model: Path | str, *, which: str = LATEST, precision: str = FLOAT32
) -> NetworkPredictor:
    """Loads a trained network that takes maps.

    Args:
        model: name of a model that ships, a model file, or the workdir of a training.
        which: "latest", or "best", the one that did best on validation subjects: of a workdir,
            whose newest checkpoint of that kind is taken. A file holds one checkpoint.
        precision: "float32"; or "tf32", which rounds on NVIDIA GPUs that have it and is faster
            there. What it makes says which was asked for.

    Returns:
        A predictor of the one map, or of all maps at once, that the network was trained on.

    Raises:
        CheckpointError: see :func:`qsr_jax.predictors.opened.open_trained`; or the network takes
            weighted images and no maps.
        ValueError: no such precision.
    """
    opened = open_trained(model, which=which)
    if not opened.task.SEES_MAPS:
        raise CheckpointError(
            f"{opened.path}: takes T1-weighted, T2-weighted and FLAIR images, not maps: see "
            "docs/weighted.md"
        )
    document = opened.document
    rows, columns = document["lr_shape"]
    dz, dy, dx = document["lr_spacing_mm"]
    return NetworkPredictor(
        network=opened.network,
        variables=opened.variables,
        task=opened.task,
        lr_shape=(rows, columns),
        lr_spacing_mm=(dz, dy, dx),
        description=opened.description,
        weights_sha256=opened.weights_sha256,
        notes=opened.notes,
        calibration=opened.calibration,
        familiarity=opened.familiarity,
        precision=precision,
    )


def load_predictors(
    models: Sequence[Path | str],
    *,
    which: str = LATEST,
    ensemble: bool = False,
    precision: str = FLOAT32,
) -> list[TrainedPredictor]:
    """Loads models that together make each map once, in the order of :data:`qsr_jax.maps.MAPS`.

    Args:
        models: as :func:`load_predictor` takes them; of one map, of several at once, or both.
        which: checkpoint of each workdir, "latest" or "best".
        ensemble: whether all models of the same maps make one
            :class:`~qsr_jax.predictors.ensemble.Ensemble`; each then needs two or more.
        precision: of all of them, see :func:`load_predictor`.

    Raises:
        MismatchError: a map is made by two models, or with ``ensemble`` by one training alone.
        CheckpointError, ValueError: see :func:`load_predictor`.
    """
    loaded: list[TrainedPredictor] = [
        load_predictor(model, which=which, precision=precision) for model in models
    ]
    if ensemble:
        groups: dict[tuple[str, ...], list[TrainedPredictor]] = {}
        for one in loaded:
            groups.setdefault(one.names, []).append(one)
        loaded = [Ensemble(tuple(members)) for members in groups.values()]
    names = [name for one in loaded for name in one.names]
    if len(set(names)) < len(names):
        raise MismatchError(
            f"models of {', '.join(names)}: two of the same map; give one per map, or ask for "
            "ensembles (--ensemble) where all of them make exactly the same maps"
        )
    return sorted(loaded, key=lambda one: list(MAPS).index(one.names[0]))
