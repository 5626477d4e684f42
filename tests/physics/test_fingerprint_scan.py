"""Spirals that are nested and weighted as they should be; scans that contradict themselves."""

import dataclasses

import numpy as np
import pytest
import small_fingerprints as small

from qsr_jax.physics.fingerprint_scan import FingerprintScan, Sampling, spiral_sampling
from qsr_jax.physics.fingerprint_train import DELI_CS


@pytest.mark.parametrize("acceleration", [1, 2, 4, 8])
def test_every_acceleration_is_part_of_the_next_lower_one(acceleration):
    this, all_of_it = (spiral_sampling(64, 500, acceleration=a) for a in (acceleration, 1))
    per_frame = 8 // acceleration
    assert this.arm_of.shape == (500, per_frame)
    for frame in (0, 7, 499):
        assert set(this.arm_of[frame]) <= set(all_of_it.arm_of[frame])
    played = np.bincount(this.arm_of.ravel(), minlength=48)
    assert played.max() - played.min() <= per_frame  # 19 and 48 share no factor
    assert this.weights.sum() == pytest.approx(np.pi / 4 * 48 / per_frame, rel=1e-5)


def test_arms_are_a_pixel_s_frequency_apart_at_the_edge():
    points = spiral_sampling(224, 2).points.astype(float)
    radius = np.linalg.norm(points, axis=-1)
    assert radius.max() < np.pi
    outer = points[:, 850]  # one ring of 48 arms, and the arm that comes round next
    angle = np.unwrap(np.arctan2(points[0, :, 0], points[0, :, 1]))
    turn = np.interp(angle[850] + 2 * np.pi / 48, angle, radius[0]) - radius[0, 850]
    assert turn == pytest.approx(2 * np.pi / 224, rel=0.05)
    assert len({round(a, 6) for a in np.arctan2(outer[:, 0], outer[:, 1])}) == 48


def changed(**parts):
    good = spiral_sampling(16, 4)
    return {"points": good.points, "weights": good.weights, "arm_of": good.arm_of} | parts


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (changed(points=np.zeros((0, 920, 2))), "expected points of"),
        (changed(points=np.zeros((48, 920))), "expected points of"),
        (changed(weights=np.zeros((48, 3))), "expected one for each"),
        (changed(points=np.full((48, 920, 2), np.nan)), "radians per pixel"),
        (changed(points=np.full((48, 920, 2), 112.0)), "radians per pixel"),
        (changed(weights=np.full((48, 920), -1.0)), "expected finite ones"),
        (changed(arm_of=np.full((4, 1), 48)), "numbers of the 48 arms"),
    ],
)
def test_trajectories_that_are_none(parts, said):
    with pytest.raises(ValueError, match=said):
        Sampling(**parts)


def test_scans_that_contradict_themselves():
    scan = small.scan()
    with pytest.raises(ValueError, match="the trajectory has 100 frames, the train 500 pulses"):
        FingerprintScan(DELI_CS, scan.sampling, scan.coils)
    with pytest.raises(ValueError, match="expected finite sensitivities"):
        dataclasses.replace(scan, coils=scan.coils[0])
    kspace = small.samples()[0]
    assert scan.checked(kspace, where="x") is kspace
    for wrong, said in (
        (kspace[:, :99], r"x: samples have shape .*coil, frame, interleaf, sample"),
        (np.where(np.arange(920) == 5, np.nan, kspace), "NaN or infinity"),
        (0 * kspace, "all samples are 0"),
    ):
        with pytest.raises(ValueError, match=said):
            scan.checked(wrong, where="x")


def test_accelerations_and_sizes_that_are_none():
    with pytest.raises(ValueError, match="acceleration 3; expected one of"):
        spiral_sampling(64, 10, acceleration=3)
    with pytest.raises(ValueError, match="expected at least 2 and 1"):
        spiral_sampling(64, 0)
