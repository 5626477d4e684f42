"""Scans simulated subjects once more, with the same noise: with lesions planted, or taken away.

Healthy subjects get lesions in grey and white matter, of several sizes, and specks; patients lose
theirs. Nothing else differs between the two scans, so what a method shows of the difference is its
sensitivity, and what it changes elsewhere is its invention: ``launch.evaluate`` finds the folder
``twin`` beside a subject's series and adds the table. Pair first: a tree with twins does not pair.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_tools.cohort_settings import PATIENT, CohortSettings
from data_tools.repeat_scan import read_cohort, tested_in
from data_tools.write_simulated_subject import simulate_subject
from qsr_jax.cli import program
from qsr_jax.data.nifti.files import write_nifti
from qsr_jax.evaluation.measure.lesion_twin import TWIN
from qsr_jax.files.processes import in_processes
from qsr_jax.phantom.mni_tissues import mni_tissues
from qsr_jax.types import Geometry

MASKS = "lesion_twins"
"""Folder of the cohort that holds the masks of what is planted."""
VARIANTS = 4
"""Masks that subjects draw from."""
RADII_MM = (2.5, 3.5, 5.0, 7.0)
"""Of planted lesions; each is planted in each tissue."""
SURE = 0.8
"""Fraction of its tissue in the template where the middle of a lesion may lie."""
APART_MM = 25.0
"""Distance between the middles of two lesions."""
HEIGHT_MM = (-40.0, 70.0)
"""Height in MNI space between which lesions are planted: what every stack of slices holds."""


def main(argv: list[str] | None = None) -> None:
    """Runs the door; errors of the user's end in one line and exit status 1."""
    args = _parser().parse_args(argv)
    try:
        if args.workers < 1:
            raise ValueError(f"--workers must be at least 1; got {args.workers}")
        cohort = read_cohort(args.cohort)
        tested = tested_in(args.manifest)
        names = [name for name in cohort.groups() if name in tested]
        if not names:
            raise ValueError(f"{args.manifest}: nobody of {args.cohort} tests in it")
        missing = [name for name in names if not (args.cohort / name / TWIN).exists()]
        masks = plant_masks(args.cohort / MASKS, seed=cohort.seed)
        done = _simulate(cohort, missing, args.cohort, masks, args.workers)
        for _ in tqdm(done, "scanning twins", len(missing), unit="subject", mininterval=1):
            pass
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from None
    print(f"{args.cohort}: {len(missing)} twins scanned, {len(names) - len(missing)} kept")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program("data_tools.lesion_twin"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--cohort", type=Path, required=True, metavar="DIR", help="made by simulate_cohort")
    add("--manifest", type=Path, required=True, metavar="FILE", help="who tests in it gets a twin")
    add("--workers", type=int, default=1, help="processes; each takes up to 3 GB (default: 1)")
    return parser


def twin_settings(cohort: CohortSettings, participant: str, masks: Path) -> CohortSettings:
    """The cohort in which a participant has lesions if they have none here, and none if they have.

    Everything else is drawn alike: a subject depends on the seed and their number.
    """
    everybody = len(cohort.groups())
    patient = cohort.groups()[participant] == PATIENT
    return dataclasses.replace(
        cohort,
        subjects=everybody if patient else 0,
        patients=0 if patient else everybody,
        lesion_masks=None if patient else masks,
        noiseless=False,
    )


def _simulate(
    cohort: CohortSettings, names: list[str], folder: Path, masks: Path, workers: int
) -> Iterator[None]:
    """Scans the twins of the named subjects and yields after each."""
    jobs = [(twin_settings(cohort, n, masks), n, folder / n / TWIN) for n in names]
    yield from in_processes(simulate_subject, jobs, workers=workers)


def plant_masks(folder: Path, *, seed: int) -> Path:
    """Writes masks of balls in grey and white matter in MNI space, the same for the same seed."""
    (_, grey, white), affine = mni_tissues()
    geometry = _geometry(affine, grey.shape)
    folder.mkdir(exist_ok=True)
    for variant in range(VARIANTS):
        rng = np.random.default_rng([seed, variant])
        path = folder / f"planted_{variant + 1}.nii.gz"
        if not path.exists():
            write_nifti(draw_balls(rng, (grey, white), affine).astype(np.uint8), geometry, path)
    return folder


def draw_balls(
    rng: np.random.Generator, tissues: tuple[np.ndarray, ...], affine: np.ndarray
) -> np.ndarray:
    """(z, y, x) bool balls of :data:`RADII_MM` in every tissue, :data:`APART_MM` apart.

    Args:
        rng: source of randomness.
        tissues: (z, y, x) fractions of each tissue on a grid of 1 mm.
        affine: (4, 4) from index (z, y, x) to LPS mm.
    """
    inside = np.zeros(tissues[0].shape, bool)
    middles: list[np.ndarray] = []
    heights = affine[2, 3] + affine[2, 0] * np.arange(len(inside))
    allowed = (heights > HEIGHT_MM[0]) & (heights < HEIGHT_MM[1])
    for radius in sorted(RADII_MM, reverse=True):
        for fraction in tissues:
            places = np.argwhere((fraction > SURE) & allowed[:, None, None])
            for place in rng.permutation(places):
                if all(np.linalg.norm(place - other) >= APART_MM for other in middles):
                    middles.append(place)
                    reach = int(np.ceil(radius))
                    box = tuple(slice(max(0, c - reach), c + reach + 1) for c in place)
                    axes = np.ogrid[box]
                    far = sum((x - c) ** 2 for x, c in zip(axes, place, strict=True))
                    inside[box] |= far <= radius**2
                    break
    return inside


def _geometry(affine: np.ndarray, shape: tuple[int, int, int]) -> Geometry:
    """The grid of an affine from index (z, y, x) to LPS mm."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    down, across = (affine[:3, i] / steps[i] for i in (1, 2))
    return Geometry(
        origin_mm=tuple(affine[:3, 3].tolist()),
        row_dir=tuple(across.tolist()),
        col_dir=tuple(down.tolist()),
        spacing_mm=tuple(steps.tolist()),
        shape=shape,
    )


if __name__ == "__main__":
    main()
