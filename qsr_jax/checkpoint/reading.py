"""Reading a trained network: its document first, its weights only when they mean something.

A model is the workdir of its training, or a model file (:mod:`qsr_jax.checkpoint.model_file`),
which holds one checkpoint and therefore knows no "latest" and "best".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from qsr_jax.checkpoint.document import check_document
from qsr_jax.checkpoint.errors import CheckpointError, first_line
from qsr_jax.checkpoint.model_file import flat, read_model_file
from qsr_jax.checkpoint.seal import check_seal, sealed_steps

ON_ITS_OWN = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
"""Orbax would wait for all processes of a run at every step; process 0 reads and writes alone."""


def load_document(model: Path, *, which: str = "latest") -> tuple[int, dict[str, Any]]:
    """Returns (step, document) of the newest finished checkpoint, or of a model file.

    Args:
        model: folder given to training, or a model file.
        which: "latest" or "best" of the folder's.

    Raises:
        CheckpointError: no checkpoint, no model file, or a document without its normalisation or
            another required key.
        DamageError: the bytes are not those that were saved.
    """
    if model.is_file():
        held = read_model_file(model)
        return held.step, dict(held.document)
    folder = model.absolute() / which
    steps = sealed_steps(folder)
    if not steps:
        raise CheckpointError(
            f"{model}: holds no trained model (no complete checkpoint in {which}/); train one "
            f"with `qsr train --workdir {model} …`"
        )
    step = steps[0]
    check_seal(folder / str(step))
    try:
        document = ocp.Checkpointer(
            ocp.JsonCheckpointHandler(), multiprocessing_options=ON_ITS_OWN
        ).restore(folder / str(step) / "document")
    except (ValueError, FileNotFoundError) as error:
        raise CheckpointError(f"{folder}/{step}: document is missing or damaged: {error}") from None
    check_document(document, where=f"{folder}/{step}")
    return step, document


def load_network(model: Path, step: int, target: Any, *, which: str = "latest") -> Any:
    """Reads the served network's variables of one step into the shapes of ``target``.

    Args:
        model: folder given to training, or a model file.
        step: as :func:`load_document` returned it.
        target: pytree of ``jax.ShapeDtypeStruct``.
        which: "latest" or "best" of the folder's.

    Raises:
        CheckpointError: the weights do not have the shapes their document says.
    """
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    if model.is_file():
        return _from_file(model, target, device)
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), target
    )
    folder = model.absolute() / which / str(step) / "network"
    try:
        reader = ocp.StandardCheckpointer(multiprocessing_options=ON_ITS_OWN)
        # Asked first: a restore that fails half-way leaves its other reads behind.
        held = reader.metadata(folder).item_metadata
        if held is not None:
            _check_shapes(flat(held.tree), flat(target))
        return reader.restore(folder, abstract)
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise CheckpointError(
            f"{folder}: the weights do not fit their document ({first_line(error)})"
        ) from error


def _from_file(path: Path, target: Any, device: jax.sharding.Sharding) -> Any:
    """The variables of a model file in the tree of ``target``."""
    held, wanted = read_model_file(path).network, flat(target)
    try:
        _check_shapes(held, wanted)
    except ValueError as error:
        raise CheckpointError(f"{path}: the weights do not fit their document ({error})") from None
    leaves = [jax.device_put(held[name], device) for name in wanted]
    return jax.tree.unflatten(jax.tree.structure(target), leaves)


def _check_shapes(held: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises ValueError for the first array that is not there or has another shape."""
    shapes, expected = ({n: leaf.shape for n, leaf in tree.items()} for tree in (held, wanted))
    for name in sorted(expected.keys() | shapes.keys()):
        if shapes.get(name) != expected.get(name):
            raise ValueError(f"{name}: {shapes.get(name)}, expected {expected.get(name)}")
