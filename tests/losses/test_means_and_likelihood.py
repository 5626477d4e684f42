"""Losses of means, of parts of a value and of likelihood: by hand, and what they do not see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax import losses
from qsr_jax.losses import LOSSES
from qsr_jax.losses.likelihood import LEAST_LOG_SPREAD
from qsr_jax.losses.means import REGION_PIXELS

LIKELIHOODS = [name for name, loss in LOSSES.items() if loss.kind == "likelihood"]
NAMES = ("t1", "t2", "pd")


def noisy(rng, n=2, side=40):
    """White matter left, grey matter right, fluid below; and the same with noise of mean 0."""
    maps = np.tile(np.float32([800.0, 80.0, 70.0]), (n, side, side, 1))
    maps[:, :, side // 2 :] = [1300.0, 95.0, 80.0]
    maps[:, side // 2 :] = [3500.0, 1500.0, 99.0]
    noise = rng.standard_normal(maps.shape).astype(np.float32) * maps * 0.02
    return jnp.asarray(maps), jnp.asarray(maps + noise)


# --- parts of a value -----------------------------------------------------------------------------


def test_relative_and_log_errors_do_not_depend_on_the_map():
    maps = jnp.broadcast_to(jnp.array([800.0, 80.0, 70.0]), (1, 3, 3, 3))
    for value in (losses.relative_error, losses.log_error):
        parts = [float(value(m * 1.1, m, names=(n,))[0]) for m, n in zip(
            jnp.split(maps, 3, -1), NAMES, strict=True)]  # fmt: skip
        assert parts == pytest.approx([0.1] * 3, rel=0.12)  # the floors: 50 ms of 800, 5 of 80
        assert float(value(maps * 1.1, maps, names=NAMES)[0]) == pytest.approx(np.mean(parts))


def test_air_costs_little_and_has_a_finite_gradient():
    air = jnp.zeros((1, 3, 3, 3))
    for value in (losses.relative_error, losses.log_error):
        assert np.isfinite(value(air + 1.0, air, names=NAMES)).all()
        assert np.isfinite(
            jax.grad(lambda x, v=value: v(x, air, names=NAMES).sum())(air - 1.0)
        ).all()


# --- means ----------------------------------------------------------------------------------------


def test_noise_of_a_target_costs_means_little_and_a_bias_all_of_itself(rng):
    """40 x 40 pixels with 2 % of noise: means of 100 pixels and more move by 0.2 % at most."""
    maps, target = noisy(rng)
    for value in (losses.tissues, losses.value_bins):
        alone = float(value(maps, target, names=NAMES).max())
        biased = float(value(1.03 * maps, target, names=NAMES).min())
        assert alone < 0.003
        assert biased == pytest.approx(0.03, abs=0.004)
    pixels = float(losses.relative_error(maps, target, names=NAMES).min())
    assert pixels > 0.014  # sqrt(2 / pi) of 2 %, where means cost a fifth of it


def test_regions_are_tiles_that_count_as_their_pixels_do():
    sr, hr = jnp.zeros((1, REGION_PIXELS + 4, REGION_PIXELS, 1)), 0.0
    sr = sr.at[:, :REGION_PIXELS].set(1.0).at[:, REGION_PIXELS:].set(-2.0)
    expected = (1.0 * REGION_PIXELS + 2.0 * 4) / (REGION_PIXELS + 4)
    assert float(losses.regions(sr, hr + 0 * sr)[0]) == pytest.approx(expected)
    weights = jnp.zeros_like(sr).at[:, 0, 0].set(1.0)
    assert float(losses.regions(sr, hr + 0 * sr, weights)[0]) == 1.0


def test_a_tissue_that_is_not_there_does_not_count():
    white = jnp.full((1, 4, 4, 1), 800.0)
    assert float(losses.tissues(1.1 * white, white, names=("t1",))[0]) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="'tissues' tells tissues by T1; the maps are t2, pd"):
        losses.tissues(white, white, names=("t2", "pd"))


def test_bins_are_of_what_the_network_says():
    """Targets scatter over two bins, the network says one value: no bias, so no cost."""
    said = jnp.full((1, 1, 4, 1), 590.0)
    target = said + jnp.array([20.0, -20.0, 40.0, -40.0]).reshape(1, 1, 4, 1)
    np.testing.assert_allclose(losses.value_bins(said, target, names=("t1",)), 0.0, atol=1e-6)
    swapped = float(losses.value_bins(target, said, names=("t1",))[0])
    assert swapped > 0.04, "a network that scatters is wrong in both bins"


# --- likelihood -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_the_least_cost_is_the_true_spread_of_its_law(name, rng):
    """20000 draws know their standard deviation to 1 %; costs are compared 10 % beside it."""
    sigma, shape = 0.05, (1, 100, 200, 1)
    draw = rng.standard_normal if name == "gaussian" else lambda n: rng.laplace(0, 0.5**0.5, n)
    target = jnp.asarray(sigma * draw(shape), jnp.float32)
    mean = jnp.zeros(shape)
    costs = [
        float(LOSSES[name].values(mean, jnp.full(shape, np.log(f * sigma)), target)[0])
        for f in (0.9, 1.0, 1.1)
    ]
    assert costs[1] < min(costs[0], costs[2])


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_likelihood_is_one_value_per_sample_within_its_weights(name, rng):
    values = LOSSES[name].values
    mean, target, spread = (
        jnp.asarray(rng.standard_normal((3, 6, 5, 2)), jnp.float32) for _ in range(3)
    )
    assert values(mean, spread, target).shape == (3,)
    weights = jnp.zeros((3, 6, 5, 1)).at[:, 2:4].set(1.0)
    inside = values(mean[:, 2:4], spread[:, 2:4], target[:, 2:4])
    np.testing.assert_allclose(values(mean, spread, target, weights), inside, rtol=1e-5)
    np.testing.assert_array_equal(values(mean, spread, target, 0 * weights), 0.0)


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_spread_below_the_floor_costs_what_the_floor_costs(name):
    zero = jnp.zeros((1, 2, 2, 1))
    values = LOSSES[name].values
    np.testing.assert_array_equal(values(zero, zero - 99.0, zero), values(
        zero, zero + LEAST_LOG_SPREAD, zero))  # fmt: skip
    gradient = jax.grad(lambda s: values(zero, s, zero + 0.1).sum())(zero - 99.0)
    assert np.isfinite(gradient).all()
