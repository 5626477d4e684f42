"""Super-resolves DICOM map series with trained models: DICOM in, DICOM out, physical units kept.

With one model of one map the output folder becomes one series. With several models, or one that
makes several maps at once, the input is a folder that holds the fast series of one subject, and the
output gets one folder per map. --parametric-map writes Parametric Maps (float) instead of classic
series; --nifti writes one BIDS derivative data set, T1 and T2 in seconds. --ensemble takes all
workdirs of the same maps for one model: their mean, and with --std how far they lie apart.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from qsr_jax.checkpoint import BEST, LATEST
from qsr_jax.cli import program
from qsr_jax.predictors.dicom_series import DICOM, NIFTI, PARAMETRIC_MAP, predict
from qsr_jax.predictors.load import load_predictors
from qsr_jax.training.compile_cache import use_compile_cache
from qsr_jax.training.options import AUTO


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.predict --help``."""
    arguments = _parser().parse_args(argv)
    try:
        use_compile_cache(arguments.compile_cache, arguments.workdir[0])
        models = load_predictors(
            arguments.workdir, which=arguments.checkpoint, ensemble=arguments.ensemble
        )
        for path in predict(
            models,
            arguments.input,
            arguments.output,
            format=PARAMETRIC_MAP if arguments.parametric_map
            else DICOM if arguments.nifti is None else NIFTI,
            subject=arguments.nifti,
            std=arguments.std,
        ):  # fmt: skip
            print(f"wrote {path}")
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.predict"), description=__doc__)
    parser.add_argument(
        "--workdir",
        type=Path,
        action="append",
        required=True,
        help="folder of a trained model; repeat it for several maps",
    )
    parser.add_argument(
        "--input",
        type=Path,
        required=True,
        help="folder of one DICOM map series, or a folder above the series of one subject",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="folder to make; must not exist yet"
    )
    parser.add_argument(
        "--checkpoint",
        choices=(LATEST, BEST),
        default=LATEST,
        help="the last one saved, or the one that did best on validation subjects "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="workdirs of the same maps are trainings of one model: write their mean",
    )
    _add_output_kinds(parser)
    parser.add_argument(
        "--compile-cache",
        metavar="DIR",
        default=AUTO,
        help="where compiled programs are kept: a folder, 'none', or 'auto': compiled/ in the "
        "first --workdir on a GPU, nowhere on a CPU (default: %(default)s)",
    )
    return parser


def _add_output_kinds(parser: argparse.ArgumentParser) -> None:
    """What is written, and as what."""
    parser.add_argument(
        "--std",
        action="store_true",
        help="write the standard deviation of every map too; single trainings know none",
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--parametric-map", action="store_true", help="write Parametric Maps; needs highdicom"
    )
    kinds.add_argument(
        "--nifti",
        metavar="SUBJECT",
        help="write a BIDS derivative data set with this label for the subject (never a name)",
    )


if __name__ == "__main__":
    main()
