"""The strength of a prior from samples that are held out."""

import numpy as np
import pytest
import small_fingerprints as small

from qsr_jax.reconstruct import strength
from qsr_jax.reconstruct.head import Method
from qsr_jax.reconstruct.strength import Tried, choose_strength


def chosen(start, snr_db=30.0):
    samples = small.samples(8, 4, snr_db)[0]
    return choose_strength(
        samples, small.scan(8), small.DICTIONARY(), Method("lrtv").images, start=start
    )


def test_the_strength_is_nearly_as_good_as_one_tuned_on_the_truth():
    """Within 10 % of the least error of maps, though it looks at samples alone.

    It finds 6.5e-3 here, whose error is 6 % above that of 8e-3: edges count more in samples than in
    the mean error of maps.
    """
    found, tried = chosen(4e-3)
    assert [one.strength for one in tried] == [2e-3, 4e-3, 8e-3, 1.6e-2]
    inside = small.head()[1]["white"] | small.head()[1]["rim"]

    def error(weight):
        maps, _ = Method("lrtv").solve(small.problem(8), small.DICTIONARY(), weight)
        return small.errors(maps, inside).sum()

    assert error(found) < 1.10 * min(error(weight) for weight in (4e-3, 8e-3, 1.6e-2))
    assert chosen(4e-3, 15.0)[0] > 1.3 * found  # more noise wants a stronger prior


def test_the_bottom_lies_between_what_was_tried():
    at = [Tried(s, (np.log(s) - np.log(2.5)) ** 2) for s in (1.0, 2.0, 4.0)]
    assert strength._bottom(at) == pytest.approx(2.5)
    assert strength._bottom(at[:2]) == 2.0  # at an end


def test_too_few_frames():
    with pytest.raises(ValueError, match="4 frames; expected at least 10"):
        strength._held_out(4)
