"""One file that is a trained model: to ship, to share, to keep beside a paper.

A safetensors file holds arrays and nothing that could run. Its tensors are the variables of the
served network, ``network/params/Conv_0/kernel``, and whatever else belongs to the model,
``<name>/...``. Under the one metadata key :data:`KEY` stands JSON: the checkpoint's document, which
says what the numbers mean and whom the model learned from; its step; ``extras`` by name; and a
SHA-256 over all of that, checked at every reading. One key, because safetensors writes several in
an order of its own: so the same model is the same bytes.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors
import safetensors.numpy

from qsr_jax.checkpoint.document import check_document
from qsr_jax.checkpoint.errors import CheckpointError, DamageError, first_line
from qsr_jax.files.atomic import write_bytes_atomically
from qsr_jax.files.digest import arrays_sha256, json_sha256

SUFFIX = ".safetensors"
KEY, VERSION = "qsr_jax", 1
NETWORK = "network"
"""First part of the names of the served network's variables."""


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes:
        step: training steps behind the weights.
        document: as in a checkpoint, see :mod:`qsr_jax.checkpoint`.
        tensors: name to array, ``network/...`` and others.
        extras: name to JSON value.
    """

    step: int
    document: Mapping[str, Any]
    tensors: Mapping[str, np.ndarray]
    extras: Mapping[str, Any]

    @property
    def network(self) -> dict[str, np.ndarray]:
        """The served network's variables by name, without ``network/``."""
        return self.arrays_of(NETWORK)

    def arrays_of(self, name: str) -> dict[str, np.ndarray]:
        """The arrays called ``name/...``, without that part of their names."""
        first = f"{name}/"
        mine = (key for key in self.tensors if key.startswith(first))
        return {key.removeprefix(first): self.tensors[key] for key in mine}


def write_model_file(
    path: Path,
    *,
    step: int,
    document: Mapping[str, Any],
    variables: Any,
    extras: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Writes a model file, whole or not at all; the same model gives the same bytes.

    A file that holds the same model already stays as it is.

    Args:
        path: file to make; its name ends in ``.safetensors``.
        step: training steps behind the weights.
        document: of the checkpoint.
        variables: nested dictionaries of arrays, of the served network.
        extras: name to JSON value.
        arrays: further arrays, by names of the kind ``<name>/...``.

    Raises:
        CheckpointError: another ending, a document without its meaning, or an array called as if
            it were the network's.
        ValueError: a number of the JSON is NaN or infinite.
        FileExistsError: something else stands at ``path``.
        WriteError: the system refused the write.
    """
    if path.suffix != SUFFIX:
        raise CheckpointError(f"{path}: expected a name ending in {SUFFIX}")
    check_document(document, where=str(path))
    foreign = [name for name in arrays if name.partition("/")[0] == NETWORK or "/" not in name]
    if foreign:
        raise CheckpointError(
            f"{path}: an array is called {foreign[0]}; expected OTHER/NAME beside {NETWORK}/..."
        )
    network = {f"{NETWORK}/{name}": array for name, array in flat(variables).items()}
    tensors = {name: np.ascontiguousarray(a) for name, a in {**network, **arrays}.items()}
    content = {
        "version": VERSION,
        "step": step,
        "document": dict(document),
        "extras": dict(extras),
    }
    sealed = content | {"sha256": _sha256(content, tensors)}
    metadata = {KEY: json.dumps(sealed, sort_keys=True, allow_nan=False)}
    whole = safetensors.numpy.save(tensors, metadata)
    if not path.exists():
        write_bytes_atomically(path, whole)
    elif path.read_bytes() != whole:
        raise FileExistsError(f"{path}: holds something else; remove it or choose another path")


def read_model_file(path: Path) -> ModelFile:
    """Reads a model file whose contents are those that were written.

    Raises:
        CheckpointError: no such file, no safetensors file (a pickle, a cut download), one that is
            no model of this package, or one of another version.
        DamageError: its contents are not those that were written.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            held = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (OSError, ValueError, TypeError, safetensors.SafetensorError) as error:
        raise CheckpointError(
            f"{path}: cannot be read as safetensors ({first_line(error)}); it is no model file, or "
            "was cut short: copy it anew and compare its sha256 with its card's"
        ) from None
    if held is None:
        raise CheckpointError(
            f"{path}: holds arrays, but no model of qsr_jax; make model files with `qsr export`"
        )
    content = _opened(path, held)
    if content.pop("sha256", None) != _sha256(content, tensors):
        raise DamageError(
            f"{path}: its contents are not those that were written (sha256 differs); copy it anew"
        )
    check_document(content["document"], where=str(path))
    return ModelFile(content["step"], content["document"], tensors, content["extras"])


def _opened(path: Path, held: str) -> dict[str, Any]:
    """The JSON of a model file of this version."""
    try:
        content = json.loads(held)
        version = content["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamageError(f"{path}: its JSON is damaged ({first_line(error)})") from None
    if version != VERSION:
        raise CheckpointError(
            f"{path}: a model file of format {version}, this version of qsr_jax reads format "
            f"{VERSION}; use the version that wrote it"
        )
    return content


def _sha256(content: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> str:
    """Over everything a model file says."""
    return json_sha256({"content": content, "tensors": arrays_sha256(sorted(tensors.items()))})


def flat(variables: Any) -> dict[str, np.ndarray]:
    """The leaves of nested dictionaries by their path, joined by "/".

    >>> flat({"params": {"Conv_0": {"bias": np.zeros(2)}}})
    {'params/Conv_0/bias': array([0., 0.])}
    """
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    name_of = functools.partial(jax.tree_util.keystr, simple=True, separator="/")
    return {name_of(path): leaf for path, leaf in leaves}


def variables_sha256(variables: Any) -> str:
    """Digest over names, shapes and bytes of a pytree of arrays."""
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return arrays_sha256((jax.tree_util.keystr(path), np.asarray(leaf)) for path, leaf in leaves)
