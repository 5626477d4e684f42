"""Measures how long the image metrics of a test cohort take, and nothing else.

A made-up brain in each of 38 subjects, 24 slices of 512 x 512, T1, T2 and PD: the metrics of the
report for one method (errors, PSNR and SSIM inside the brain and of the frame; NIQE; noise, edge
sharpness and resolution) against one reference. The first subject compiles and is not counted.
"""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from qsr_jax.data.studies.case import Case
from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.measure.image_quality import image_fields
from qsr_jax.evaluation.measure.niqe import fit_models, niqe_values
from qsr_jax.evaluation.measure.noise_and_resolution import resolution_fields
from qsr_jax.evaluation.values import TRAINED
from qsr_jax.maps import MAPS
from qsr_jax.metrics.niqe import NiqeModel
from qsr_jax.types import CORNER, Geometry, Prediction, Volume

SUBJECTS, SLICES, SIDE, WORKERS = 38, 24, 512, 2
"""The paper's test cohort on its routine grid; subjects at a time."""
LEAST_SIDE = 256
"""Pixels of a side of a slice; with fewer, NIQE finds too few blocks."""
LEVELS = {spec.name: spec.tissue_levels for spec in MAPS.values()}
"""White and grey matter, ms and percent; what stands here does not change the time."""


def bench(subjects: int, side: int, workers: int) -> dict[str, float | int | str]:
    """Seconds for the metrics of ``subjects``: each three maps, 24 slices of ``side`` squared.

    Args:
        subjects: how many.
        side: pixels of a side of a slice.
        workers: subjects at a time.

    Raises:
        ValueError: no subject, no worker, or a side below :data:`LEAST_SIDE`.
    """
    for name, value, least in (
        ("subjects", subjects, 1), ("side", side, LEAST_SIDE), ("workers", workers, 1)
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"--{name} must be at least {least}; got {value}")
    case, made = make_subject(side)
    models = fit_models([case.routine])

    def one(_: int) -> int:
        return measure(case, made, models)

    one(0)  # compiles
    before, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(workers) as pool:
        counts = list(tqdm(pool.map(one, range(subjects)), "metrics", subjects, unit="subject"))
    return {
        "what": "metrics",
        "subjects": subjects,
        "slices": SLICES,
        "side": side,
        "maps": len(MAPS),
        "numbers_per_subject": counts[0],
        "seconds": round(time.perf_counter() - before, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "workers": workers,
        "cores": os.cpu_count() or 1,
    }


def measure(case: Case, made: Prediction, models: Mapping[str, NiqeModel]) -> int:
    """All image metrics of one subject; how many numbers they are."""
    names, sources = tuple(MAPS), {TRAINED: made.mean, ROUTINE: case.routine.maps}
    fields = (
        image_fields(case, names, sources),
        resolution_fields(case, names, sources, wanted={TRAINED}),
        niqe_values(case, {TRAINED: made}, None, models, split="test", run="1"),
    )
    return sum(len(list(values)) for values in fields)


def make_subject(side: int) -> tuple[Case, Prediction]:
    """An oval brain of two folded tissues with noise, and a prediction that is blurred a little."""
    rng = np.random.default_rng(0)
    y, x = (np.mgrid[:side, :side] - (side - 1) / 2) / side
    z = np.linspace(-1.0, 1.0, SLICES)[:, None, None]
    radius = np.hypot(x / 0.32, y / 0.39) / np.sqrt(1.05 - 0.7 * z**2)
    mask = radius < 1.0
    grey = radius + 0.07 * np.sin(14 * np.arctan2(y, x)) > 0.75
    levels = np.stack([np.where(grey, *pair[::-1]) for pair in LEVELS.values()], -1)
    noise = 1.0 + 0.04 * rng.standard_normal(levels.shape, np.float32)
    routine = (levels * noise * mask[..., None]).astype(np.float32)
    made = ndimage.gaussian_filter(routine, (0.0, 0.8, 0.8, 0.0))
    spacing = 220.0 / side
    geometry = Geometry(
        (-110.0, -110.0, -60.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, spacing, spacing),
        mask.shape,
    )  # fmt: skip
    volume = Volume(routine, tuple(MAPS), geometry, mask=mask)
    case = Case("made-up", "healthy", CORNER, volume, volume, None)
    return case, Prediction(made, None, tuple(MAPS), geometry)
