"""Small people for the evaluation rooms: an oval head of three tissues, scanned twice."""

import dataclasses

import numpy as np

from qsr_jax.data.cases import Case, Truth
from qsr_jax.evaluate.measure.examples import Shown, example_slice
from qsr_jax.evaluate.measure.person import measure
from qsr_jax.evaluate.predictors.interpolate import interpolator
from qsr_jax.evaluate.report.page import About, Model, Training
from qsr_jax.evaluate.tables.cohort import Cohort
from qsr_jax.types import CORNER, Geometry, Prediction, Volume

NAMES = ("t1", "t2", "pd")
LEVELS = np.array([[0, 0, 0], [3500, 900, 100], [1230, 93, 80], [840, 80, 68], [1500, 140, 85]])
"""T1, T2, PD of air, CSF, GM, WM, lesion."""
REGION_NAMES = {1: "frontal", 2: "occipital", 3: "cerebral_peduncle"}


def make_labels(shape, lesions):
    """Tissue (z, y, x), regions and lesions of an oval head."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    radius = np.hypot(x / 0.8, y / 0.92) + 0.1 * z**2
    folds = 0.04 * np.sin(9 * np.arctan2(y, x))
    tissue = np.select([radius > 0.96, radius > 0.88, radius + folds > 0.68], [0, 1, 2], 3)
    tissue[np.hypot((np.abs(x) - 0.13) / 0.09, y / 0.25) < 1] = 1
    spots = np.zeros(shape, np.uint8)
    for i in range(lesions):
        spot = np.hypot(x - 0.35 + 0.7 * (i % 2), y + 0.3 - 0.3 * i) < 0.1
        spots[spot & (tissue == 3)] = i + 1
    tissue[spots > 0] = 4
    regions = np.select([(tissue == 2) & (y < -0.3), (tissue == 2) & (y > 0.3), tissue == 3],
                        [1, 2, 3], 0)  # fmt: skip
    return tissue.astype(np.uint8), regions.astype(np.uint8), spots


def make_case(rng, *, person, group="healthy", size=64, slices=4, lesions=0):
    """A person whose routine scan is the truth blurred a little and noisy, at 220 mm."""
    shape = (slices, size, size)
    tissue, regions, spots = make_labels(shape, lesions)
    mine = LEVELS * (1 + 0.02 * rng.standard_normal(LEVELS.shape))
    truth = mine[tissue].astype(np.float32)
    noise = LEVELS[3] * 0.03 * rng.standard_normal((*shape, 3))
    routine = np.abs(truth * 0.995 + noise).astype(np.float32)
    fast = routine.reshape(slices, size // 2, 2, size // 2, 2, 3).mean((2, 4))
    coarse = Geometry((-110.0, -110.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0),
                      (5.0, 440.0 / size, 440.0 / size), fast.shape[:3])  # fmt: skip
    fine = coarse.refined(2, CORNER)
    return Case(
        person=person,
        group=group,
        grid_alignment=CORNER,
        fast=Volume(fast * np.float32(0.98), NAMES, coarse),
        routine=Volume(routine, NAMES, fine, mask=tissue > 0),
        truth=Truth(
            maps=truth,
            tissue=tissue,
            regions=regions,
            region_names=REGION_NAMES,
            lesions=spots,
            lesion_kinds={
                i + 1: kind for i, kind in enumerate(("WMH", "infarct", "WMH")[:lesions])
            },
        ),
    )


def make_predictions(rng, case, *, gain=1.01, noise=(20.0, 2.0, 2.0), names=NAMES):
    """Bicubic as it is, and a "trained" model: routine times ``gain`` plus noise (ms, ms, %)."""
    channels = [case.routine.names.index(name) for name in names]
    error = np.multiply(noise, rng.standard_normal(case.routine.maps.shape))
    mean = (case.routine.maps * gain + error)[..., channels].astype(np.float32)
    bicubic = interpolator(scale=2, alignment=case.grid_alignment, method="cubic")
    return {
        "bicubic": bicubic(case.fast),
        "trained": Prediction(mean, None, names, case.routine.geometry),
    }


def make_cohort(rng, *, healthy=3, patients=1, size=64, slices=4, **options):
    """(cohort, examples) of a whole split."""
    values, examples = [], []
    for i in range(healthy + patients):
        sick = i >= healthy
        case = make_case(
            rng,
            person=f"{i:04x}{'c0ffee' * 2}",
            group="patient" if sick else "healthy",
            size=size,
            slices=slices,
            lesions=3 if sick else 0,
        )
        predictions = make_predictions(rng, case, **options)
        values += measure(case, predictions, split="test")
        if i in (0, healthy):
            examples.append(example_slice(case, predictions))
    return Cohort(values), examples


MODELS = tuple(
    Model(name, f"srgan {name}, 100 training steps", "a" * 64, ("VGG-19 weights: random",))
    for name in NAMES
)


def make_shown(examples, *, worst=()):
    """The pictures of a report: examples, and of some maps the slice of the first example."""
    return Shown(tuple(examples), {name: examples[0] for name in worst})


def make_about(**changes):
    """What a report's header says."""
    about = About(
        data="simulated people",
        fingerprint="f" * 64,
        split="test",
        persons={"train": {"healthy": 8}, "test": {"healthy": 3, "patient": 1}},
        slices={"train": 32, "test": 16},
        refused=2,
        measured=4,
        labels="the truth of simulated people",
        trainings=(Training("1", "1", 0, "f" * 64, 4, MODELS),),
        versions={"qsr_jax": "0.1.0", "jax": "0.10.2"},
        hardware="2 CPU cores",
        date="2026-01-01",
    )
    return dataclasses.replace(about, **changes)
