"""Denoisers of weighted images: those that ship take noise off, others are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from qsr_jax.checkpoint import CheckpointError
from qsr_jax.predictors.denoiser import REACH, load_denoiser
from qsr_jax.predictors.opened import is_denoiser
from qsr_jax.pretrained import shipped_models

SHIPPED = [name for name in shipped_models() if is_denoiser(name)]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_denoiser_takes_noise_off_and_leaves_the_rest(name, rng):
    """A head of three tissues, as sharp as pixels of 1 mm are, of no anatomy that it saw."""
    denoise, opened = load_denoiser(name)
    y, x = np.mgrid[:64, :64] / 32 - 1.0
    radius = np.hypot(y, 1.2 * x)
    clean = np.select([radius < 0.3, radius < 0.6, radius < 0.9], [0.9, 0.5, 0.7], 0.0)
    clean = gaussian_filter(clean, 0.7)[None]
    noise = rng.standard_normal(clean.shape)
    run = jax.jit(denoise)

    def left(sigma):
        noisy = jnp.asarray(clean + sigma * noise, jnp.float32)
        return float(np.std(run(noisy, jnp.float32(sigma)) - clean))

    assert left(0.1) < 0.5 * 0.1
    assert left(0.005) < 0.01  # within 1 % of bright where there is next to no noise
    still = jnp.asarray(clean, jnp.float32)
    np.testing.assert_array_equal(run(still, jnp.float32(0.0)), still)
    moved = np.asarray(run(still, jnp.float32(0.01))) - still
    assert np.abs(moved).max() <= REACH * 0.01 * 1.001  # what noise cannot explain stays
    assert opened.description.startswith("unet denoiser of weighted images, ")


def test_what_is_no_denoiser_is_refused():
    with pytest.raises(CheckpointError, match="expected a denoiser of weighted images, see"):
        load_denoiser("default")
