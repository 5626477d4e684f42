"""How sure means are: errors of known correlation give back the law they were made with."""

import numpy as np
import pytest
from scipy import ndimage

from qsr_jax.mean_law import MeanLaw
from qsr_jax.tasks.mean_spread import MeanTally
from qsr_jax.types import Geometry, Prediction

SHARED, SIDE, SLICES = 0.05, 3, 160


def errors(rng, count, side=96):
    """Slices of errors of variance 1: a part common to the slice, the rest alike in patches of 9.

    A moving average over 3 x 3 makes means over n voxels scatter as if n / 9 of them were apart.
    """
    noise = ndimage.uniform_filter(rng.standard_normal((count, side, side)), (0, SIDE, SIDE))
    common = np.sqrt(SHARED) * rng.standard_normal((count, 1, 1))
    return np.sqrt(1.0 - SHARED) * SIDE * noise + common


def tally(rng, std, *, count=SLICES, names=("pd",)):
    off = errors(rng, count)[..., None].repeat(len(names), -1)
    found, wanted = MeanTally(names), np.full(off.shape, 70.0)
    found.add(wanted + off, np.full(off.shape, std), wanted, np.ones(off.shape[:3], bool))
    return found


def test_the_law_of_planted_errors_is_found(rng):
    """What 160 slices have in common is known to 11 %, its square to 22 %.

    The law is not the moving average's own at sizes near the patch; far beyond it means over n
    voxels scatter as n / 9 that have nothing in common.
    """
    law = tally(rng, 1.0).laws()["pd"]
    for count in (256, 1024, 4096):
        expected = SHARED + (1.0 - SHARED) * 9.0 / count
        assert law.ratio(count) == pytest.approx(expected, rel=0.4)
    assert law.power >= 0.8
    careful = tally(rng, 2.0).laws()["pd"]
    for count in (16, 256, 4096):
        assert careful.ratio(count) < 0.5 * law.ratio(count), "voxels that are too careful"


def test_intervals_of_means_cover_95_percent(rng):
    """Of regions that are no tiles: discs of radius 3 to 15 in fresh slices; 480 know it to 1 %."""
    law = tally(rng, 1.0).laws()["pd"]
    fresh, inside = errors(rng, 480), []
    down, across = np.ogrid[:96, :96]
    for off, (radius, y, x) in zip(
        fresh, rng.uniform((3, 20, 20), (15, 76, 76), (480, 3)), strict=True
    ):
        disc = np.hypot(down - y, across - x) <= radius
        inside.append(abs(off[disc].mean()) <= 1.96 * np.sqrt(law.ratio(int(disc.sum()))))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.03)


def test_tissues_are_kept_apart_and_too_few_places_are_all_in_common(rng):
    """An error that is the tissue's own averages out over two tissues, not over one of them."""
    names = ("t1",)
    tissue = np.indices((1, 64, 64)).sum(0) % 2
    wanted = np.where(tissue == 1, 800.0, 1300.0)[..., None].repeat(60, 0)
    off = rng.choice([-10.0, 10.0], (60, 1, 1, 1)) * np.where(tissue == 1, 1.0, -1.0)[..., None]
    found = MeanTally(names)
    found.add(wanted + off, np.full(off.shape, 10.0), wanted, np.ones(off.shape[:3], bool))
    assert found.laws()["t1"].ratio(2000) > 0.2
    nothing = MeanTally(names)
    nothing.add(wanted[:1], wanted[:1], wanted[:1], np.zeros((1, 64, 64), bool))
    assert nothing.laws()["t1"] == MeanLaw(1.0, 1.0)


def prediction(**changes):
    place = Geometry((0.0,) * 3, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (5.0, 1.0, 1.0), (1, 4, 4))
    mean = np.ones((1, 4, 4, 2), np.float32)
    words = {"std": mean * np.float32([3.0, 4.0]), "mean_laws": (MeanLaw(0.0, 1.0), MeanLaw(1, 1))}
    return Prediction(mean, names=("t1", "t2"), geometry=place, **(words | changes))


def test_a_prediction_tells_how_sure_its_means_are():
    inside = np.zeros((1, 4, 4), bool)
    inside[0, :3, :3] = True
    np.testing.assert_allclose(prediction().std_of_mean(inside), [1.0, 4.0], rtol=1e-6)
    one = prediction().select(("t2",))
    assert (one.mean_laws, one.std_of_mean(inside)) == ((MeanLaw(1, 1),), [4.0])
    with pytest.raises(ValueError, match="a mean over no voxel"):
        prediction().std_of_mean(np.zeros((1, 4, 4), bool))
    for missing in ({"std": None}, {"mean_laws": None}):
        with pytest.raises(ValueError, match="does not tell how sure a mean is"):
            prediction(**missing).std_of_mean(inside)
    with pytest.raises(ValueError, match="1 laws of means, expected one for"):
        prediction(mean_laws=(MeanLaw(0.0, 1.0),))
    for bad in ((1.1, 2.0), (0.5, 0.5), (float("nan"), 2.0), (0.5, 2.0, 0.0)):
        with pytest.raises(ValueError, match="law of a mean with shared"):
            MeanLaw(*bad)
