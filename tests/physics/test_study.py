"""A person through both scans: values near the truth, detail lost where the physics says."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.maps import MAPS, check
from qsr_jax.physics.phantom import tissue_codes
from qsr_jax.physics.protocol import PROTOCOLS, ROUTINE
from qsr_jax.physics.study import mixed_signal, mixed_truth, scan

TINY_ROUTINE, TINY_FAST = PROTOCOLS["tiny"]


def scan_at(snr, person, grids):
    return scan(np.random.default_rng(3), person, grids, snr=snr, reference=TINY_ROUTINE)


@pytest.fixture(scope="module")
def study(toy_people, tiny_grids):
    return scan(
        np.random.default_rng(3), toy_people["healthy"], tiny_grids, snr=1e4, reference=TINY_ROUTINE
    )


def test_maps_are_maps(study, tiny_grids):
    assert set(study.scans) == {"routine", "fast"}
    for protocol, grid in tiny_grids.items():
        maps = study.scans[protocol.name]
        assert maps.shape == (*grid.shape, 3)
        for index, spec in enumerate(MAPS.values()):
            check(maps[..., index], spec, where=protocol.name)
            assert maps[..., index].max() <= spec.scanner_max
    assert study.truth.shape == study.scans["routine"].shape


def test_routine_measures_the_truth_in_pure_white_matter(study, toy_people):
    white = toy_people["healthy"].fractions[:, 2] > 0.999
    found, true = study.scans["routine"][white], study.truth[white]
    np.testing.assert_allclose(np.median(found / true, axis=0), 1.0, atol=0.01)


def test_fast_is_blurrier(study, toy_people):
    brain = tissue_codes(toy_people["healthy"].fractions) > 0
    routine, fast = (study.scans[name][..., 2] for name in ("routine", "fast"))
    coarse = routine.reshape(len(routine), 64, 2, 64, 2).mean(axis=(2, 4))
    inner = brain[:, ::2, ::2]
    edges = [np.abs(np.diff(image, axis=2))[inner[:, :, 1:]].mean() for image in (coarse, fast)]
    assert edges[1] < 0.97 * edges[0]


def test_air_is_noise(toy_people, tiny_grids):
    noisy = scan(
        np.random.default_rng(3),
        toy_people["healthy"],
        tiny_grids,
        snr=45.0,
        reference=TINY_ROUTINE,
    )
    for name in ("routine", "fast"):
        t1_ms, _, pd = np.moveaxis(noisy.scans[name][:, :8, :8], -1, 0)
        assert np.ptp(t1_ms) > 3000
        assert 0 < np.median(pd) < 10
    assert not noisy.truth[:, :8, :8].any()


def test_mixing_happens_in_signal_not_in_maps():
    """Half CSF, half white: the signals add; rates of the truth average over protons."""
    share = np.array([0.5, 0.5], np.float32).reshape(2, 1, 1)
    values = np.array([[4200, 1500, 100], [760, 67, 66]], np.float32).reshape(2, 3, 1, 1)
    pure = [mixed_signal(np.ones((1, 1, 1)), values[i : i + 1], 1.0, ROUTINE) for i in range(2)]
    mixed = mixed_signal(share, values, 1.0, ROUTINE)
    np.testing.assert_allclose(
        mixed, 0.5 * np.asarray(pure[0]) + 0.5 * np.asarray(pure[1]), rtol=1e-5
    )
    t1_ms, t2_ms, pd = np.asarray(mixed_truth(share, values))[0, 0]
    assert pd == pytest.approx(83.0)
    assert t1_ms == pytest.approx(83.0 / (50 / 4200 + 33 / 760), rel=1e-5)
    assert t2_ms == pytest.approx(83.0 / (50 / 1500 + 33 / 67), rel=1e-5)


def test_protocols_with_other_times_are_refused(toy_people, tiny_grids):
    longer = dataclasses.replace(TINY_FAST, tr_ms=5000.0)
    grids = {TINY_ROUTINE: tiny_grids[TINY_ROUTINE], longer: tiny_grids[TINY_FAST]}
    with pytest.raises(ValueError, match="differ in times, angles or slices"):
        scan(
            np.random.default_rng(3), toy_people["healthy"], grids, snr=45.0, reference=TINY_ROUTINE
        )
