"""Edges and noise of one subject: the truth scores 1, and noise of routine does not count."""

import dataclasses

import numpy as np
import pytest
from evaluation_subjects import NAMES, make_case

from qsr_jax.evaluation.measure.noise_and_resolution import (
    CHECKERBOARD,
    NOISE,
    SHARPNESS,
    resolution_fields,
)
from qsr_jax.evaluation.measure.repeated_scan import REPEAT


@pytest.fixture(scope="module")
def case():
    """128 pixels, noise of a quarter of white matter: the bias of a noisy reference is large."""
    rng = np.random.default_rng(12)
    case = make_case(rng, subject="a", size=128, slices=3)
    return dataclasses.replace(case, routine=dataclasses.replace(
        case.routine, maps=noisy(case, rng, 1.0)))  # fmt: skip


def noisy(case, rng, gain):
    noise = np.array([200.0, 20.0, 4.0]) * rng.standard_normal(case.truth.maps.shape)
    return (gain * case.truth.maps + noise).astype(np.float32)


def found(case, sources, quantity):
    sources = {"routine": case.routine.maps, **sources}
    fields = resolution_fields(case, NAMES, sources, wanted=sources)
    return {(f["map"], f["method"]): (f["value"], f["convention"]) for f in fields
            if f["quantity"] == quantity}  # fmt: skip


def test_the_truth_scores_one_and_so_does_an_unblurred_scan(case):
    values = found(case, {"truth": case.truth.maps}, SHARPNESS)
    for name in NAMES:
        assert values[name, "truth"][0] == pytest.approx(1.0, abs=1e-5)
        assert values[name, "routine"][0] == pytest.approx(1.0, abs=0.06)
        assert "edges of truth" in values[name, "routine"][1]


def test_without_truth_a_repeated_scan_takes_the_noise_of_routine_out(case, rng):
    """Half of every edge is 0.5 with the repeated scan, and less without it."""
    scanned = dataclasses.replace(case, truth=None)
    half = noisy(case, rng, 0.5)
    alone = found(scanned, {"trained": half}, SHARPNESS)
    both = found(scanned, {"trained": half, REPEAT: noisy(case, rng, 1.0)}, SHARPNESS)
    for name in NAMES:
        assert both[name, "trained"][0] == pytest.approx(0.5, abs=0.05)
        assert both[name, REPEAT][0] == pytest.approx(1.0, abs=1e-6)
        assert "repetition" in both[name, "trained"][1]
        assert alone[name, "trained"][0] < both[name, "trained"][0]
        assert "too small" in alone[name, "trained"][1]
    assert alone["t1", "trained"][0] < 0.99 * both["t1", "trained"][0]  # the noisiest edges


def test_a_checkerboard_is_no_noise(case):
    board = np.where(np.indices(case.truth.maps.shape[1:3]).sum(0) % 2, -1.0, 1.0)[..., None]
    laid = (case.routine.maps + np.array([300.0, 30.0, 6.0]) * board).astype(np.float32)
    noise = found(case, {"trained": laid}, NOISE)
    boards = found(case, {"trained": laid}, CHECKERBOARD)
    for name, size in zip(NAMES, (300.0, 30.0, 6.0), strict=True):
        assert noise[name, "trained"][0] == pytest.approx(noise[name, "routine"][0], rel=0.1)
        assert boards[name, "trained"][0] == pytest.approx(size, rel=0.1)
        assert boards[name, "routine"][0] < 0.2 * size
