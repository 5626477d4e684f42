"""The simulated scan against plain sums over pixels and frames; noise; what is refused."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import small_fingerprints as small

from qsr_jax.physics.coils import places
from qsr_jax.physics.fingerprint_train import train_signals
from qsr_jax.simulate.fingerprinting import PHASE_RAD, simulate_kspace, wire_coils

NONE = float("inf")


def test_samples_are_sums_over_pixels_of_every_voxel_s_own_signal():
    maps, _ = small.head(16)
    scan = small.scan(8, 2, 16)
    found, std = simulate_kspace((0,), maps, scan, snr_db=NONE)
    there = np.all(maps > 0, axis=-1)
    times = (jnp.asarray(maps[there][:, k]) for k in (0, 1))
    signal = np.asarray(train_signals(*times, small.TRAIN), float)
    y, x = (2 * axis for axis in places((16, 16)))
    phase = np.exp(1j * PHASE_RAD * np.sin(2 * x + y))[there]
    pixels = np.argwhere(there) - 8
    for frame in (0, 30, 99):
        k = scan.sampling.points[scan.sampling.arm_of[frame, 0]].astype(float)
        turns = np.exp(-1j * k @ pixels.T)
        values = scan.coils[:, there] * phase * maps[there][:, 2] * signal[:, frame]
        expected = values @ turns.T
        size = np.linalg.norm(expected)
        assert np.linalg.norm(found[:, frame, 0] - expected) < 1e-4 * size
    assert std == 0.0


def test_scans_of_all_accelerations_are_parts_of_one():
    maps, _ = small.head()
    (few, std), (more, other_std) = (
        simulate_kspace((3, 1), maps, small.scan(acceleration), snr_db=20.0)
        for acceleration in (8, 4)
    )
    np.testing.assert_allclose(few[:, :, 0], more[:, :, 0], atol=1e-5 * np.abs(few).max())
    assert std == pytest.approx(other_std)


def test_the_noise_is_as_strong_as_it_is_said():
    maps, _ = small.head()
    clean, _ = simulate_kspace((0,), maps, small.scan(), snr_db=NONE)
    noisy, std = simulate_kspace((0,), maps, small.scan(), snr_db=20.0)
    noise = noisy - clean
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(std**2, rel=0.02)  # 368 000 samples
    assert abs(np.mean(noise**2)) < 0.02 * std**2  # both parts alike
    other, _ = simulate_kspace((1,), maps, small.scan(), snr_db=20.0)
    assert abs(np.vdot(noise, other - clean)) < 0.02 * np.vdot(noise, noise).real


def test_coils_and_their_strength():
    coils = wire_coils(8, 32)
    np.testing.assert_allclose(np.linalg.norm(coils, axis=0), 1.0, atol=1e-5)
    assert abs(coils[0, 16, 31]) > 2 * abs(coils[0, 16, 0])  # the first wire lies to the left
    np.testing.assert_allclose(np.abs(wire_coils(1, 16)), 1.0, atol=1e-6)
    with pytest.raises(ValueError, match="0 coils; expected at least 1"):
        wire_coils(0, 16)


def altered(change):
    maps, _ = small.head()
    change(maps)
    return maps


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.__setitem__((24, 24, 0), np.nan), "NaN, infinity or negative"),
        (lambda m: m.__setitem__((24, 24, 1), -1.0), "NaN, infinity or negative"),
        (lambda m: m.__setitem__((24, 24, 1), 5000.0), "head: T2 exceeds T1 in 1 pixels"),
        (lambda m: m.__setitem__(slice(None), 0.0), "nowhere are T1, T2 and PD all above 0"),
    ],
)
def test_maps_that_cannot_be(change, said):
    with pytest.raises(ValueError, match=said):
        simulate_kspace((0,), altered(change), small.scan(), snr_db=30.0, where="head")


def test_a_sampling_of_another_kind():
    scan = small.scan()
    other = dataclasses.replace(scan.sampling, arm_of=(scan.sampling.arm_of + 1) % 48)
    with pytest.raises(ValueError, match="expected nested spirals of 48 arms"):
        simulate_kspace(
            (0,), small.head()[0], dataclasses.replace(scan, sampling=other), snr_db=30.0
        )
