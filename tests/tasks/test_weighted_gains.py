"""Gains of contrasts are found from maps that are nearly right, and planted ones come back."""

import numpy as np
from weighted_fixtures import TYPICAL, disc

from qsr_jax.tasks.weighted_gains import fitted_gains

PLANTED = np.array([[3.0, 1.0, 0.4], [0.5, 2.0, 1.7]])


def fitted(maps, images, brain, **given):
    times = np.repeat(given.pop("times", TYPICAL)[None], len(images), 0)
    return fitted_gains(images, maps, brain, times, **given)


def test_planted_gains_come_back_of_every_study():
    """Over that of T2w; where water folds and noise is not tissue's, water does not count."""
    truth, brain, images = disc()
    seen = images * PLANTED[:, None, None]
    seen[truth[..., 0] > 4000] *= (2.0, 1.0, 5.0)
    found = fitted(truth, seen, brain, studies=np.array([0, 1]))
    np.testing.assert_allclose(found, PLANTED / PLANTED[:, 1:2], rtol=1e-4)


def test_maps_that_are_wrong_of_all_tissue_alike_leave_their_error_in_the_gain():
    """T1 10 % too long darkens T1w by 6 %: 600 / 900 of its recovery's exponent, to first order."""
    truth, brain, images = disc()
    wrong = truth * np.array((1.1, 1.0, 1.0), np.float32)
    gain = fitted(wrong, images, brain)[0]
    assert 1.02 < gain[0] < 1.10 and gain[1] == 1.0


def test_where_nothing_tells_a_gain_there_is_none():
    truth, brain, images = disc()
    hidden = TYPICAL.copy()
    hidden[0] = np.nan
    assert np.isnan(fitted(truth, images, brain, times=hidden)).all()
    assert np.isnan(fitted(truth, images, brain & (truth[..., 0] > 4000))).all()
    assert np.isnan(fitted(truth, images * (1.0, 1.0, 0.0), brain)).all()
