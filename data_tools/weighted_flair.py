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
from typing import Any

import jax.numpy as jnp
import matplotlib
import numpy as np
from matplotlib.figure import Figure

from launch.weighted_arguments import add_weighted_arguments, brain_of, study_of
from qsr_jax.acquisition import CONTRASTS
from qsr_jax.cli import program
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.evaluation.report.figures import ERROR_COLOURS, GREYS, png
from qsr_jax.files.staged import refuse_existing
from qsr_jax.formats.plots import STYLE
from qsr_jax.metrics.ssim import ssim
from qsr_jax.ops.mask import brain_in_images
from qsr_jax.physics.weighted_signal import weighted_signals
from qsr_jax.predictors.weighted_gains import FREE, ONE
from qsr_jax.predictors.weighted_network import WeightedPredictor, load_weighted

FLAIR = CONTRASTS.index("flair")
BRIGHT_PERCENT = 99.5
"""Of the real FLAIR in the brain: the range of PSNR and SSIM."""


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
        common = args.gains == ONE
        made = flair_of_two(predictor, study.images, times, brain, common=common)
        real = study.images[..., FLAIR]
        found = {
            "maps": likeness(made, real, brain),
            "mixture of T1w and T2w": likeness(mixture(study.images, brain), real, brain),
        }
        args.out.mkdir(parents=True)
        values = (fitted(made, real, brain) * brain).astype(np.float32)
        write_nifti(values, study.geometry, args.out / "flair.nii.gz")
        (args.out / "flair.json").write_text(json.dumps(found, indent=1) + "\n")
        (args.out / "flair.png").write_bytes(_picture(values, real * brain, brain))
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    for name, numbers in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in numbers.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.weighted_flair"), description=__doc__, allow_abbrev=False
    )
    add = parser.add_argument
    add("--model", required=True, help="name, file or workdir")
    inputs = parser.add_mutually_exclusive_group(required=True)
    inputs.add_argument("--input", type=Path, metavar="DIR", help="folder of DICOM series")
    inputs.add_argument("--t1w", type=Path, metavar="FILE", help="NIfTI, beside --t2w and --flair")
    add("--out", type=Path, required=True, metavar="DIR", help="new folder")
    add_weighted_arguments(parser.add_argument_group("weighted images"))
    return parser


def flair_of_two(
    predictor: WeightedPredictor,
    images: np.ndarray,
    acquisition_ms: np.ndarray,
    brain: np.ndarray,
    *,
    common: bool,
) -> np.ndarray:
    """What FLAIR shows by the maps of T1w and T2w alone, (z, y, x), of any gain.

    Args:
        predictor: that can do without a contrast.
        images: (z, y, x, 3); the third is not looked at.
        acquisition_ms: (z, 7).
        brain: (z, y, x) bool.
        common: whether T1w and T2w share one gain.

    Raises:
        ValueError: the model needs all contrasts, or a time of the FLAIR is not known.
    """
    if not predictor.task.absent:
        raise ValueError(
            f"{predictor.description}: was not trained to do without a contrast; train one with "
            "--config.weighted.absent=0.15"
        )
    if not np.isfinite(acquisition_ms[:, 4:]).all():
        raise ValueError("TR, TE and TI of the FLAIR must be known; give --tr, --te and --ti")
    gains = ONE if common else FREE
    maps = predictor.say(without(images), acquisition_ms, brain, gains=gains)[0]
    return shown_by(maps, acquisition_ms)


def without(images: np.ndarray) -> np.ndarray:
    """Images (z, y, x, 3) whose FLAIR is absent."""
    return images * (np.arange(len(CONTRASTS)) != FLAIR).astype(images.dtype)


def shown_by(maps: np.ndarray, acquisition_ms: np.ndarray) -> np.ndarray:
    """The FLAIR (z, y, x) of maps (z, y, x, 3) at times (z, 7)."""
    values, times = jnp.asarray(maps), jnp.asarray(acquisition_ms)[:, None, None]
    made = weighted_signals(values[..., 0], values[..., 1], values[..., 2], times)
    return np.asarray(made[..., FLAIR])


def mixture(images: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """The best mixture of a constant, T1w and T2w, by least squares of FLAIR in the brain."""
    two = np.concatenate([np.ones_like(images[..., :1]), images[..., :FLAIR]], -1)
    weights = np.linalg.lstsq(two[brain], images[..., FLAIR][brain], rcond=None)[0]
    return np.asarray(two @ weights)


def fitted(made: np.ndarray, real: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """An image times its gain, by least squares in the brain."""
    a, b = (image[brain].astype(float) for image in (made, real))
    return made * (a @ b / max(a @ a, 1e-20))


def likeness(made: np.ndarray, real: np.ndarray, brain: np.ndarray) -> dict[str, float]:
    """PSNR and SSIM in the brain, mean over slices, of images (z, y, x), after the gain."""
    shown, top = fitted(made, real, brain), float(np.percentile(real[brain], BRIGHT_PERCENT))
    a, b = (np.clip(image, 0.0, top).astype(np.float32) for image in (shown, real))
    rows = []
    for one, other, inside in zip(a, b, brain, strict=True):
        if not inside.any():
            continue
        off = np.square(one[inside] - other[inside]).mean()
        pair = [jnp.asarray(x)[None, ..., None] for x in (one, other)]
        alike = ssim(pair[0], pair[1], jnp.asarray(inside)[None], data_range=jnp.float32(top))
        rows.append((10.0 * np.log10(top**2 / max(off, 1e-20)), float(np.ravel(alike)[0])))
    psnr_db, alike = np.nanmean(rows, 0)
    return {"psnr_db": round(float(psnr_db), 2), "ssim": round(float(alike), 4)}


def _picture(made: np.ndarray, real: np.ndarray, brain: np.ndarray) -> bytes:
    """The slice with the most brain: real, made, difference."""
    at = int(brain.sum((1, 2)).argmax())
    top = float(np.percentile(real[brain], BRIGHT_PERCENT))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.4), layout="constrained")
        shown: list[tuple[str, Any]] = [("FLAIR", real[at]), ("from T1w and T2w", made[at])]
        shown.append(("difference", made[at] - real[at]))
        for axes, (title, image) in zip(figure.subplots(1, 3), shown, strict=True):
            differs = title == "difference"
            window = {"vmin": -top / 2, "vmax": top / 2} if differs else {"vmin": 0, "vmax": top}
            axes.imshow(image, cmap=ERROR_COLOURS if differs else GREYS, **window)
            axes.set(title=title, xticks=[], yticks=[])
        return png(figure)


if __name__ == "__main__":
    main()
