"""A trained workdir as one file: the weights that predict and what must travel with them."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from qsr_jax.checkpoint import LATEST, CheckpointError, load_document, write_model_file
from qsr_jax.familiarity import to_tensors
from qsr_jax.predictors.opened import CHECKPOINT, FAMILIARITY, SPREAD, Opened, open_model

CONFIG = "config"
"""Key of a document: every setting of the training."""


def export_model(workdir: Path, out: Path, *, which: str = LATEST) -> Opened:
    """Writes the network of a workdir as a model file that predicts in the same bits.

    Beside the weights go the whole document (whom the model learned from with it, by which
    :mod:`qsr_jax.evaluation.unseen` knows whom it may be tested on), the calibration of its
    standard deviations and the scans it knows. Of paths among the settings only the last part goes:
    where a person keeps files is nobody's business.

    Args:
        workdir: folder given to training.
        out: file to make, ``.safetensors``.
        which: "latest", or "best": the one that did best on validation subjects.

    Returns:
        The model that was exported.

    Raises:
        CheckpointError: no folder, no checkpoint in it, or one that cannot be read;
            ``out`` is called otherwise.
        FileExistsError: another model, or anything else, stands at ``out``.
        WriteError: the system refused the write.
    """
    if not workdir.is_dir():
        raise CheckpointError(f"{workdir}: expected the workdir of a training, a folder")
    opened = open_model(workdir.absolute(), which=which)
    step, document = load_document(workdir, which=which)
    extras: dict[str, Any] = {CHECKPOINT: which}
    arrays: dict[str, np.ndarray] = {}
    if opened.calibration is not None:
        extras[SPREAD] = opened.calibration.to_json()
    if opened.familiarity is not None:
        known, extras[FAMILIARITY] = to_tensors(opened.familiarity)
        arrays = {f"{FAMILIARITY}/{name}": array for name, array in known.items()}
    write_model_file(
        out,
        step=step,
        document=_without_places(document),
        variables=opened.variables,
        extras=extras,
        arrays=arrays,
    )
    return opened


def _without_places(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the last part of each absolute path among its settings."""
    settings = {key: _last_part(value) for key, value in document.get(CONFIG, {}).items()}
    return {key: settings if key == CONFIG else value for key, value in document.items()}


def _last_part(value: Any) -> Any:
    """Of an absolute path; any other value as it is."""
    if not isinstance(value, str):
        return value
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(value).is_absolute():
            return kind(value).name
    return value
