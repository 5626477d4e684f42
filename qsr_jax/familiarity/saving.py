"""Known scans as arrays and plain values, for files of models, and as a file of a workdir."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from qsr_jax.familiarity.known import KnownScans
from qsr_jax.files.atomic import write_bytes_atomically

ARRAYS = ("features", "scales", "picture", "cells")
FILE, KEY, VERSION = "familiarity.safetensors", "qsr_jax-familiarity", 1


class FamiliarityError(ValueError):
    """Stored known scans that cannot be read."""


def to_tensors(known: KnownScans) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays by name, and what JSON can hold; :func:`from_tensors` reads them."""
    arrays = {name: np.ascontiguousarray(getattr(known, name)) for name in ARRAYS}
    values = {
        "names": list(known.names),
        "kinds": [list(kind) for kind in known.kinds],
        "width": known.width,
        "usual": dict(known.usual),
        "limits": dict(known.limits),
        "subjects": known.subjects,
    }
    return arrays, values


def from_tensors(arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> KnownScans:
    """The inverse of :func:`to_tensors`.

    Raises:
        FamiliarityError: something is missing, or the arrays contradict the values.
    """
    try:
        known = KnownScans(
            names=tuple(values["names"]),
            kinds=tuple((str(kind), int(count)) for kind, count in values["kinds"]),
            width=float(values["width"]),
            usual={str(k): float(v) for k, v in values["usual"].items()},
            limits={str(k): float(v) for k, v in values["limits"].items()},
            subjects=int(values["subjects"]),
            **{name: np.asarray(arrays[name]) for name in ARRAYS},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FamiliarityError(
            f"known scans are damaged ({type(error).__name__}: {error}); run the same training "
            "again, which makes them anew"
        ) from None
    wide, maps = sum(count for _, count in known.kinds), len(known.names)
    shapes = known.features.shape[1:], known.scales.shape, known.cells.shape[1:]
    expected = (wide,), (wide,), (2 * maps + 1,)
    if (
        shapes != expected
        or len(known.picture) != maps + 1
        or known.usual.keys() != known.limits.keys()
    ):
        raise FamiliarityError(
            f"known scans are damaged: shapes {shapes}, expected {expected}; run the same training "
            "again, which makes them anew"
        )
    return known


def write_known(workdir: Path, known: KnownScans, *, fingerprint: str) -> None:
    """Writes the known scans of a workdir.

    Args:
        workdir: of a training.
        known: its scans.
        fingerprint: of the data they are of.

    Raises:
        WriteError: the system refused the write.
    """
    arrays, values = to_tensors(known)
    content = {"version": VERSION, "fingerprint": fingerprint, "known": values}
    whole = safetensors.numpy.save(arrays, {KEY: json.dumps(content, sort_keys=True)})
    write_bytes_atomically(workdir / FILE, whole)


def read_known(workdir: Path) -> tuple[KnownScans | None, str]:
    """The known scans of a workdir and the fingerprint of their data; None and "" without a file.

    Raises:
        FamiliarityError: the file is damaged.
    """
    path = workdir / FILE
    if not path.is_file():
        return None, ""
    try:
        with safetensors.safe_open(path, framework="np") as file:
            content = json.loads(file.metadata()[KEY])
            arrays = {name: file.get_tensor(name) for name in ARRAYS}
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}")
        return from_tensors(arrays, content["known"]), str(content["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise FamiliarityError(
            f"{path}: cannot be read ({type(error).__name__}); remove it and run the same training "
            "again, which makes it anew"
        ) from None
