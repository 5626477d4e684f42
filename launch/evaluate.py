"""Measures trained models against routine scans and writes the report: the paper's tables and ours.

Interpolations of the fast scan are measured beside them. Give one --model per map, or one of
several maps; maps without a model are left out of the report. Several trainings (folds, seeds) of
one question become one report with their spread: give one --run for each.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from launch.model_argument import add_model_argument
from qsr_jax.checkpoint import BEST, LATEST
from qsr_jax.cli import program
from qsr_jax.data.studies.manifest import SPLITS
from qsr_jax.data.studies.registration import KNOWN
from qsr_jax.evaluation.evaluate import evaluate
from qsr_jax.evaluation.label_plan import GEOMETRY, REGIONS, LabelOptions
from qsr_jax.evaluation.values import BICUBIC
from qsr_jax.evaluation.views import REGISTER
from qsr_jax.predictors.baselines import BASELINES


def main(argv: Sequence[str] | None = None) -> None:
    """The door: ``python -m launch.evaluate --help``."""
    arguments = _parser().parse_args(argv)
    labels = LabelOptions(
        regions=arguments.regions,
        atlas=arguments.atlas,
        rois=arguments.rois,
        erode_pixels=arguments.erode_pixels,
    )
    try:
        found = evaluate(
            _runs(arguments),
            out=arguments.out,
            split=arguments.split,
            trained_on=arguments.trained_on,
            checkpoint=arguments.checkpoint,
            baselines=[*filter(None, map(str.strip, arguments.baselines.split(",")))],
            niqe_model=arguments.niqe,
            labels=labels,
            register=arguments.register,
            cache=arguments.cache,
            workers=arguments.workers,
        )
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    print(found)
    print(f"report: {found.page}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("launch.evaluate"), description=__doc__)
    _add_trainings(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the report; an older report is replaced"
    )
    parser.add_argument(
        "--split", choices=SPLITS, default="test", help="whom to measure (default: %(default)s)"
    )
    parser.add_argument(
        "--baselines",
        default=",".join(BASELINES),
        metavar="NAMES",
        help=f"what to measure beside the models, of {', '.join(BASELINES)}; {BICUBIC} is always "
        "there (default: all)",
    )
    parser.add_argument(
        "--niqe",
        type=Path,
        metavar="FILE",
        help="model of natural images (.mat or .npz) for the paper's NIQE; without it a model "
        "fitted on routine maps of training subjects is used",
    )
    _add_labels(parser)
    _add_running(parser)
    return parser


def _add_running(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--register",
        choices=REGISTER,
        default=KNOWN,
        help="what is done where a head moved between its scans: known brings together simulated "
        "scans by the poses the simulator wrote down and takes scanned subjects as they lie; rigid "
        'finds the pose of everybody in T1 (pip install "qsr_jax[register]"); none takes all as '
        "they lie (default: %(default)s)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder that keeps finished subjects for the next time (default: none)",
    )
    parser.add_argument(
        "--workers",
        type=_positive,
        default=min(2, os.cpu_count() or 1),
        metavar="N",
        help="subjects measured at a time, about 2 GB each (default: %(default)s)",
    )


def _add_labels(parser: argparse.ArgumentParser) -> None:
    """What lies where."""
    labels = parser.add_argument_group("tissues, regions and lesions")
    labels.add_argument(
        "--regions",
        choices=REGIONS,
        help="where the labels of the tables come from (default: the truth of simulated subjects; "
        "the atlas for subjects without truth if --atlas is given)",
    )
    labels.add_argument(
        "--atlas",
        metavar="FILE",
        help="TOML page that names the atlas files aal, aal_names, jhu, jhu_names and, if not "
        f"nilearn's MNI152, csf, grey, white; or {GEOMETRY!r} for ellipsoids that need no files. "
        "On simulated subjects what is found so is compared with the truth. Takes about half a "
        'minute of CPU time per subject and pip install "qsr_jax[atlas]" (default: none)',
    )
    labels.add_argument(
        "--rois",
        type=Path,
        metavar="DIR",
        help="folder of lesions drawn on the routine scans: SUBJECT.nii.gz or SUBJECT.dcm "
        "(DICOM-SEG), SUBJECT being a pseudonym or the name of the subject's folder (default: the "
        "lesions of the truth)",
    )
    labels.add_argument(
        "--erode-pixels",
        type=_from_zero,
        default=0,
        metavar="N",
        help="leave out voxels this near to the border of their tissue or region: they may hold "
        "another one, too (default: %(default)s)",
    )


def _add_trainings(parser: argparse.ArgumentParser) -> None:
    """One training, or several."""
    parser.add_argument(
        "--checkpoint",
        choices=(LATEST, BEST),
        default=LATEST,
        help="of each workdir the last one saved, or the one that did best on validation subjects; "
        "a model file holds one (default: %(default)s)",
    )
    one = parser.add_argument_group("one training")
    one.add_argument("--manifest", type=Path, help="made by data_tools.pair_studies")
    add_model_argument(one, required=False)
    one.add_argument(
        "--trained-on",
        type=Path,
        metavar="MANIFEST",
        help="the manifest the models were trained with, if --manifest holds new subjects and the "
        "models are of a version that did not write down whom they learned from; nobody of those "
        "may be among them, in another session either",
    )
    several = parser.add_argument_group("several trainings")
    several.add_argument(
        "--run",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        metavar="PATH",
        help="a manifest and models, or a folder with manifest.json and "
        "workdirs; repeat it for every fold and seed. Each subject is measured by the trainings "
        "that test on them and counts once, with the mean of these",
    )


def _from_zero(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number from 0 on")
    return int(text)


def _positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a whole number from 1 on")
    return int(text)


def _runs(arguments: argparse.Namespace) -> list[list[Path]]:
    """Manifest and models of every training that was asked for."""
    single = arguments.manifest is not None or arguments.model or arguments.trained_on
    if arguments.run and single:
        raise ValueError("--run stands for --manifest, --model and --trained-on; give one kind")
    if arguments.run:
        return list(arguments.run)
    if arguments.manifest is None or not arguments.model:
        raise ValueError("nothing to measure: give --manifest and --model, or --run")
    return [[arguments.manifest, *arguments.model]]


if __name__ == "__main__":
    main()
