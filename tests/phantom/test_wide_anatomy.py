"""Wide anatomies: water comes and goes, cortex refolds, the head keeps its shape."""

import numpy as np
import pytest

from qsr_jax.phantom import wide_anatomy
from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.wide_anatomy import GREY, WHITE, vary_anatomy

SIDE, PLANES, SURE = 60, 5, 12.0
WHITE_MM, BRAIN_MM, RIM_AT_MM = 12, 18, 26


@pytest.fixture
def ball():
    """A disc of white matter in cortex in 8 mm of water, in nothing."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    radius = np.broadcast_to(np.hypot(y, x), (PLANES, SIDE, SIDE))
    odds = np.full((len(BODY_CLASSES), *radius.shape), -SURE, np.float32)
    for name, low, high in (
        ("white", -1, WHITE_MM), ("cortex", WHITE_MM, BRAIN_MM), ("csf", BRAIN_MM, RIM_AT_MM)
    ):  # fmt: skip
        odds[BODY_CLASSES.index(name)][(radius > low) & (radius <= high)] = SURE
    mni_mm = np.zeros((*radius.shape, 3), np.float32)
    nuclei = np.zeros((1, 5, SIDE, SIDE), np.float32)
    return Body(odds, radius < RIM_AT_MM, mni_mm, nuclei, {"head_size": 1.0})


def area(body, name):
    """Points of a class, mean over planes."""
    void = np.zeros((1, *body.log_odds.shape[1:]), np.float32)
    winner = np.argmax(np.concatenate([body.log_odds, void]), axis=0)
    return (winner == BODY_CLASSES.index(name)).sum() / PLANES


def fixed(monkeypatch, **values):
    """Ranges of one value each."""
    usual = {
        "WATER_LOGIT": 0.0,
        "FOLD_LOGIT": 0.0,
        "FOLD_MM": 2.0,
        "SULCUS_BELOW": 99.0,
        "BELT_MM": 99.0,
        "RIM_MM": 99.0,
    }
    for name, value in (usual | values).items():
        monkeypatch.setattr(wide_anatomy, name, (value, value))


def test_nothing_changes_where_nothing_is_drawn(ball, monkeypatch, rng):
    fixed(monkeypatch)
    same = vary_anatomy(rng, ball)
    np.testing.assert_allclose(same.log_odds, ball.log_odds, atol=1e-5)


@pytest.mark.parametrize("rim_mm", [0.0, 3.0])
def test_the_rim_is_as_wide_as_drawn(ball, monkeypatch, rng, rim_mm):
    fixed(monkeypatch, RIM_MM=rim_mm)
    found = vary_anatomy(rng, ball)
    width = np.sqrt((area(found, "csf") + np.pi * BRAIN_MM**2) / np.pi) - BRAIN_MM
    # certain water takes some slope to end, and distances are those of pixels
    assert width == pytest.approx(rim_mm + SURE / wide_anatomy.RIM_SLOPE, abs=1.0)
    assert area(found, "cortex") == area(ball, "cortex")


def test_less_weight_of_water_leaves_less_of_it(ball, monkeypatch, rng):
    ball.log_odds[BODY_CLASSES.index("cortex")][ball.log_odds[0] > 0] = SURE - 8.0
    areas = []
    for weight in (0.3, -2.0):
        fixed(monkeypatch, WATER_LOGIT=weight)
        areas.append(area(vary_anatomy(rng, ball), "csf"))
    assert areas[0] == area(ball, "csf") and areas[1] == 0


@pytest.fixture
def doubtful(ball):
    """The same, where grey and white matter are less sure of each other."""
    for tissue in (GREY, WHITE):
        other = ball.log_odds[GREY + WHITE - tissue] > 0
        ball.log_odds[tissue][other] = SURE - 4.0
    return ball


def test_folds_trade_white_for_grey_and_nothing_else(doubtful, monkeypatch, rng):
    fixed(monkeypatch, FOLD_LOGIT=2.0)
    old, new = doubtful.log_odds, vary_anatomy(rng, doubtful).log_odds
    both = [np.logaddexp(one[GREY], one[WHITE]) for one in (old, new)]
    np.testing.assert_allclose(*both, atol=1e-3)
    swapped = (new[WHITE] > new[GREY]) != (old[WHITE] > old[GREY])
    assert 0.1 < swapped[both[0] > 0].mean() < 0.6
    np.testing.assert_array_equal(new[3:], old[3:])


def test_sulci_open_where_the_field_is_lowest(doubtful, monkeypatch, rng):
    fixed(monkeypatch, FOLD_LOGIT=2.0, SULCUS_BELOW=1.5)
    more = area(vary_anatomy(rng, doubtful), "csf") - area(doubtful, "csf")
    # 6.7 % of a normal field lie 1.5 standard deviations below its mean
    assert 0.03 < more / (np.pi * BRAIN_MM**2) < 0.11


def test_what_was_drawn_is_said(ball):
    drawn = [vary_anatomy(np.random.default_rng(seed), ball).traits for seed in range(20)]
    for name, limits in (
        ("water_weight", "WATER_LOGIT"), ("fold_weight", "FOLD_LOGIT"), ("fold_mm", "FOLD_MM"),
        ("sulcus_below", "SULCUS_BELOW"), ("belt_mm", "BELT_MM"), ("rim_mm", "RIM_MM"),
    ):  # fmt: skip
        low, high = getattr(wide_anatomy, limits)
        values = [traits[name] for traits in drawn]
        assert low <= min(values) < max(values) <= high
        assert max(values) - min(values) > 0.5 * (high - low)
    assert all(traits["head_size"] == 1.0 for traits in drawn)
    empty = np.full_like(ball.log_odds, -SURE)
    bare = vary_anatomy(
        np.random.default_rng(0), Body(empty, ball.inside, ball.mni_mm, ball.nuclei, {})
    )
    assert (bare.log_odds < 0).all()
