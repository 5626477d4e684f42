"""Seals: what a checkpoint's files must be, byte for byte, written after everything else.

Orbax renames a step into place when it is complete, but reads flipped bits back without a word. A
step therefore gets a ``SEAL.json`` last: size and sha256 of every file. A step without one was
killed before it was finished; a step that differs from its seal is damaged.
"""

import hashlib
import json
from pathlib import Path

from qsr_jax.checkpoint.errors import DamageError

SEAL = "SEAL.json"


def write_seal(step_folder: Path) -> None:
    """Hashes every file of a complete step and writes its seal, in one rename.

    Raises:
        OSError: a file cannot be read or the seal not be written.
    """
    temporary = step_folder / f".{SEAL}"
    temporary.write_text(json.dumps({"files": _contents(step_folder)}, indent=1), encoding="utf-8")
    temporary.replace(step_folder / SEAL)


def is_sealed(step_folder: Path) -> bool:
    """Whether the step was finished; says nothing of damage."""
    return (step_folder / SEAL).is_file()


def check_seal(step_folder: Path) -> None:
    """Compares every byte of a sealed step with its seal.

    Raises:
        DamageError: a file is changed, cut, missing or extra, or the seal is; names the file.
    """
    path = step_folder / SEAL
    try:
        expected = dict(json.loads(path.read_text(encoding="utf-8"))["files"])
        found = _contents(step_folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamageError(f"{path}: cannot be read ({error})") from error
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise DamageError(f"{step_folder / name}: is missing")
        if name not in expected:
            raise DamageError(f"{step_folder / name}: does not belong to the checkpoint")
        if found[name] != expected[name]:
            raise DamageError(f"{step_folder / name}: differs from what was saved (sha256)")


def sealed_steps(folder: Path) -> list[int]:
    """Finished steps under ``folder``, newest first."""
    if not folder.is_dir():
        return []
    steps = (path for path in folder.iterdir() if path.name.isdigit() and is_sealed(path))
    return sorted((int(path.name) for path in steps), reverse=True)


def _contents(step_folder: Path) -> dict[str, list]:
    """Relative path to [bytes, sha256] of every file but the seal."""
    seals = {SEAL, f".{SEAL}"}
    files = (p for p in sorted(step_folder.rglob("*")) if p.is_file() and p.name not in seals)
    return {str(p.relative_to(step_folder)): [p.stat().st_size, _sha256(p)] for p in files}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
