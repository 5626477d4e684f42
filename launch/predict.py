"""Super-resolves map series with trained models: DICOM in, DICOM out, physical units kept.

--model names a model that ships with the package (qsr models), a model file, or the workdir of a
training. --input takes one scan: with one model of one map the output folder becomes one series.
With several models, or one that makes several maps at once, the input is a folder that holds the
fast series of one subject, and the output gets one folder per map. --cohort, --bids and --manifest
take everybody; the output gets one folder per scan, and the same command goes on where it was
killed. --parametric-map writes Parametric Maps (float) instead of classic series; --nifti writes
one BIDS derivative data set, T1 and T2 in seconds, as --bids always does. --ensemble takes all
models of the same maps for one: their mean, and how far they lie apart. A model that tells its
standard deviation has it written beside the map, as t1_std; --no-std leaves it out. Exit status 3
when a scan of a cohort was refused.

A model of weighted images (docs/weighted.md) takes a folder of DICOM series with T1w, T2w and
FLAIR, whose TR, TE and TI it reads, or three NIfTI files (--t1w, --t2w, --flair) with --tr, --te
and --ti, and --nifti for what is written.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from launch.model_argument import add_model_argument
from launch.weighted_arguments import add_weighted_arguments, given_flags, predict_weighted
from qsr_jax.checkpoint import BEST, LATEST
from qsr_jax.cli import program
from qsr_jax.data.studies.manifest import BIDS, SPLITS
from qsr_jax.data.studies.manifest import DICOM as DICOM_TREE
from qsr_jax.data.studies.pair_folder import added_rows
from qsr_jax.files.journal import parse_shard
from qsr_jax.ops.devices import start_cpu_devices
from qsr_jax.predictors.batched import BATCH, FLOAT32, PRECISIONS
from qsr_jax.predictors.cohort import Models, Outcome, predict_cohort
from qsr_jax.predictors.dicom_series import DICOM, NIFTI, PARAMETRIC_MAP, predict
from qsr_jax.predictors.load import load_predictors
from qsr_jax.predictors.opened import takes_weighted
from qsr_jax.predictors.scans import Scan, scans_below, scans_listed
from qsr_jax.training.compile_cache import use_compile_cache
from qsr_jax.training.options import AUTO

SOMETHING_REFUSED = 3


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.predict --help``."""
    arguments = _parser().parse_args(argv)
    start_cpu_devices(BATCH)  # before the cache asks what there is
    try:
        use_compile_cache(arguments.compile_cache, _first_workdir(arguments.model))
        refused = _refused(arguments)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    if refused:
        raise SystemExit(SOMETHING_REFUSED)


def _refused(arguments: argparse.Namespace) -> bool:
    """Predicts what was asked for; whether something was refused."""
    if arguments.t1w or (arguments.input and _takes_weighted(arguments)):
        for path in predict_weighted(arguments, format=_format(arguments)):
            print(f"wrote {path}")
        return False
    if stray := given_flags(arguments):
        raise ValueError(
            f"{', '.join(stray)}: of a study of weighted images, which is given by --t1w, or by "
            "--input with a model of such images; leave it out"
        )
    return _one(arguments) if arguments.input else _cohort(arguments)


def _takes_weighted(arguments: argparse.Namespace) -> bool:
    """Whether the first model takes weighted images, in the checkpoint that is asked for."""
    return takes_weighted(arguments.model[0], which=arguments.checkpoint)


def _first_workdir(models: Sequence[Path]) -> Path | None:
    """The first model that is a folder; nothing is written beside a model file."""
    return next((path for path in models if path.is_dir()), None)


def _one(arguments: argparse.Namespace) -> bool:
    """One scan; whatever is wrong with it is an error."""
    if arguments.workers > 1 or arguments.shard or arguments.split:
        raise ValueError(
            "--workers, --shard and --split belong to --cohort, --bids or --manifest; --input is "
            "one scan"
        )
    models = load_predictors(
        arguments.model,
        which=arguments.checkpoint,
        ensemble=arguments.ensemble,
        precision=arguments.precision,
    )
    for path in predict(
        models,
        arguments.input,
        arguments.output,
        format=_format(arguments),
        subject=arguments.nifti,
        std=arguments.std,
        protocols=() if arguments.protocols is None else added_rows(arguments.protocols),
        refuse_unfamiliar=arguments.refuse_unfamiliar,
    ):
        print(f"wrote {path}")
    return False


def _cohort(arguments: argparse.Namespace) -> bool:
    """Everybody; whether somebody was refused."""
    if arguments.nifti:
        raise ValueError(f"--nifti {arguments.nifti}: subjects of a cohort have their own labels")
    scans, refused = _scans(arguments)
    models = Models(
        tuple(arguments.model), arguments.checkpoint, arguments.ensemble, arguments.precision
    )
    outcome = predict_cohort(
        models,
        scans,
        arguments.output,
        format=_format(arguments),
        std=arguments.std,
        refuse_unfamiliar=arguments.refuse_unfamiliar,
        workers=arguments.workers,
        shard=None if arguments.shard is None else parse_shard(arguments.shard),
    )
    _report(outcome, refused, arguments.output)
    return bool(outcome.refused or refused)


