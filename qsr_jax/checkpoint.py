"""Checkpoints: the training state, and beside it the generator as a complete document.

A workdir holds ``latest/<step>/`` with three items:

- ``state``: everything training needs to go on (both networks, both optimisers, the step);
- ``generator``: parameters and batch statistics alone, all that prediction needs;
- ``document``: JSON that says what the numbers mean: map, unit, normalisation, grids, config,
  data fingerprint, versions. Without it the weights are not usable, and loading refuses.

Orbax writes a step under a temporary name and renames it when complete; a killed save leaves
nothing that a restart could mistake for a checkpoint.
"""

import contextlib
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

# Orbax logs every step of every save, and a page of traceback for an error that it also raises.
for _name in ("absl", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

FOLDER = "latest"

SPACE_FACTOR = 2
"""Free space wanted before a save, in sizes of the state: the new step beside the old one."""

REQUIRED = {
    "map": "which map the generator makes",
    "unit": "the physical unit of its output",
    "network_max": "the normalisation: the physical value that is +1 in network scale",
    "scale": "the factor between the grids",
    "grid_alignment": "how the fine grid lies on the coarse one",
    "lr_shape": "rows and columns of a coarse image",
    "lr_spacing_mm": "voxel size of a coarse image",
    "generator": "the generator's architecture",
}
"""Keys a document must have, and what each says."""


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete, or belongs to something else."""


class Checkpoints:
    """The checkpoints of one workdir: save in the background, restore the newest complete one."""

    def __init__(self, workdir: Path, *, keep: int) -> None:
        """Opens (and creates) ``workdir/latest``, keeping the newest ``keep`` steps."""
        self._folder = workdir.absolute() / FOLDER
        policy = ocp.checkpoint_managers.LatestN(keep)
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy, cleanup_tmp_directories=True
            ),
        )

    @property
    def newest_step(self) -> int | None:
        """The newest complete step, or None."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, generator: Any, document: Mapping[str, Any]) -> None:
        """Starts saving; returns as soon as the arrays are copied.

        Raises:
            CheckpointError: the document lacks a required key, the step exists already, or this
                or the save before it could not be written.
        """
        _check_document(document, where=f"checkpoint of step {step}")
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            generator=ocp.args.StandardSave(generator),
            document=ocp.args.JsonSave(dict(document)),
        )
        self._check_space(step, (state, generator))
        with self._told_as_checkpoint_error():
            saved = self._manager.save(step, args=items)
        if not saved:
            raise CheckpointError(f"{self._folder}: step {step} was not saved; it exists already")

    def restore(self, target: Any) -> tuple[int, Any, dict[str, Any]]:
        """Reads the newest complete step into the shapes and placement of ``target``.

        Returns:
            (step, state, document).
        """
        step = self.newest_step
        if step is None:
            raise CheckpointError(f"{self._folder}: no complete checkpoint")
        try:
            items = self._manager.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(target), document=ocp.args.JsonRestore()
                ),
            )
        except (ValueError, KeyError, FileNotFoundError) as error:
            raise CheckpointError(
                f"{self._folder}/{step}: cannot be restored ({_first_line(error)}); delete that "
                "folder to go back to the checkpoint before it"
            ) from error
        return step, items["state"], items["document"]

    def wait(self) -> None:
        """Blocks until the last save is on disk; CheckpointError if it could not be written."""
        with self._told_as_checkpoint_error():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits like :meth:`wait`, then releases the background threads."""
        with self._told_as_checkpoint_error():
            self._manager.close()

    def _check_space(self, step: int, arrays: Any) -> None:
        needed = SPACE_FACTOR * sum(leaf.nbytes for leaf in jax.tree.leaves(arrays))
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise CheckpointError(
                f"{self._folder}: step {step} was not saved: {free / 2**20:.0f} MiB free, "
                f"{needed / 2**20:.0f} MiB wanted; make room and run the same command again"
            )

    @contextlib.contextmanager
    def _told_as_checkpoint_error(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, OSError, RuntimeError) as error:
            raise CheckpointError(
                f"{self._folder}: a checkpoint could not be written ({_first_line(error)}); check "
                "free disk space and quota. Complete checkpoints are untouched"
            ) from error


def load_document(workdir: Path) -> tuple[int, dict[str, Any]]:
    """Returns (step, document) of the newest checkpoint without touching any array.

    Raises:
        CheckpointError: no checkpoint, or a document without its normalisation or another
            required key.
    """
    folder = workdir.absolute() / FOLDER
    steps = ocp.utils.checkpoint_steps(folder) if folder.is_dir() else []
    if not steps:
        raise CheckpointError(
            f"{workdir}: holds no trained model (no complete checkpoint in {FOLDER}/); train one "
            f"with `python -m launch.train --workdir {workdir} …`"
        )
    step = max(steps)
    try:
        document = ocp.Checkpointer(ocp.JsonCheckpointHandler()).restore(
            folder / str(step) / "document"
        )
    except (ValueError, FileNotFoundError) as error:
        raise CheckpointError(f"{folder}/{step}: document is missing or damaged: {error}") from None
    _check_document(document, where=f"{folder}/{step}")
    return step, document


def load_generator(workdir: Path, step: int, target: Any) -> Any:
    """Reads the generator's variables of one step into the shapes of ``target``.

    Args:
        workdir: folder given to training.
        step: as :func:`load_document` returned it.
        target: pytree of ``jax.ShapeDtypeStruct``.
    """
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), target
    )
    folder = workdir.absolute() / FOLDER / str(step) / "generator"
    try:
        return ocp.StandardCheckpointer().restore(folder, abstract)
    except (ValueError, KeyError, FileNotFoundError) as error:
        raise CheckpointError(
            f"{folder}: the weights do not fit their document ({_first_line(error)})"
        ) from error


def _check_document(document: Mapping[str, Any], *, where: str) -> None:
    missing = [f"{key} ({REQUIRED[key]})" for key in REQUIRED if key not in document]
    if missing:
        raise CheckpointError(
            f"{where}: the document lacks {'; '.join(missing)}. Without it the numbers of the "
            "network have no meaning; train again with this version"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
