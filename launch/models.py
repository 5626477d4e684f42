"""Lists the models that ship with the package; with a name, shows its card.

Give the name where a model is wanted: qsr predict --model NAME. The sha256 of every file is
compared with its contents on the way.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from qsr_jax.checkpoint import read_model_file
from qsr_jax.cli import program
from qsr_jax.files.digest import file_sha256
from qsr_jax.formats.numbers import joined
from qsr_jax.maps import spec_of
from qsr_jax.predictors.opened import DENOISING
from qsr_jax.pretrained import find_model, shipped_models
from qsr_jax.pretrained.card import NOT_STATED, SUMMARY, grid_of, sections_of

NONE = "no models ship with this copy; make a model file with `qsr export`"


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.models --help``."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.model is not None:
            print(_card(find_model(arguments.model)) or NOT_STATED)
            return
        told = [_told(name, path) for name, path in shipped_models().items()]
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print("\n".join(told) or NONE)


def _told(name: str, path: Path) -> str:
    """One model in a few lines."""
    document = read_model_file(path).document
    made = joined([spec_of(one).label for one in document["maps"]])
    takes = document["task"]["name"].replace("_", " ")
    labels = f"denoiser of {takes}" if document["objective"] == DENOISING else made
    summary = sections_of(_card(path)).get(SUMMARY, "").partition("\n")[0] or NOT_STATED
    return "\n".join(
        [
            f"{name}: {labels}, {grid_of(document)}; target {document['task']['target']}",
            f"  {summary}",
            f"  {path.stat().st_size / 1e6:.2f} MB, sha256 {file_sha256(path)}",
        ]
    )


def _card(path: Path) -> str:
    """The card beside a model file; nothing where there is none."""
    card = path.with_suffix(".md")
    return card.read_text(encoding="utf-8") if card.is_file() else ""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.models"), description=__doc__)
    parser.add_argument("model", metavar="NAME", nargs="?", help="whose card to show")
    return parser


if __name__ == "__main__":
    main()
