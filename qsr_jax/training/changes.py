"""What changed between two starts of one run: refused, unless a person says it may.

``--allow-changed KEY`` names a key of the config, ``data`` or ``version``. What was allowed is
written into ``changes.jsonl`` of the workdir, with both values and the step from which it holds.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from qsr_jax.checkpoint import CheckpointError
from qsr_jax.files.atomic import append_line
from qsr_jax.training.experiment import Experiment
from qsr_jax.training.options import OptionError, Options

DATA, VERSION = "data", "version"
BY_CONTENT = ("start.model",)
"""Keys that are paths: what lies there is compared (:func:`check_document`), not where."""
NEVER = {"map": "the weights of one map mean nothing for another"}
CHANGES = "changes.jsonl"

Changes = dict[str, tuple[Any, Any]]
"""Key to its value then and now."""


class Claim(NamedTuple):
    """A workdir that belongs to an experiment.

    Attributes:
        workdir: the folder.
        experiment: the one that claims it.
        allowed: what may differ from when its run began.
        changes: what of the config does.
    """

    workdir: Path
    experiment: Experiment
    allowed: Collection[str]
    changes: Changes


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """Every key whose value differs.

    A key that a run lacks because it is older than the key had what is the default now.
    """
    keys = sorted(then.keys() | now.keys())
    pairs = {k: (then.get(k, default_of(k)), now.get(k)) for k in keys}
    return {k: (old, new) for k, (old, new) in pairs.items() if old != new and k not in BY_CONTENT}


def default_of(key: str) -> Any:
    """The default of a key of the option classes, as JSON has it; None for others."""
    section, _, name = key.partition(".")
    for kind in Options.__subclasses__():
        for field in dataclasses.fields(kind):
            if (kind.SECTION, field.name) == (section, name):
                default = None if field.default is dataclasses.MISSING else field.default
                return list(default) if isinstance(default, tuple) else default
    return None


def check_keys(allowed: Collection[str], known: Collection[str]) -> None:
    """Refuses names that nothing has.

    Raises:
        OptionError: a name that is neither a key of the config nor ``data`` nor ``version``.
    """
    for key in allowed:
        if key in NEVER:
            raise OptionError(f"--allow-changed {key}: never, {NEVER[key]}; use another --workdir")
        if key not in {*known, DATA, VERSION}:
            raise OptionError(
                f"--allow-changed {key}: the config has no such key; expected one of its keys, "
                f"{DATA} or {VERSION}"
            )


def check_config(workdir: Path, changes: Changes, allowed: Collection[str]) -> None:
    """Refuses another config in the workdir of a run that has begun.

    Raises:
        OptionError: naming a key that changed and is not allowed to, and both values.
    """
    refused = [key for key in changes if key not in allowed]
    if not refused:
        return
    (key, *others), (then, now) = refused, changes[refused[0]]
    more = f" (and {', '.join(others)} differ)" if others else ""
    way = "" if key in NEVER else f", or --allow-changed {key}"
    raise OptionError(
        f"{workdir} belongs to a run with {key} = {then!r}, this config says {now!r}{more}; use "
        f"another --workdir or the same config{way}"
    )


def check_document(
    found: Mapping[str, Any], mine: Mapping[str, Any], allowed: Collection[str]
) -> Changes:
    """Refuses a checkpoint of other data or of another version of this program.

    Args:
        found: the checkpoint's document.
        mine: the document of the run that starts now.
        allowed: what may differ.

    Returns:
        What differs and may.

    Raises:
        CheckpointError: naming what differs and both values.
    """
    began = [document.get("start", {}).get("sha256", "none") for document in (found, mine)]
    if began[0] != began[1]:
        raise CheckpointError(
            f"the checkpoint began from weights {began[0][:12]}…, start.model holds "
            f"{began[1][:12]}…; use another --workdir or the same model"
        )
    data = found["data_fingerprint"], mine["data_fingerprint"]
    if data[0] != data[1] and DATA not in allowed:
        raise CheckpointError(
            f"the checkpoint was trained on data {data[0][:12]}…, --data_dir holds "
            f"{data[1][:12]}…; use another --workdir, or --allow-changed {DATA}"
        )
    version = found["environment"]["qsr_jax"], mine["environment"]["qsr_jax"]
    if version[0] != version[1] and VERSION not in allowed:
        raise CheckpointError(
            f"the checkpoint was written by qsr_jax {version[0]}, this is {version[1]}, which may "
            f"train otherwise; use the same version, or --allow-changed {VERSION}"
        )
    pairs = {DATA: data, VERSION: version}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def record(workdir: Path, changes: Changes, *, step: int) -> None:
    """Adds what was allowed to change to the workdir's record."""
    for key, (then, now) in changes.items():
        line = {"after_step": step, "key": key, "then": then, "now": now}
        append_line(workdir / CHANGES, json.dumps(line))
