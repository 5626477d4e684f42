"""Wide subjects: same anatomy, other values, what a scanner reads and a mask finds all the same."""

import numpy as np
import pytest

from qsr_jax.phantom import phantom
from qsr_jax.phantom.anatomy import BODY_CLASSES
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.phantom import draw_phantom
from qsr_jax.phantom.random_fields import draw_texture, texture_of
from qsr_jax.phantom.slices import LEAST_VALUE, properties
from qsr_jax.phantom.tissue_values import TISSUES, WIDE, draw_subject
from qsr_jax.phantom.wide_draws import (
    LEAST,
    MOST,
    OUTSIDE,
    REFERENCE,
    Remap,
    draw_remap,
    draw_wide_texture,
    widen_values,
)
from qsr_jax.physics.mdme_protocol import PROTOCOLS

HEADS = {"white": (790.0, 55.5, 68.0), "cortex": (1420.0, 80.0, 82.0)}
"""Median T1, T2 of measured fingerprinting heads, and the PD of the paper's."""


def wide_values(count):
    drawn = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        drawn.append(widen_values(rng, draw_subject(rng), draw_remap(rng)))
    return drawn


def test_wide_values_hold_measured_heads_and_stay_readable():
    drawn = wide_values(400)
    for name, head in HEADS.items():
        values = np.array([one[name] for one in drawn])
        low, high = np.percentile(values, [2, 98], axis=0)
        assert (low <= head).all() and (head <= high).all(), name
        assert (values >= LEAST).all() and (values <= MOST).all()
        assert (values.std(axis=0) > 3 * np.array((0.03, 0.03, 0.02)) * values.mean(axis=0)).all()
    ratio = np.array([one["cortex"][0] / one["white"][0] for one in drawn])
    assert (ratio > 1.7).mean() > 0.1 and (ratio < 1.3).mean() > 0.1  # measured heads: 1.8
    for name in OUTSIDE:
        assert np.std([one[name] for one in drawn], axis=0).max() < 0.05 * TISSUES[name].mean[0]


def test_a_remap_leaves_its_reference_and_keeps_order():
    power = Remap(np.ones(3), np.full(3, 1.5))
    np.testing.assert_allclose(power(REFERENCE), REFERENCE)
    assert (power(1.1 * REFERENCE) > 1.1 * REFERENCE).all()
    most = Remap(np.full(3, 9.0), np.ones(3))(REFERENCE)
    np.testing.assert_allclose(most, (4300.0, 720.0, 160.0))


def test_wide_texture_differs_by_tissue_and_subject(tiny_grids):
    planes = Planes(tiny_grids[PROTOCOLS["tiny"][0]])
    fields = [draw_wide_texture(np.random.default_rng(seed), planes) for seed in range(6)]
    spreads = np.array([field.std(axis=(0, 2, 3)) for field in fields])
    assert fields[0].shape == (6, 6, planes.size, planes.size)
    assert spreads.max() / spreads.min() > 2.0
    assert np.abs(spreads[:, :3] - spreads[:, 3:]).min() > 0.0


def test_tracts_reach_further_than_texture(tiny_grids):
    planes = Planes(tiny_grids[PROTOCOLS["tiny"][0]])
    short, long = (
        texture_of(np.random.default_rng(0), planes, sigma_mm=sigma) for sigma in (2.5, 8.0)
    )
    assert short.std() == pytest.approx(1.0, rel=1e-4) == long.std()
    # of a Gaussian window the correlation over d is exp(-(d / 2 sigma)^2)
    for field, sigma in ((short, 2.5), (long, 8.0)):
        shift = round(2 * sigma)
        found = np.mean(field[:, shift:] * field[:, :-shift])
        assert found == pytest.approx(np.exp(-1.0), abs=0.15)
    texture = draw_texture(np.random.default_rng(0), planes)
    tract = texture[:, 3] - texture[:, 0]
    assert np.corrcoef(tract[0].ravel(), tract[1].ravel())[0, 1] > 0.5  # the next slice, too


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_head_is_that_of_the_population_s_subject(
    toy_subjects, toy_template, tiny_grids, monkeypatch, share
):
    monkeypatch.setattr(phantom, "VARIED_SHARE", share)
    grid = tiny_grids[PROTOCOLS["tiny"][0]]
    rng = np.random.default_rng(5)
    wide = draw_phantom(rng, toy_template, grid, patient=False, values=WIDE)
    usual = toy_subjects["healthy"]
    assert wide.traits["head_size"] == usual.traits["head_size"]
    assert ("rim_mm" in wide.traits) == (share == 1.0)
    assert np.array_equal(wide.fractions, usual.fractions) == (share == 0.0)
    np.testing.assert_array_equal(wide.b1, usual.b1)
    assert abs(wide.values["white"][0] / usual.values["white"][0] - 1) > 0.01
    values = np.asarray(properties(wide, 2))
    white = values[BODY_CLASSES.index("white")]
    assert (white >= 0.999 * LEAST_VALUE * wide.values["white"][:, None, None]).all()


def test_lesions_follow_the_subject_s_change(toy_template, tiny_grids):
    """One power law of one subject: logarithms of old and new values lie on a line."""
    grid = tiny_grids[PROTOCOLS["tiny"][0]]
    usual, wide = (
        draw_phantom(np.random.default_rng(9), toy_template, grid, patient=True, values=values)
        for values in ("population", WIDE)
    )
    old, new = (np.log([one.value[0] for one in subject.lesions]) for subject in (usual, wide))
    assert len(old) > 2
    below = new < np.log(4299.0)
    power, _ = np.polyfit(old[below], new[below], 1)
    np.testing.assert_allclose(np.diff(new[below]), power * np.diff(old[below]), atol=1e-3)
    assert abs(power - 1.0) > 1e-3


def test_unknown_values_are_refused(toy_template, tiny_grids, rng):
    with pytest.raises(ValueError, match="known: population, wide"):
        draw_phantom(
            rng, toy_template, tiny_grids[PROTOCOLS["tiny"][0]], patient=False, values="narrow"
        )
