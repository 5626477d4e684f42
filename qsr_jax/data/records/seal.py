"""The seal of a dataset: sha256 of its inputs and of every shard, checked when it is opened.

Array records notice a flipped bit, but not a shard that is another one's copy, cut between two
records, or exchanged; so each shard is named by its digest. The seal holds its own digest too.
"""

import concurrent.futures
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SEAL = "seal.json"
FORMAT, VERSION = "qsr_jax-seal", 1
KEYS = {"format", "version", "metadata", "features", "inputs", "shards", "sha256"}
BESIDE = {SEAL, "card.json", "README.md", "dataset_info.json", "features.json", "metadata.json"}
"""What lies beside the shards."""


class SealError(ValueError):
    """What is wrong with a dataset folder: the file, what was expected, what was found."""


def write_seal(
    folder: Path,
    *,
    metadata: Mapping[str, Any],
    features: Mapping[str, Any],
    inputs: Mapping[str, Mapping[str, str]],
    shards: Mapping[str, Mapping[str, Any]],
) -> None:
    """Writes the seal of the shards that lie in ``folder``.

    Args:
        folder: holds the shards.
        metadata: of the dataset.
        features: of its records, as JSON.
        inputs: subject to the digests of the series its records come from.
        shards: file name to {"split", "subject", "records"}; size and digest are read from it.
    """
    found = _measured([folder / name for name in shards])
    content = {
        "format": FORMAT,
        "version": VERSION,
        "metadata": dict(metadata),
        "features": digest_of(features),
        "inputs": inputs,
        "shards": {name: {**row, **found[name]} for name, row in shards.items()},
    }
    content["sha256"] = digest_of(content)
    (folder / SEAL).write_text(json.dumps(content, indent=1) + "\n")


def read_seal(folder: Path) -> dict[str, Any]:
    """Reads a seal that is whole.

    Raises:
        SealError: missing, not readable, or changed.
    """
    try:
        content = json.loads((folder / SEAL).read_text())
    except (OSError, ValueError) as error:
        raise SealError(f"{SEAL} cannot be read ({type(error).__name__})") from None
    if not isinstance(content, dict) or content.keys() != KEYS:
        raise SealError(f"{SEAL}: expected {', '.join(sorted(KEYS))}")
    stated = content["sha256"]
    if digest_of({k: v for k, v in content.items() if k != "sha256"}) != stated:
        raise SealError(f"{SEAL}: was changed after it was written")
    if (content["format"], content["version"]) != (FORMAT, VERSION):
        raise SealError(f"{SEAL}: {content['format']} {content['version']}; expected {FORMAT} 1")
    return content


def check_files(folder: Path, seal: Mapping[str, Any], *, split: str) -> None:
    """Refuses missing and surplus files of the folder, and changed shards of one split.

    Every byte of the split is read: a digest kept from an earlier time would not see a disk that
    forgets. Several threads share the work.

    Raises:
        SealError: naming the file.
    """
    shards = seal["shards"]
    present = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    for name in sorted((BESIDE | set(shards)) - present):
        raise SealError(f"{name}: missing")
    for name in sorted(present - BESIDE - set(shards)):
        raise SealError(f"{name}: does not belong to this dataset")
    mine = {name: row for name, row in shards.items() if row["split"] == split}
    for name, row in mine.items():
        size = (folder / name).stat().st_size
        if size != row["bytes"]:
            raise SealError(f"{name}: {size} bytes, expected {row['bytes']}")
    for name, found in _measured([folder / name for name in mine]).items():
        if found["sha256"] != mine[name]["sha256"]:
            others = [n for n, row in shards.items() if row["sha256"] == found["sha256"]]
            what = f"is {others[0]}'s content" if others else "was changed"
            raise SealError(f"{name}: {what}; sha256 {found['sha256'][:12]}… is not the sealed one")


def digest_of(content: Any) -> str:
    """Hex sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _measured(paths: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """File name to size and digest."""
    paths = list(paths)
    with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(_digest, paths))
    return {
        path.name: {"bytes": path.stat().st_size, "sha256": digest}
        for path, digest in zip(paths, digests, strict=True)
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
