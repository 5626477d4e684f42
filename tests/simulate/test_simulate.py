"""A subject through both scans: values near the truth, detail lost where the physics says."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.maps import MAPS, check
from qsr_jax.phantom.volume_fractions import tissue_codes
from qsr_jax.physics.mdme_protocol import PROTOCOLS
from qsr_jax.physics.scanner import SCANNER, Scanner
from qsr_jax.physics.slice_table import slice_table
from qsr_jax.simulate.object_images import object_images
from qsr_jax.simulate.simulate import mixed_truth, scan

TINY_ROUTINE, TINY_FAST = PROTOCOLS["tiny"]


def scan_at(snr, subject, grids):
    return scan(np.random.default_rng(3), subject, grids, snr=snr, reference=TINY_ROUTINE)


@pytest.fixture(scope="module")
def scans(toy_subjects, tiny_grids):
    return scan(
        np.random.default_rng(3),
        toy_subjects["healthy"],
        tiny_grids,
        snr=1e4,
        reference=TINY_ROUTINE,
        noise_free=True,
    )


def test_maps_are_maps(scans, tiny_grids):
    assert set(scans.scans) == {"routine", "fast"}
    for protocol, grid in tiny_grids.items():
        maps = scans.scans[protocol.name]
        assert maps.shape == (*grid.shape, 3)
        for index, spec in enumerate(MAPS.values()):
            check(maps[..., index], spec, where=protocol.name)
            assert maps[..., index].max() <= spec.scanner_max
    assert scans.truth.shape == scans.scans["routine"].shape


def test_routine_measures_pure_white_matter_as_the_slice_lets_it(scans, toy_subjects):
    """The neighbours' pulses shorten T1 by 1 to 2 %, the fit's gains suit T2 of 85 ms to 1.5 %."""
    white = toy_subjects["healthy"].fractions[:, 2] > 0.999
    found, true = scans.scans["routine"][white], scans.truth[white]
    t1, t2, pd = np.median(found / true, axis=0)
    assert t1 == pytest.approx(0.985, abs=0.006)
    assert t2 == pytest.approx(1.01, abs=0.01)
    # The coarse reference scan of so small a matrix misjudges the coils near the rim
    assert pd == pytest.approx(1.0, abs=0.025)


def test_fast_is_blurrier(scans, toy_subjects):
    brain = tissue_codes(toy_subjects["healthy"].fractions) > 0
    routine, fast = (scans.scans[name][..., 2] for name in ("routine", "fast"))
    coarse = routine.reshape(len(routine), 64, 2, 64, 2).mean(axis=(2, 4))
    inner = brain[:, ::2, ::2]
    edges = [np.abs(np.diff(image, axis=2))[inner[:, :, 1:]].mean() for image in (coarse, fast)]
    assert edges[1] < 0.97 * edges[0]


def test_air_is_noise(toy_subjects, tiny_grids):
    noisy = scan(
        np.random.default_rng(3),
        toy_subjects["healthy"],
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
    n = 8
    values = np.array([[4200, 1500, 100], [760, 67, 66]], np.float32)[:, :, None, None]
    values = np.broadcast_to(values, (2, 3, n, n))

    def images_of(csf, white):
        fraction = np.broadcast_to(np.float32([csf, white])[:, None, None], (2, n, n))
        plain = np.ones((n, n), "f4"), np.ones((4, 2), "f4")
        table = slice_table(TINY_ROUTINE, cross_talk=True)
        options = {"shape": (n, n), "by_fov": (0.0, 0.0)}
        return np.asarray(object_images(fraction, values, *plain, table, **options))

    mixed = images_of(0.5, 0.5)
    pure = 0.5 * images_of(1.0, 0.0) + 0.5 * images_of(0.0, 1.0)
    np.testing.assert_allclose(mixed, pure, atol=1e-6)
    fraction = np.array([0.5, 0.5], np.float32).reshape(2, 1, 1)
    t1_ms, t2_ms, pd = np.asarray(mixed_truth(fraction, values[..., :1, :1]))[0, 0]
    assert pd == pytest.approx(83.0)
    assert t1_ms == pytest.approx(83.0 / (50 / 4200 + 33 / 760), rel=1e-5)
    assert t2_ms == pytest.approx(83.0 / (50 / 1500 + 33 / 67), rel=1e-5)


def test_the_same_subject_and_seed_give_the_same_bytes(scans, toy_subjects, tiny_grids):
    again = scan_at(1e4, toy_subjects["healthy"], tiny_grids)
    for name, maps in scans.scans.items():
        np.testing.assert_array_equal(again.scans[name], maps)


def test_noise_free_scan_is_the_limit_of_less_noise(scans, toy_subjects):
    assert scans.noise_free.shape == scans.truth.shape
    white = toy_subjects["healthy"].fractions[:, 2] > 0.999
    ratio = scans.scans["routine"][white] / scans.noise_free[white]
    np.testing.assert_allclose(np.median(ratio, axis=0), 1.0, atol=2e-3)
    assert np.abs(ratio - 1).mean() < 0.01


def test_g_factors_are_those_of_two_and_threefold_acceleration(scans):
    means = [scans.g_factor[name][:, 20:-20, 12:-12].mean() for name in ("routine", "fast")]
    assert scans.g_factor["routine"].shape == (6, 80, 64)
    assert scans.g_factor["fast"].shape == (6, 48, 33)
    assert 1.0 < means[0] < 1.2 < means[1] < 2.0


CHANGES = [
    {"cross_talk": False},
    {"b1_strength": 0.0},
    {"motion_mm": 2.0},
    {"motion_deg": 3.0},
    {"csf_pulsation": 0.3},
    {"phase_rad": 0.0},
    {"coil_size_mm": 30.0},
]


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_every_knob_turns_something(change, scans, toy_subjects, tiny_grids):
    turned = scan(
        np.random.default_rng(3),
        toy_subjects["healthy"],
        tiny_grids,
        snr=1e4,
        reference=TINY_ROUTINE,
        scanner=dataclasses.replace(SCANNER, **change),
    )
    brain = toy_subjects["healthy"].fractions[:, :4].sum(axis=1) > 0.5
    difference = turned.scans["routine"][brain] / scans.scans["routine"][brain] - 1
    assert 1e-4 < np.abs(difference[:, 0]).mean() < 0.5
    assert turned.noise_free is None


def test_a_scan_with_times_of_its_own_measures_the_same_head(toy_subjects, tiny_grids):
    longer = dataclasses.replace(TINY_FAST, tr_ms=5000.0)
    grids = {TINY_ROUTINE: tiny_grids[TINY_ROUTINE], longer: tiny_grids[TINY_FAST]}
    subject = toy_subjects["healthy"]
    fast = scan_at(1e3, subject, grids).scans["fast"]
    same = scan_at(1e3, subject, tiny_grids).scans["fast"]
    white = subject.fractions[:, 2, ::2, ::2] > 0.999
    np.testing.assert_allclose(np.median(fast[white] / same[white], axis=0), 1.0, atol=0.02)


@pytest.mark.parametrize(
    ("change", "scanner", "said"),
    [
        ({"slices": 5}, SCANNER, "need one stack of slices"),
        ({"name": "routine"}, SCANNER, "different names"),
        ({}, Scanner(coils=2), "'fast': acceleration must not exceed the 2 coils; got 3"),
        ({}, Scanner(oversampling=1.1), "must not exceed the truth grid of"),
        ({}, Scanner(reference_lines=64), "reference scan's 64 lines exceed"),
    ],
)
def test_what_the_scanner_cannot_scan_is_refused(toy_subjects, tiny_grids, change, scanner, said):
    fast = dataclasses.replace(TINY_FAST, **change)
    grids = {TINY_ROUTINE: tiny_grids[TINY_ROUTINE], fast: tiny_grids[TINY_FAST]}
    rng, subject = np.random.default_rng(3), toy_subjects["healthy"]
    with pytest.raises(ValueError, match=said):
        scan(rng, subject, grids, snr=45.0, reference=TINY_ROUTINE, scanner=scanner)
