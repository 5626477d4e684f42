"""The checkpoints of a workdir: saved in the background, sealed, restored only when whole.

Of several processes, process 0 alone opens them: every process holds the whole state, so one copy
of it is the checkpoint, and none can be mixed of two. It hands to the others what it restored
(:mod:`qsr_jax.training.processes`).
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from qsr_jax.checkpoint.document import check_document
from qsr_jax.checkpoint.errors import CheckpointError, DamageError, first_line
from qsr_jax.checkpoint.reading import ON_ITS_OWN
from qsr_jax.checkpoint.seal import check_seal, is_sealed, write_seal

LATEST, BEST, DAMAGED = "latest", "best", "damaged"

SPACE_FACTOR = 2
"""Free space wanted before a save, in sizes of the state: the new step beside the old one."""


class Checkpoints:
    """Saves in the background, seals what is complete, restores the newest that is whole."""

    def __init__(self, workdir: Path, *, keep: int, which: str = LATEST) -> None:
        """Opens (and creates) ``workdir/<which>``, keeping the newest ``keep`` steps."""
        self._workdir = workdir.absolute()
        self._folder = self._workdir / which
        self._folder.mkdir(parents=True, exist_ok=True)
        policy = ocp.checkpoint_managers.LatestN(keep)
        self._manager = ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy,
                cleanup_tmp_directories=True,
                create=False,
                multiprocessing_options=ON_ITS_OWN,
            ),
        )
        self._sealer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="seal")
        self._sealing: Future | None = None

    @property
    def newest_step(self) -> int | None:
        """The newest step, or None; it may be unfinished or damaged, see :meth:`restore`."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, network: Any, document: Mapping[str, Any]) -> None:
        """Starts saving; returns as soon as the arrays are copied.

        Raises:
            CheckpointError: the document lacks a required key, the step exists already, or this
                or the save before it could not be written.
        """
        check_document(document, where=f"checkpoint of step {step}")
        state, network = _storable((state, network))
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state),
            network=ocp.args.StandardSave(network),
            document=ocp.args.JsonSave(dict(document)),
        )
        self.wait()
        self._check_space(step, (state, network))
        with self._told_as_checkpoint_error():
            saved = self._manager.save(step, args=items)
        if not saved:
            raise CheckpointError(f"{self._folder}: step {step} was not saved; it exists already")
        self._sealing = self._sealer.submit(self._seal, step)

    def set_damaged_aside(self, *, strict: bool) -> list[str]:
        """Moves steps that are not whole to ``damaged/``, newest first, until one is whole.

        Args:
            strict: raise instead.

        Returns:
            What was wrong with each.

        Raises:
            DamageError: a step is not whole and ``strict``, or no step is left and one was damaged:
                starting over would hide that.
        """
        aside: list[str] = []
        damaged = False
        while (step := self.newest_step) is not None:
            folder = self._folder / str(step)
            why = _what_is_wrong(folder)
            if why is None:
                return aside
            if strict:
                raise DamageError(f"{why}; refused (strict). Remove {folder} to go back one step")
            damaged = damaged or is_sealed(folder)
            shelf = self._workdir / DAMAGED
            shelf.mkdir(exist_ok=True)
            folder.rename(shelf / f"{self._folder.name}-{step}-{len(list(shelf.iterdir()))}")
            self._manager.reload()
            aside.append(f"{why}; step {step} set aside in {shelf}")
        if damaged:
            told = "; ".join(aside)
            raise DamageError(f"{told}. No whole checkpoint is left; train in another --workdir")
        return aside

    def restore(self, target: Any) -> tuple[int, Any, dict[str, Any]]:
        """Reads the newest step into the shapes and placement of ``target``.

        Call :meth:`set_damaged_aside` first: Orbax reads flipped bits without a word.

        Args:
            target: pytree with the shapes and shardings wanted.

        Returns:
            (step, state, document).

        Raises:
            CheckpointError: no step, or its shapes are others.
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
                f"{self._folder}/{step}: cannot be restored ({first_line(error)}); delete that "
                "folder to go back to the checkpoint before it"
            ) from error
        return step, items["state"], items["document"]

    def wait(self) -> None:
        """Blocks until the last save is sealed; CheckpointError if it could not be written."""
        sealing, self._sealing = self._sealing, None
        with self._told_as_checkpoint_error():
            self._manager.wait_until_finished()
            if sealing is not None:
                sealing.result()

    def close(self) -> None:
        """Waits like :meth:`wait`, then releases the background threads."""
        try:
            self.wait()
        finally:
            self._sealer.shutdown()
        with self._told_as_checkpoint_error():
            self._manager.close()

    def _seal(self, step: int) -> None:
        self._manager.wait_until_finished()
        write_seal(self._folder / str(step))

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
                f"{self._folder}: a checkpoint could not be written ({first_line(error)}); check "
                "free disk space and quota. Complete checkpoints are untouched"
            ) from error


@contextlib.contextmanager
def finishing(checkpoints: Checkpoints | None) -> Iterator[None]:
    """Lets a run that fails finish the save it had begun: the last good step is not lost.

    The error of the run goes on; whether that save could be written is no longer asked.
    """
    try:
        yield
    except Exception:
        if checkpoints is not None:
            with contextlib.suppress(CheckpointError):
                checkpoints.wait()
        raise


def _storable(tree: Any) -> Any:
    """Arrays as Orbax takes them: of several processes it wants host arrays, and copies of them."""
    return tree if jax.process_count() == 1 else jax.tree.map(np.array, tree)


def _what_is_wrong(step_folder: Path) -> str | None:
    if not is_sealed(step_folder):
        return f"{step_folder}: was not finished (it has no seal)"
    try:
        check_seal(step_folder)
    except DamageError as error:
        return str(error)
    return None