def _scans(arguments: argparse.Namespace) -> tuple[list[Scan], list[str]]:
    """The scans of the cohort, and what of the tree belongs to nobody."""
    if arguments.manifest is not None:
        if arguments.protocols is not None:
            raise ValueError("--protocols: the manifest keeps its own rows; leave it out")
        return scans_listed(arguments.manifest, split=arguments.split), []
    if arguments.split is not None:
        raise ValueError(f"--split {arguments.split}: only a --manifest has splits")
    rows = () if arguments.protocols is None else added_rows(arguments.protocols)
    kind = DICOM_TREE if arguments.bids is None else BIDS
    root: Path = arguments.cohort if arguments.bids is None else arguments.bids
    return scans_below(root.resolve(), kind=kind, rows=rows)


def _report(outcome: Outcome, refused: Sequence[str], output: Path) -> None:
    for text in (*refused, *outcome.refused):
        print(f"refused  {text}")
    for text in outcome.unfamiliar:
        print(f"unfamiliar  {text}")
    count = len(refused) + len(outcome.refused)
    print(
        f"{output}: {len(outcome.written)} scans predicted, {len(outcome.kept)} were there before, "
        f"{count} refused"
        + (f", {len(outcome.unfamiliar)} unfamiliar" if outcome.unfamiliar else "")
    )


def _format(arguments: argparse.Namespace) -> str:
    if arguments.parametric_map:
        return PARAMETRIC_MAP
    return DICOM if arguments.nifti is None and arguments.bids is None else NIFTI


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.predict"), description=__doc__)
    add_model_argument(parser, required=True)
    _add_inputs(parser)
    parser.add_argument(
        "--output", type=Path, required=True, help="folder to make; must not exist yet"
    )
    parser.add_argument(
        "--checkpoint",
        choices=(LATEST, BEST),
        default=LATEST,
        help="of a workdir the last one saved, or the one that did best on validation subjects; a "
        "model file holds one (default: %(default)s)",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="models of the same maps are trainings of one model: write their mean",
    )
    _add_output_kinds(parser)
    _add_cohort(parser)
    add_weighted_arguments(parser.add_argument_group("weighted images"))
    parser.add_argument(
        "--refuse-unfamiliar",
        action="store_true",
        help="refuse a scan unlike those the model learned from; without it, it is predicted and "
        "the maps say so",
    )
    _add_computing(parser)
    return parser


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    """What is read."""
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs.add_argument(
        "--input",
        type=Path,
        metavar="DIR",
        help="folder of one DICOM map series, or a folder above the series of one subject",
    )
    inputs.add_argument(
        "--cohort", type=Path, metavar="DIR", help="tree of DICOM files of many subjects"
    )
    inputs.add_argument("--bids", type=Path, metavar="DIR", help="BIDS data set, ..._acq-fast_...")
    inputs.add_argument(
        "--t1w", type=Path, metavar="FILE", help="NIfTI of a study of weighted images; below"
    )
    inputs.add_argument(
        "--manifest", type=Path, metavar="FILE", help="the fast scans of a manifest of qsr pair"
    )
    parser.add_argument(
        "--protocols",
        type=Path,
        metavar="FILE",
        help="TOML or JSON with rows that recognise other scanners' maps",
    )


def _add_output_kinds(parser: argparse.ArgumentParser) -> None:
    """What is written, and as what."""
    parser.add_argument(
        "--std",
        action=argparse.BooleanOptionalAction,
        help="write the standard deviation of every map too (default: where the model tells one)",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--parametric-map", action="store_true", help="write Parametric Maps; needs highdicom"
    )
    kinds.add_argument(
        "--nifti",
        metavar="SUBJECT",
        nargs="?",
        const="",
        help="write a BIDS derivative data set; with --input or --t1w under this label for the "
        "subject (never a name)",
    )


def _add_computing(parser: argparse.ArgumentParser) -> None:
    """What is computed with."""
    parser.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        default=FLOAT32,
        help="of products: tf32 is faster on NVIDIA GPUs that have it and rougher (docs/speed.md); "
        "elsewhere both are float32; the maps say which was asked for (default: %(default)s)",
    )
    parser.add_argument(
        "--compile-cache",
        metavar="DIR",
        default=AUTO,
        help="where compiled programs are kept: a folder, 'none', or 'auto': compiled/ in the "
        "first workdir among the models on a GPU, nowhere on a CPU or without a workdir "
        "(default: %(default)s)",
    )


def _add_cohort(parser: argparse.ArgumentParser) -> None:
    """Who does what of a cohort."""
    parser.add_argument("--split", choices=SPLITS, help="of the manifest; everybody without it")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes for a cohort (default: %(default)s)"
    )
    parser.add_argument("--shard", metavar="I/N", help="do the I-th of N parts of a cohort")


if __name__ == "__main__":
    main()
