"""The flags of a study of T1w, T2w and FLAIR, and what a door does with them."""

import argparse
from pathlib import Path

import numpy as np

from qsr_jax.acquisition import CONTRASTS
from qsr_jax.data.nifti.stack import read_stack
from qsr_jax.data.studies.weighted_study import (
    GRID,
    METHODS,
    WeightedStudy,
    parse_times,
    read_dicom_study,
    read_itk_affine,
    read_nifti_study,
)
from qsr_jax.predictors.batched import FLOAT32
from qsr_jax.predictors.weighted_network import load_weighted
from qsr_jax.predictors.weighted_study import predict_study
from qsr_jax.tasks.weighted_gains import FITTED, GAINS

THREE_UNKNOWN, ONE_UNKNOWN = "?,?,?", "?"
_OF_FILES = ("--t2w", "--flair", "--t1w-affine", "--t2w-affine", "--flair-affine")


def add_weighted_arguments(group: argparse._ArgumentGroup) -> None:
    """Declares them; ``--t1w`` stands among the inputs."""
    add = group.add_argument
    add("--t2w", type=Path, metavar="FILE", help="NIfTI beside --t1w")
    add("--flair", type=Path, metavar="FILE", help="likewise")
    add("--tr", metavar="T1W,T2W,FLAIR", help="TR of the files, ms; ? where nobody knows")
    add("--te", metavar="T1W,T2W,FLAIR", help="TE of the files, likewise")
    add("--ti", metavar="FLAIR", help="TI of the FLAIR file, likewise")
    add("--grid", choices=CONTRASTS, default=GRID, help="whose grid (default: %(default)s)")
    add("--register", choices=METHODS, default=METHODS[0], help="look for movement between them")
    for name in ("t1w", "t2w", "flair"):
        add(
            f"--{name}-affine",
            type=Path,
            metavar="FILE",
            help=f"ITK affine from points of the grid's scan to points of {name}",
        )
    add(
        "--gains",
        choices=GAINS,
        default=FITTED,
        help="the three images share one intensity scale; or each has its own, which is found in "
        "the images, or left open (default: %(default)s)",
    )
    add("--brain", type=Path, metavar="FILE", help="NIfTI mask on the grid; found without it")


def predict_weighted(arguments: argparse.Namespace, *, format: str) -> list[Path]:
    """Predicts one study.

    Raises:
        ValueError: flags that do not fit together, or whatever is wrong with the study.
        OSError: a file cannot be read or written.
    """
    foreign = [f"--{name}" for name in ("ensemble", "shard", "split", "protocols")
               if getattr(arguments, name)]  # fmt: skip
    foreign += ["--workers"] if arguments.workers > 1 else []
    foreign += ["--precision"] if arguments.precision != FLOAT32 else []
    if len(arguments.model) != 1 or foreign:
        told = [*foreign, f"{len(arguments.model)} models"]
        raise ValueError(
            f"{', '.join(told)}; weighted images take one model that makes all maps, and one study"
        )
    study = study_of(arguments)  # first: it is wrong more often than the model, and quickly read
    model = load_weighted(arguments.model[0], which=arguments.checkpoint)
    return predict_study(
        model,
        study,
        arguments.output,
        format=format,
        subject=arguments.nifti,
        std=arguments.std,
        gains=arguments.gains,
        brain=None if arguments.brain is None else brain_of(arguments.brain, study),
        refuse_unfamiliar=arguments.refuse_unfamiliar,
    )


def given_flags(arguments: argparse.Namespace) -> list[str]:
    """Those of :func:`add_weighted_arguments` that differ from what they are without being given.

    A model of maps would not look at them.
    """
    parser = argparse.ArgumentParser(add_help=False)
    add_weighted_arguments(parser.add_argument_group())
    usual = vars(parser.parse_args([]))
    changed = [name for name, value in usual.items() if getattr(arguments, name) != value]
    return [f"--{name.replace('_', '-')}" for name in changed]


def study_of(arguments: argparse.Namespace) -> WeightedStudy:
    """The study that the flags name.

    Raises:
        ValueError: flags that do not fit together, or whatever is wrong with the study.
    """
    times = (arguments.tr, arguments.te, arguments.ti)
    if arguments.input:
        if any(times):
            raise ValueError("--tr, --te, --ti: DICOM series tell their times; leave them out")
        if stray := [flag for flag in given_flags(arguments) if flag in _OF_FILES]:
            raise ValueError(f"{', '.join(stray)}: belongs to --t1w, not to --input; leave it out")
        return read_dicom_study(arguments.input, grid=arguments.grid, register=arguments.register)
    if arguments.t2w is None or arguments.flair is None or not all(times):
        raise ValueError(
            "--t1w alone; expected --t2w and --flair too, and --tr A,B,C --te A,B,C --ti A in ms "
            f"({THREE_UNKNOWN} and {ONE_UNKNOWN} where nobody knows)"
        )
    affines = {name: getattr(arguments, f"{name}_affine") for name in CONTRASTS}
    return read_nifti_study(
        {name: getattr(arguments, name) for name in CONTRASTS},
        acquisition_ms=parse_times(*times),
        grid=arguments.grid,
        transforms={n: read_itk_affine(path) for n, path in affines.items() if path is not None},
        register=arguments.register,
    )


def brain_of(path: Path, study: WeightedStudy) -> np.ndarray:
    """A mask from a file on the study's grid.

    Raises:
        ValueError: it has another shape.
    """
    values, geometry = read_stack(path)
    if values.shape != study.geometry.shape:
        raise ValueError(
            f"--brain {path}: {values.shape}, the study's grid is {study.geometry.shape}; draw it "
            f"on the {study.grid} image"
        )
    del geometry
    return values > 0
