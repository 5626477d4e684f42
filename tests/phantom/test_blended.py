"""Blended subjects hold the mean of what is there, and nothing else changes."""

import dataclasses

import numpy as np
import pytest

from qsr_jax.phantom.blended import blend
from qsr_jax.phantom.slices import properties
from qsr_jax.phantom.volume_fractions import CLASSES
from qsr_jax.simulate.simulate import mixed_truth


@pytest.fixture(scope="module")
def flat(toy_subjects):
    """A subject without texture."""
    subject = toy_subjects["healthy"]
    return dataclasses.replace(subject, texture=np.zeros_like(subject.texture))


def test_pure_places_keep_their_value_and_borders_lie_between(flat):
    blended = blend(flat, blur_mm=0.0)
    index = len(flat.fractions) // 2
    before, after = (np.asarray(properties(one, index)) for one in (flat, blended))
    fractions = flat.fractions[index]
    for name in ("csf", "white"):
        pure = fractions[CLASSES.index(name)] > 0.9999
        deep = pure & np.roll(pure, 3, 0) & np.roll(pure, -3, 0)
        deep &= np.roll(pure, 3, 1) & np.roll(pure, -3, 1)
        assert deep.sum() > 20
        k = CLASSES.index(name)
        np.testing.assert_allclose(after[k][:, deep], before[k][:, deep], rtol=0.02)
    assert all((after[k] == after[0]).all() for k in range(len(CLASSES)))


def test_water_counts_by_volume_not_by_rate(flat):
    """Half CSF, half grey matter: the mean of both times, where rates give less."""
    index = len(flat.fractions) // 2
    rates = np.asarray(mixed_truth(flat.fractions[index], properties(flat, index)))
    after = np.asarray(properties(blend(flat, blur_mm=0.0), index))[0]
    csf, cortex = (flat.fractions[index][CLASSES.index(name)] for name in ("csf", "cortex"))
    mixed = (csf > 0.3) & (cortex > 0.3) & (csf + cortex > 0.99)
    assert mixed.sum() > 20
    assert np.median(after[0][mixed] / rates[..., 0][mixed]) > 1.2


def test_blur_smooths_and_refusals_say_why(flat):
    sharp, smooth = (blend(flat, blur_mm=blur) for blur in (0.0, 2.0))
    assert np.abs(np.diff(smooth.maps[..., 30:-30, 30:-30])).mean() < (
        0.9 * np.abs(np.diff(sharp.maps[..., 30:-30, 30:-30])).mean()
    )
    with pytest.raises(ValueError, match="got 1 mm and measured maps"):
        blend(sharp, blur_mm=1.0)
    with pytest.raises(ValueError, match="got -1 mm and no maps"):
        blend(flat, blur_mm=-1.0)
