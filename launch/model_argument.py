"""The flag that says which trained models a door takes; the same at every door."""

import argparse
from pathlib import Path


def add_model_argument(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup, *, required: bool
) -> None:
    """Declares ``--model``, and ``--workdir``, which means the same.

    Args:
        parser: of the door, or a group of it.
        required: whether one must be given.
    """
    parser.add_argument(
        "--model",
        "--workdir",
        dest="model",
        metavar="MODEL",
        type=Path,
        action="append",
        required=required,
        default=None if required else [],
        help="name of a model that ships (qsr models lists them), a model file, or the workdir of "
        "a training; repeat it for several maps. --workdir says the same",
    )
