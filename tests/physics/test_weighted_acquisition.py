"""What a study may say of itself, and how studies are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax.acquisition import NARROW, POSSIBLE, TYPICAL_MS, WIDE, check_acquisition, outside
from qsr_jax.physics.weighted_acquisition import draw_acquisition, known_or_typical


@pytest.mark.parametrize("ranges", [NARROW, WIDE])
def test_times_are_drawn_inside_their_ranges(ranges):
    drawn = np.asarray(draw_acquisition(jax.random.key(3), ranges, 2000))
    again = np.asarray(draw_acquisition(jax.random.key(3), ranges, 2000))
    np.testing.assert_array_equal(drawn, again)
    low, high = np.array(ranges).T
    assert (drawn >= low * (1 - 1e-6)).all() and (drawn <= high * (1 + 1e-6)).all()
    middle = np.log(drawn).mean(0)  # 5 standard errors of a uniform law's mean
    allowed = 5 * np.log(high / low) / np.sqrt(12 * len(drawn))
    assert (np.abs(middle - np.log(low * high) / 2) < allowed).all()
    for times in drawn[:50]:
        check_acquisition(times, where="drawn")


def test_ranges_hold_one_another():
    for narrow, wide, possible in zip(NARROW, WIDE, POSSIBLE, strict=True):
        assert possible[0] <= wide[0] <= narrow[0] < narrow[1] <= wide[1] <= possible[1]
    assert outside(np.array(TYPICAL_MS), NARROW) == ()
    beyond = np.array(TYPICAL_MS) * [1, 1, 1, 1, 1, 1, 1.4]
    assert outside(beyond, WIDE) == ("flair_ti_ms",)
    assert outside(np.where(np.arange(7) == 6, np.nan, beyond), WIDE) == ()


def test_unknown_times():
    times = np.array(TYPICAL_MS, np.float32)
    times[[1, 6]] = np.nan
    assert np.isnan(check_acquisition(times, where="here")[[1, 6]]).all()
    np.testing.assert_allclose(known_or_typical(jnp.asarray(times)), TYPICAL_MS, rtol=1e-6)


@pytest.mark.parametrize(
    ("index", "value", "message"),
    [
        (0, 0.53, "t1w_tr_ms is 0.53, expected 100 to 3000 ms; is it in seconds"),
        (6, 860.0, "flair_ti_ms is 860"),
        (5, 601.0, "flair_te_ms is 601"),
        (4, 3000.0, r"flair_te_ms \+ flair_ti_ms is 3100, expected less than flair_tr_ms 3000"),
        (2, 20001.0, "t2w_tr_ms"),
    ],
)
def test_impossible_times_are_refused(index, value, message):
    times = np.array(TYPICAL_MS)
    times[index] = value
    if index == 4:
        times[5:] = 100.0, 3000.0
    with pytest.raises(ValueError, match=message):
        check_acquisition(times, where="study")
    with pytest.raises(ValueError, match="expected 7"):
        check_acquisition(times[:6], where="study")
