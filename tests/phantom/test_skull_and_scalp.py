"""The head around the brain: layers in their order, thick as drawn, and told from the brain."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.ops.mask import tissue_mask
from qsr_jax.phantom.grid import box_profile
from qsr_jax.phantom.phantom import BONE, draw_phantom
from qsr_jax.phantom.skull_and_scalp import GAP_MM, SKULL_MM, draw_build, head_shape
from qsr_jax.phantom.slices import properties, slice_b1, slice_fractions, slice_values
from qsr_jax.phantom.volume_fractions import CLASSES
from qsr_jax.physics.mdme_protocol import PROTOCOLS, geometries
from qsr_jax.simulate.simulate import scan

CODE = {name: index + 1 for index, name in enumerate(CLASSES)} | {"air": 0, "bone": BONE}


def test_distances_around_a_ball():
    """Outside a ball of 50 mm the wrap's distance is radius - 50; below it the scalp goes on."""
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -60
    places = np.moveaxis(np.indices((61, 61, 61)), 0, -1) * 2.0 - 60
    shape = head_shape((np.linalg.norm(places, axis=-1) < 50).astype(np.float32), affine)
    points = np.array([[60, 0, 0], [0, 45, 45], [0, 0, 65], [45, 0, -55]], np.float32)
    wrap, scalp = shape.sample(points)
    np.testing.assert_allclose(wrap[:3], np.linalg.norm(points[:3], axis=1) - 50, atol=1.5)
    np.testing.assert_allclose(scalp[:3], wrap[:3], atol=1.5)
    assert wrap[3] > 15
    assert scalp[3] < 1  # under the ball's side: still inside the head


def test_layers_come_in_order(toy_subjects):
    """From the air to the middle: skin, fat, bone with marrow inside, water, brain."""
    subject = toy_subjects["healthy"]
    row = subject.tissue[3, :, subject.tissue.shape[2] // 2]
    first = {name: np.flatnonzero(row == code) for name, code in CODE.items()}
    assert row[0] == CODE["air"]
    order = [first[name][0] for name in ("skin", "fat", "bone", "csf", "cortex")]
    assert order == sorted(order)
    assert subject.tissue[3, 60:68, 60:68].max() <= CODE["white"]


def test_subjects_have_layers_of_their_own():
    builds = [draw_build(np.random.default_rng(s), atrophy=s / 29) for s in range(30)]
    skull = np.array([build.skull_mm for build in builds])
    assert SKULL_MM[0] <= skull.min() < skull.max() <= SKULL_MM[1]
    assert skull.std() > 0.5
    assert (builds[0].gap_mm, builds[-1].gap_mm) == GAP_MM


def test_atrophy_widens_the_water(toy_template, tiny_grids, monkeypatch):
    """The same subject, young and old: only the age-like factor differs."""
    from qsr_jax.phantom import mni_template

    grid, water = tiny_grids[PROTOCOLS["tiny"][0]], []
    real = mni_template.fold
    for atrophy in (0.0, 1.0):
        monkeypatch.setattr(
            mni_template,
            "fold",
            lambda rng, f, *, atrophy, mine=atrophy: real(rng, f, atrophy=mine),
        )
        subject = draw_phantom(np.random.default_rng(4), toy_template, grid, patient=False)
        water.append((subject.tissue == CODE["csf"]).sum())
    assert water[1] > 1.05 * water[0]


def test_shares_on_any_grid_agree_with_the_truth_grid(toy_subjects):
    subject = toy_subjects["patient"]
    profile = box_profile(subject.planes)
    fine = np.asarray(slice_fractions(subject, 2, size=256, weights=profile))
    coarse = fine.reshape(len(CLASSES), 128, 2, 128, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(coarse, subject.fractions[2], atol=2e-3)
    same = np.asarray(slice_fractions(subject, 2, size=128, weights=profile))
    np.testing.assert_allclose(same, subject.fractions[2], atol=1e-5)
    values = np.asarray(slice_values(subject, 2, size=128))
    np.testing.assert_allclose(values, np.asarray(properties(subject, 2)), rtol=1e-5)
    assert slice_b1(subject, 2, size=160).shape == (160, 160)


def test_weights_act_on_planes(toy_subjects):
    subject = toy_subjects["healthy"]
    parts = [
        np.asarray(slice_fractions(subject, 0, size=64, weights=np.eye(7)[plane]))
        for plane in range(7)
    ]
    mixed = np.asarray(slice_fractions(subject, 0, size=64, weights=np.arange(7) / 21))
    expected = sum(weight * part for weight, part in zip(np.arange(7) / 21, parts, strict=True))
    np.testing.assert_allclose(mixed, expected, atol=1e-6)
    assert np.abs(parts[0] - parts[6]).max() > 0.1


@pytest.mark.parametrize("count", [2, 4, 13])
def test_profiles_that_no_planes_carry_are_refused(toy_subjects, count):
    with pytest.raises(ValueError, match=f"odd number of 1 mm planes, at most 11; got {count}"):
        slice_fractions(toy_subjects["healthy"], 0, size=64, weights=np.ones(count) / count)


def test_the_brain_is_told_from_the_scalp(toy_template):
    """Three slices at the paper's resolution: Dice of at least 0.95 with the true brain."""
    routine, fast = (dataclasses.replace(p, slices=3) for p in PROTOCOLS["paper"])
    grid, _ = geometries(routine, fast, "corner")
    subject = draw_phantom(np.random.default_rng(8), toy_template, grid, patient=False)
    scans = scan(np.random.default_rng(3), subject, {routine: grid}, snr=45.0, reference=routine)
    found = tissue_mask(*np.moveaxis(scans.scans["routine"], -1, 0))
    brain = (subject.tissue >= 1) & (subject.tissue <= 4)
    assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.95
    scalp = np.isin(subject.tissue, [CODE["fat"], CODE["skin"]])
    assert (found & scalp).sum() < 0.01 * scalp.sum()
