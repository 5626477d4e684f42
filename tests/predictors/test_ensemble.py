"""An ensemble is the equal mixture of its members, and refuses what is no mixture."""

import dataclasses

import numpy as np
import pytest
from small_predictors import Doubler, geometry, scan, small_predictor

from qsr_jax.predictors import MismatchError
from qsr_jax.predictors.ensemble import Ensemble, ensemble
from qsr_jax.types import Prediction

OFFSETS, SPREADS = (-4.0, 1.0, 12.0), (1.0, 2.0, 2.0)


def constant(mean, std=None, *, place=None, names=("t1",), clamped=None):
    """A predictor that says the same everywhere."""
    place = place or geometry()
    full = lambda value: np.full((*place.shape, 1), value, np.float32)  # noqa: E731
    said = Prediction(full(mean), None if std is None else full(std), names, place, clamped)
    return lambda volume: said


@pytest.mark.parametrize("spreads", [(None,) * 3, SPREADS], ids=["exact members", "with spreads"])
def test_mean_and_variance_are_those_of_the_mixture(spreads, rng):
    """Section 2.4: mean of variances, plus mean of squares minus square of the mean (ddof 0)."""
    members = [Doubler(offset=o, spread=s) for o, s in zip(OFFSETS, spreads, strict=True)]
    volume = scan(rng)
    made = ensemble(members)(volume)
    means = np.stack([member(volume).mean for member in members]).astype(np.float64)
    variances = np.square([s or 0.0 for s in spreads])
    expected = variances.mean() + (means**2).mean(0) - means.mean(0) ** 2
    np.testing.assert_allclose(made.mean, means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(made.std, np.sqrt(expected), rtol=1e-5)
    assert made.std.dtype == made.mean.dtype == np.float32
    assert (made.names, made.geometry) == (volume.names, members[0](volume).geometry)


def test_draws_of_the_mixture_spread_as_it_says(rng):
    """A sample of 200 000 from the members' normal distributions, without the formula."""
    made = ensemble([constant(m, s) for m, s in zip(OFFSETS, SPREADS, strict=True)])(scan(rng))
    which = rng.integers(0, 3, 200_000)
    drawn = rng.normal(np.array(OFFSETS)[which], np.array(SPREADS)[which])
    assert made.std[0, 0, 0, 0] == pytest.approx(drawn.std(), rel=0.01)
    assert made.mean[0, 0, 0, 0] == pytest.approx(drawn.mean(), abs=0.05)


def test_members_that_agree_have_no_spread_and_order_does_not_matter(rng):
    volume = scan(rng)
    assert ensemble([Doubler(), Doubler()])(volume).std.max() == 0
    members = [Doubler(offset=offset) for offset in OFFSETS]
    forth, back = ensemble(members)(volume), ensemble(members[::-1])(volume)
    np.testing.assert_allclose(forth.std, back.std, rtol=1e-6)


def test_what_members_clamped_is_counted_in_the_mean(rng):
    counts = [(0,), (3,), (1,)]
    made = ensemble([constant(1.0, clamped=count) for count in counts])(scan(rng))
    assert made.clamped == (2,)
    assert ensemble([constant(1.0), constant(2.0)])(scan(rng)).clamped is None


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ([constant(1), constant(1, names=("t2",))], "make t1 and t2; expected the same maps"),
        ([constant(1), constant(1, place=geometry(4))], "expected one grid"),
        ([constant(1), constant(1, 1.0)], "some members of an ensemble know their standard"),
    ],
)
def test_members_that_cannot_be_averaged_are_refused(members, match, rng):
    with pytest.raises(MismatchError, match=match):
        ensemble(members)(scan(rng))


@pytest.mark.parametrize("members", [[], [Doubler()]])
def test_one_is_no_ensemble(members):
    with pytest.raises(MismatchError, match="expected 2 or more"):
        ensemble(members)


class TestTrained:
    """Trained networks as one trained predictor."""

    def test_says_who_it_is(self, rng):
        members = tuple(small_predictor(seed=seed) for seed in (0, 1))
        both = Ensemble(members)
        assert both.description == "srgan t1, 10 training steps, ensemble of 2"
        assert (both.names, both.notes) == (("t1",), ("drawn weights",))
        assert both.weights_sha256 == Ensemble(members[::-1]).weights_sha256
        assert both.weights_sha256 not in {member.weights_sha256 for member in members}
        made = both(scan(rng))
        assert made.std.max() > 1 and made.clamped == (0,)

    def test_checks_every_member(self, rng):
        other = dataclasses.replace(small_predictor(seed=1), lr_shape=(8, 8))
        with pytest.raises(MismatchError, match="trained on 8 x 8"):
            Ensemble((small_predictor(), other)).check(scan(rng))

    @pytest.mark.parametrize(
        ("members", "match"),
        [
            ((Doubler(), Doubler(names=("t2",))), "make t1 and t2; expected the same maps"),
            ((Doubler(), Doubler()), "same weights are given twice"),
            ((Doubler(),), "expected 2 or more"),
        ],
    )
    def test_refuses_at_once(self, members, match):
        with pytest.raises(MismatchError, match=match):
            Ensemble(members)
