"""The strength of a prior from samples that are held out."""

import numpy as np
import pytest
import small_fingerprints as small
from scipy import ndimage

from qsr_jax.reconstruct import series, strength
from qsr_jax.reconstruct.strength import Tried, choose_strength


def variation(problem, dictionary, weight):
    del dictionary
    return series.lrtv_images(problem, weight)


def chosen(start, snr_db=30.0):
    samples = small.samples(8, 4, snr_db)[0]
    return choose_strength(samples, small.scan(8), small.DICTIONARY(), variation, start=start)


def test_the_strength_is_as_good_as_one_tuned_on_the_truth():
    """Within 5 % of the least error of strengths that the truth chooses among, from afar."""
    found, tried = chosen(1.6e-2)
    assert len(tried) <= strength.MOST_TRIED
    inside = np.any([ndimage.binary_erosion(small.head()[1][n]) for n in ("white", "rim")], 0)

    def error(weight):
        maps = series.lrtv(small.problem(8), small.DICTIONARY(), strength=weight)
        return small.errors(maps, inside).sum()

    best = min(error(weight) for weight in (5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2))
    assert error(found) < 1.05 * best


def test_more_noise_wants_a_stronger_prior():
    assert chosen(4e-3, 15.0)[0] > 1.3 * chosen(4e-3)[0]


def test_the_bottom_lies_between_what_was_tried():
    at = [Tried(s, (np.log(s) - np.log(3.0)) ** 2) for s in (1.0, 2.0, 4.0)]
    assert strength._bottom(at) == pytest.approx(3.0)
    assert strength._bottom(at[:2]) == 2.0  # at an end


def test_too_few_frames():
    with pytest.raises(ValueError, match="4 frames; expected at least 10"):
        strength._held_out(4)
