"""The seal of a checkpoint's step: size and SHA-256 of every file, written last.

Orbax renames a step into place when it is complete, but reads flipped bits back without a word.
What a seal is: :mod:`qsr_jax.files.seal`.
"""

from pathlib import Path

from qsr_jax.checkpoint.errors import DamageError
from qsr_jax.files import seal
from qsr_jax.files.seal import FileFacts, SealError

SEAL = "SEAL.json"


def write_seal(step_folder: Path) -> None:
    """Hashes every file of a complete step and writes its seal, in one rename.

    Raises:
        OSError: a file cannot be read or the seal not be written.
    """
    facts = seal.facts_of(step_folder, _names(step_folder))
    seal.write_seal(step_folder / SEAL, {"files": facts})


def is_sealed(step_folder: Path) -> bool:
    """Whether the step was finished; says nothing of damage."""
    return (step_folder / SEAL).is_file()


def check_seal(step_folder: Path) -> None:
    """Compares every byte of a sealed step with its seal.

    Raises:
        DamageError: a file is changed, cut, missing or extra, or the seal is; names the file.
    """
    try:
        rows = seal.read_seal(step_folder / SEAL, {"files"})["files"]
        sealed = {name: FileFacts(*row) for name, row in rows.items()}
        seal.check_names(sealed, _names(step_folder))
        seal.check_files(step_folder, sealed, list(sealed))
    except (OSError, AttributeError, TypeError) as error:
        raise DamageError(f"{step_folder / SEAL}: cannot be read ({error})") from error
    except SealError as error:
        raise DamageError(f"{step_folder}/{error}") from error  # names the file first


def sealed_steps(folder: Path) -> list[int]:
    """Finished steps under ``folder``, newest first."""
    if not folder.is_dir():
        return []
    steps = (path for path in folder.iterdir() if path.name.isdigit() and is_sealed(path))
    return sorted((int(path.name) for path in steps), reverse=True)


def _names(step_folder: Path) -> list[str]:
    """Relative path of every file but the seal and what a killed writing of it left."""
    files = (path for path in sorted(step_folder.rglob("*")) if path.is_file())
    return [
        str(path.relative_to(step_folder))
        for path in files
        if path.name != SEAL and not path.name.startswith(f".{SEAL}")
    ]
