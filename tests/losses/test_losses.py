"""Laws of every loss in the table, and what each is by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qsr_jax import losses
from qsr_jax.losses import LOSSES
from qsr_jax.losses.pixel import EPSILON
from qsr_jax.physics.synthetic_contrast import SEQUENCES, weighted

NAMES = ("t1", "t2", "pd")
TISSUE = jnp.array([900.0, 90.0, 75.0])


def call(name, sr, hr, weights=None):
    """Any loss on images; ``maps`` losses take them as parts of a tissue's values."""
    loss = LOSSES[name]
    if loss.kind == "maps":
        return loss.values(TISSUE * (1.5 + sr), TISSUE * (1.5 + hr), weights, names=NAMES)
    if loss.kind == "features":
        return loss.values(sr, hr)
    return loss.values(sr, hr, weights)


DISTANCES = [name for name, loss in LOSSES.items() if loss.kind in ("pixel", "maps", "features")]
OF_PIXELS = [name for name, loss in LOSSES.items() if loss.kind in ("pixel", "maps")]
"""Likelihoods are no distances, consistency with a measurement takes two grids: see the files
beside this one."""


@pytest.fixture
def images(rng):
    return [jnp.asarray(rng.uniform(-1, 1, (3, 5, 4, 3)), jnp.float32) for _ in range(2)]


@pytest.mark.parametrize("name", DISTANCES)
def test_one_value_per_sample_zero_at_equality_and_batch_is_stacked_singles(name, images):
    a, b = images
    assert call(name, a, b).shape == (3,)
    np.testing.assert_array_equal(call(name, a, a), 0.0)
    assert (np.asarray(call(name, a, b)) > 0).all()
    stacked = jnp.stack([call(name, a[i : i + 1], b[i : i + 1])[0] for i in range(3)])
    np.testing.assert_allclose(call(name, a, b), stacked, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(call, static_argnums=0)(name, a, b), stacked, rtol=1e-5)


@pytest.mark.parametrize("name", DISTANCES)
def test_the_gradient_is_finite_also_at_equality(name, images):
    for other in images:
        gradient = jax.grad(lambda x, o=other: call(name, x, o).sum())(images[0])
        assert np.isfinite(gradient).all()
    assert float(jnp.abs(gradient).max()) > 0


@pytest.mark.parametrize("name", OF_PIXELS)
def test_pixels_without_weight_do_not_count(name, images):
    """Nonsense outside changes nothing; weights of 1 everywhere are no weights; none gives 0."""
    a, b = images
    weights = jnp.zeros((3, 5, 4, 1)).at[:, 1:3].set(1.0)
    inside = call(name, a[:, 1:3], b[:, 1:3])
    np.testing.assert_allclose(call(name, a, b, weights), inside, rtol=1e-5)
    np.testing.assert_allclose(
        call(name, a.at[:, 4].set(0.9), b, weights), call(name, a, b, weights), rtol=1e-6
    )
    np.testing.assert_allclose(
        call(name, a, b, jnp.ones_like(weights)), call(name, a, b), rtol=1e-5
    )
    np.testing.assert_array_equal(call(name, a, b, jnp.zeros_like(weights)), 0.0)


@pytest.mark.parametrize(("name", "power"), [("mae", 1), ("mse", 2), ("vgg", 2)])
def test_scaling(name, power, images):
    a, b = images
    np.testing.assert_allclose(call(name, 3 * a, 3 * b), 3.0**power * call(name, a, b), rtol=1e-5)


def test_charbonnier_is_square_when_small_and_absolute_when_large():
    zero = jnp.zeros((1, 1, 1, 1))
    small, large = 1e-2 * EPSILON, 1e3 * EPSILON
    value = float(losses.charbonnier(zero + small, zero)[0])
    assert value == pytest.approx(small**2 / (2 * EPSILON), rel=2e-2)
    assert float(losses.charbonnier(zero + large, zero)[0]) == pytest.approx(large, rel=2e-3)


def test_contrast_consistency_is_the_difference_of_the_synthetic_images():
    sr = jnp.broadcast_to(TISSUE, (1, 2, 2, 3))
    hr = sr.at[..., 1].set(100.0)
    images = [weighted(x[..., 0], x[..., 1], x[..., 2], SEQUENCES["t2w"]) for x in (sr, hr)]
    expected = float(jnp.abs(images[0] - images[1]).mean()) / 100.0
    assert float(losses.contrast_consistency(sr, hr, names=NAMES)[0]) == pytest.approx(expected)
    swapped = losses.contrast_consistency(sr[..., ::-1], hr[..., ::-1], names=NAMES[::-1])
    assert float(swapped[0]) == pytest.approx(expected)


def test_contrast_consistency_has_a_finite_gradient_in_air():
    air = jnp.zeros((1, 2, 2, 3))
    loss = lambda x: losses.contrast_consistency(x, air + TISSUE, names=NAMES).sum()  # noqa: E731
    for maps in (air, -5.0 + air, 1e-30 + air):
        assert np.isfinite(jax.grad(loss)(maps)).all()


@pytest.mark.parametrize(
    ("names", "sequence", "message"),
    [
        (("t1", "pd"), "t2w", "needs t1, t2 and pd; the maps are t1, pd"),
        (NAMES, "t9w", "sequence 't9w' is not one of t1w"),
    ],
)
def test_what_a_synthetic_image_cannot_be_made_of_is_refused(names, sequence, message):
    maps = jnp.ones((1, 2, 2, len(names)))
    with pytest.raises(ValueError, match=message):
        losses.contrast_consistency(maps, maps, names=names, sequence=sequence)


def test_adversarial_losses_are_the_cross_entropies_of_the_sigmoid():
    logits = jnp.array([-3.0, 0.0, 2.0])
    p = 1 / (1 + np.exp(-np.asarray(logits)))
    np.testing.assert_allclose(losses.adversarial(logits), -np.log(p), rtol=1e-6)
    both = losses.discriminator(logits, -logits)
    np.testing.assert_allclose(both, -np.log(p) - np.log(1 - (1 - p)), rtol=1e-5)


def test_adversarial_losses_stay_finite_where_the_sigmoid_saturates():
    assert np.isfinite(losses.adversarial(jnp.array([-200.0, 200.0]))).all()
    assert float(jax.grad(lambda x: losses.adversarial(x).sum())(jnp.array([-200.0]))[0]) == -1.0


def test_relativistic_losses_compare_with_the_mean_of_the_others():
    """ESRGAN, equations 1 and 2, written with sigmoids; over two devices as over one."""
    real, fake = jnp.array([2.0, -1.0, 0.5, 1.0]), jnp.array([-0.5, 1.0, 0.0, -2.0])
    sigmoid = lambda x: 1 / (1 + np.exp(-np.asarray(x)))  # noqa: E731
    expected = -np.log(sigmoid(real - fake.mean())) - np.log(1 - sigmoid(fake - real.mean()))
    np.testing.assert_allclose(losses.relativistic(real, fake), expected, rtol=1e-5)
    shared = jax.vmap(lambda a, b: losses.relativistic(a, b, axis_name="batch"), axis_name="batch")
    halves = shared(real.reshape(2, 2), fake.reshape(2, 2))
    np.testing.assert_allclose(halves.ravel(), expected, rtol=1e-5)
    assert float(losses.relativistic(real + 9.0, fake).sum()) < float(expected.sum())
