"""Reading a trained network: its document first, its weights only when they mean something."""

from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from qsr_jax.checkpoint.document import check_document
from qsr_jax.checkpoint.errors import CheckpointError, first_line
from qsr_jax.checkpoint.seal import check_seal, sealed_steps

ON_ITS_OWN = ocp.options.MultiprocessingOptions(primary_host=0, active_processes={0})
"""Orbax would wait for all processes of a run at every step; process 0 reads and writes alone."""


def load_document(workdir: Path, *, which: str = "latest") -> tuple[int, dict[str, Any]]:
    """Returns (step, document) of the newest finished checkpoint without touching any array.

    Args:
        workdir: folder given to training.
        which: "latest" or "best".

    Raises:
        CheckpointError: no checkpoint, or a document without its normalisation or another
            required key.
        DamageError: the checkpoint's bytes are not those that were saved.
    """
    folder = workdir.absolute() / which
    steps = sealed_steps(folder)
    if not steps:
        raise CheckpointError(
            f"{workdir}: holds no trained model (no complete checkpoint in {which}/); train one "
            f"with `qsr train --workdir {workdir} …`"
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


def load_network(workdir: Path, step: int, target: Any, *, which: str = "latest") -> Any:
    """Reads the served network's variables of one step into the shapes of ``target``.

    Args:
        workdir: folder given to training.
        step: as :func:`load_document` returned it.
        target: pytree of ``jax.ShapeDtypeStruct``.
        which: "latest" or "best".

    Raises:
        CheckpointError: the weights do not have the shapes their document says.
    """
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), target
    )
    folder = workdir.absolute() / which / str(step) / "network"
    try:
        reader = ocp.StandardCheckpointer(multiprocessing_options=ON_ITS_OWN)
        # Asked first: a restore that fails half-way leaves its other reads behind.
        _check_shapes(reader.metadata(folder).item_metadata, target)
        return reader.restore(folder, abstract)
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise CheckpointError(
            f"{folder}: the weights do not fit their document ({first_line(error)})"
        ) from error


def _check_shapes(held: Any, wanted: Any) -> None:
    """Raises ValueError for the first array that is not there or has another shape."""
    if held is None:
        return
    shapes, expected = (
        {jax.tree_util.keystr(path): leaf.shape for path, leaf in
         jax.tree_util.tree_leaves_with_path(tree)}
        for tree in (held.tree, wanted)
    )  # fmt: skip
    for name in sorted(expected.keys() | shapes.keys()):
        if shapes.get(name) != expected.get(name):
            raise ValueError(f"{name}: {shapes.get(name)}, expected {expected.get(name)}")
