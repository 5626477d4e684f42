"""Models that ship with the package, by name; and what a user may give where a model is wanted.

``NAME.safetensors`` in this folder is a model (:mod:`qsr_jax.checkpoint.model_file`) and
``NAME.md`` its card (:mod:`qsr_jax.pretrained.card`). Whatever takes a model takes the name of one
of these, any other model file, or the workdir of a training: :func:`find_model`.
"""

import difflib
from pathlib import Path

from qsr_jax.checkpoint import BEST, LATEST, CheckpointError
from qsr_jax.checkpoint.model_file import SUFFIX

FOLDER = Path(__file__).parent
LARGEST_BYTES = 5_000_000
"""Of a file that ships: everybody who installs the package carries it."""


def shipped_models() -> dict[str, Path]:
    """Name to file of every model that ships, in the order of their names."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def shipped_name(path: Path) -> str | None:
    """The name of a file that ships, or None."""
    return path.stem if path in shipped_models().values() else None


def find_model(model: str | Path) -> Path:
    """The file or workdir that a user means by ``model``.

    Args:
        model: name of a shipped model, a model file, or the workdir of a training.

    Raises:
        CheckpointError: there is none; or a workdir here is called as a shipped model, so that
            nobody can tell which is meant.
    """
    shipped, path = shipped_models(), Path(model)
    mine = shipped.get(str(model))
    if mine is None and path.exists():
        return path
    if mine is None:
        raise CheckpointError(_unknown(str(model), list(shipped)))
    if any((path / kind).is_dir() for kind in (LATEST, BEST)):
        raise CheckpointError(
            f"{model}: the name of a model that ships, and of a workdir here; give the whole path, "
            f"{path.absolute()} or {mine}"
        )
    return mine


def _unknown(model: str, names: list[str]) -> str:
    near = difflib.get_close_matches(model, names, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    listed = f"the name of one that ships ({', '.join(names)})" if names else "a name; none ships"
    return (
        f"{model}: no such model; expected the workdir of a training, a model file ({SUFFIX}), or "
        f"{listed}.{hint}"
    )
