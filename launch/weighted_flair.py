"""FLAIR kept from a model and computed from its maps, beside the real one.

The model gets T1w and T2w of a study alone; its maps and the times of the FLAIR tell what the FLAIR
should show, but for its gain, which is fitted. Beside it the best mixture of T1w and T2w that
anybody could choose who knows the real FLAIR. The model must have learned to do without a contrast
(--config.weighted.absent of its training). The study is given as to `qsr predict`; what is made, a
picture and the numbers go to --out. docs/weighted.md.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from launch.weighted_arguments import add_weighted_arguments, brain_of, study_of
from qsr_jax.cli import program
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.evaluation.report.weighted import flair_picture
from qsr_jax.files.staged import refuse_existing, staged_folder
from qsr_jax.ops.mask import brain_in_images
from qsr_jax.predictors.weighted_flair import FLAIR, fitted, flair_of_two, likeness, mixture
from qsr_jax.predictors.weighted_network import load_weighted


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        refuse_existing(args.out)
        study = study_of(args)
        predictor = load_weighted(args.model)
        if args.brain:
            brain = brain_of(args.brain, study)
        else:
            brain = brain_in_images(study.images, float(study.geometry.spacing_mm[1]))
        times = np.broadcast_to(study.acquisition_ms, (len(brain), len(study.acquisition_ms)))
        made = flair_of_two(predictor, study.images, times, brain, gains=args.gains)
        real = study.images[..., FLAIR]
        found = {
            "maps": likeness(made, real, brain),
            "mixture of T1w and T2w": likeness(mixture(study.images, brain), real, brain),
        }
        values = (fitted(made, real, brain) * brain).astype(np.float32)
        with staged_folder(args.out) as folder:
            write_nifti(values, study.geometry, folder / "flair.nii.gz")
            (folder / "flair.json").write_text(json.dumps(found, indent=1) + "\n")
            (folder / "flair.png").write_bytes(flair_picture(values, real * brain, brain))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    for name, numbers in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in numbers.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("launch.weighted_flair"), description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("--model", required=True, help="name, file or workdir")
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs.add_argument("--input", type=Path, metavar="DIR", help="folder of DICOM series")
    inputs.add_argument("--t1w", type=Path, metavar="FILE", help="NIfTI, beside --t2w and --flair")
    add("--out", type=Path, required=True, metavar="DIR", help="new folder")
    add_weighted_arguments(parser.add_argument_group("weighted images"))
    return parser


if __name__ == "__main__":
    main()
