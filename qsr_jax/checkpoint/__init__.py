"""Checkpoints: the training state, and beside it the served network as a complete document.

A workdir holds ``latest/<step>/`` (and ``best/<step>/``, chosen on validation subjects) with:

- ``state``: everything training needs to go on (all networks and optimisers, average, step);
- ``network``: parameters and batch statistics of the one that predicts, all that prediction
  needs;
- ``document``: JSON that says what the numbers mean: map, unit, normalisation, grids, config,
  data fingerprint, versions. Without it the weights are not usable, and loading refuses;
- ``SEAL.json``: size and sha256 of every file, written last and verified before anything is read.

Orbax writes a step under a temporary name and renames it when complete; a killed save leaves
nothing that a restart could mistake for a checkpoint. A damaged step is set aside under
``damaged/`` and the one before it is used, unless the caller asks for strictness.

Of one checkpoint, :mod:`qsr_jax.checkpoint.model_file` makes a single file to share; what reads a
workdir's network reads that file as well.
"""

import logging

from qsr_jax.checkpoint.document import DRAWN, FORMAT_VERSION, REQUIRED
from qsr_jax.checkpoint.errors import CheckpointError, DamageError
from qsr_jax.checkpoint.model_file import (
    ModelFile,
    read_model_file,
    variables_sha256,
    write_model_file,
)
from qsr_jax.checkpoint.reading import load_document, load_network
from qsr_jax.checkpoint.seal import sealed_steps
from qsr_jax.checkpoint.store import BEST, DAMAGED, LATEST, Checkpoints, finishing

# Orbax logs every step of every save, and a page of traceback for an error that it also raises.
for _name in ("absl", "asyncio"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

__all__ = [
    "BEST",
    "DAMAGED",
    "DRAWN",
    "FORMAT_VERSION",
    "LATEST",
    "REQUIRED",
    "CheckpointError",
    "Checkpoints",
    "DamageError",
    "ModelFile",
    "finishing",
    "load_document",
    "load_network",
    "read_model_file",
    "sealed_steps",
    "variables_sha256",
    "write_model_file",
]
