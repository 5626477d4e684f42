"""The seal of a dataset: digests of its inputs and of every shard, checked when it is opened.

What a seal is: :mod:`qsr_jax.files.seal`. This one holds its own digest, too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qsr_jax.files import seal
from qsr_jax.files.digest import json_sha256
from qsr_jax.files.seal import FileFacts, SealError

SEAL = "seal.json"
FORMAT, VERSION = "qsr_jax-seal", 1
KEYS = {"format", "version", "metadata", "features", "inputs", "shards", "sha256"}
BESIDE = {SEAL, "card.json", "README.md", "dataset_info.json", "features.json", "metadata.json"}
"""What lies beside the shards."""


def write_seal(
    folder: Path,
    *,
    metadata: Mapping[str, Any],
    features: Mapping[str, Any],
    inputs: Mapping[str, Mapping[str, str]],
    shards: Mapping[str, Mapping[str, str | int]],
) -> None:
    """Writes the seal of the shards that lie in ``folder``.

    Args:
        folder: holds the shards.
        metadata: of the dataset.
        features: of its records, as JSON.
        inputs: subject to the digests of the series its records come from.
        shards: file name to {"split", "subject", "records", "bytes", "sha256"}.

    Raises:
        OSError: the seal cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "metadata": dict(metadata),
        "features": json_sha256(features),
        "inputs": inputs,
        "shards": {name: dict(row) for name, row in shards.items()},
    }
    seal.write_seal(folder / SEAL, content | {"sha256": json_sha256(content)})


def read_seal(folder: Path) -> dict[str, Any]:
    """Reads a seal that is whole.

    Raises:
        SealError: missing, not readable, or changed.
    """
    content = seal.read_seal(folder / SEAL, KEYS)
    if json_sha256({k: v for k, v in content.items() if k != "sha256"}) != content["sha256"]:
        raise SealError(f"{SEAL}: was changed after it was written")
    if (content["format"], content["version"]) != (FORMAT, VERSION):
        raise SealError(f"{SEAL}: {content['format']} {content['version']}; expected {FORMAT} 1")
    return content


def check_files(folder: Path, sealed: Mapping[str, Any], *, split: str) -> None:
    """Refuses missing and surplus files of the folder, and changed shards of one split.

    Raises:
        SealError: naming the file.
    """
    rows = sealed["shards"]
    present = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    seal.check_names(BESIDE | set(rows), present)
    facts = {name: FileFacts(row["bytes"], row["sha256"]) for name, row in rows.items()}
    mine = [name for name, row in rows.items() if row["split"] == split]
    seal.check_files(folder, facts, mine)
