"""Reads a pair of protocols that a user wrote, from a JSON or TOML file.

The file has two tables, ``routine`` and ``fast``. Each names every attribute of
:class:`qsr_jax.physics.mdme_protocol.Protocol` except ``name``, with ``played`` and ``angles`` as
tables of their own; nothing has a default and nothing else may stand there. :func:`as_document`
writes the built-in pairs in that form, to start from.
"""

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from qsr_jax.physics.mdme_protocol import Protocol, geometries
from qsr_jax.types import CORNER

SCANS = ("routine", "fast")
READERS = {".json": json.loads, ".toml": tomllib.loads}


def load_protocols(path: Path) -> tuple[Protocol, Protocol]:
    """The (routine, fast) pair of a file.

    Raises:
        ValueError: the file is not JSON or TOML, a key is missing, unknown or of the wrong kind, or
            the protocols cannot be scanned; the message names file, key and rule.
        OSError: the file cannot be read.
    """
    path = Path(path)
    if path.suffix not in READERS:
        raise ValueError(
            f"{path}: expected a .json or .toml file; got {path.suffix or 'no suffix'}"
        )
    try:
        document = READERS[path.suffix](path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    try:
        return protocols_from(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def protocols_from(document: Any) -> tuple[Protocol, Protocol]:
    """The (routine, fast) pair of a document that holds both; raises ValueError."""
    _check_keys(document, set(SCANS), "the file")
    routine, fast = (
        _table(Protocol, document[name], where=name, fixed={"name": name}) for name in SCANS
    )
    geometries(routine, fast, CORNER)  # refuses scans that do not belong together
    return routine, fast


def as_document(routine: Protocol, fast: Protocol) -> dict[str, dict[str, Any]]:
    """The pair as plain tables, ready for JSON or TOML."""
    pairs = zip(SCANS, (routine, fast), strict=True)
    document = {name: dataclasses.asdict(protocol) for name, protocol in pairs}
    for table in document.values():
        del table["name"]
    return document


def _table(kind: type, values: Any, *, where: str, fixed: Mapping[str, str]) -> Any:
    """A dataclass from a table with exactly its fields."""
    hints = typing.get_type_hints(kind)
    _check_keys(values, set(hints) - set(fixed), where)
    return kind(
        **fixed,
        **{key: _value(hints[key], value, f"{where}.{key}") for key, value in values.items()},
    )


def _check_keys(values: Any, expected: set[str], where: str) -> None:
    if not isinstance(values, dict):
        raise ValueError(
            f"{where} must be a table of {', '.join(sorted(expected))}; got {values!r}"
        )
    for what, keys in (
        ("unknown", values.keys() - expected),
        ("missing", expected - values.keys()),
    ):
        if keys:
            raise ValueError(f"{where}: {what} key {', '.join(sorted(keys))}")


def _value(kind: Any, value: Any, where: str) -> Any:
    """``value`` as its declared kind; a whole number may stand for a float, nothing else bends."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _table(kind, value, where=where, fixed={})
    if isinstance(kind, types.GenericAlias):
        inner = typing.get_args(kind)
        if isinstance(value, list | tuple):
            kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
            if len(kinds) == len(value):
                pairs = zip(kinds, value, strict=True)
                return tuple(_value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(pairs))
        raise ValueError(f"{where} must be a list of {kind}; got {value!r}")
    if kind is str and isinstance(value, str):
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if number and (kind is float or (kind is int and isinstance(value, int))):
        return kind(value)
    raise ValueError(f"{where} must be {kind.__name__}; got {value!r}")
