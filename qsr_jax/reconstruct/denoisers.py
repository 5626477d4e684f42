"""The denoiser contract, and two that need no training.

A denoiser takes images (n, y, x), most of whose values lie between 0 and 1, and the standard
deviation of their noise, and gives the images without it; at 0 it gives them back. It knows nothing
of the sequence that made an image, or of the coils.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from qsr_jax.reconstruct.total_variation import smooth_total_variation

Denoiser = Callable[[jax.Array, jax.Array], jax.Array]
"""``(x, sigma) -> x``."""

VARIATION_PER_SIGMA = 0.5
"""Strength of the total variation over the noise's standard deviation."""


def identity(images: jax.Array, sigma: jax.Array) -> jax.Array:
    """No prior at all: the images as they are."""
    del sigma
    return images


def total_variation(images: jax.Array, sigma: jax.Array) -> jax.Array:
    """Total variation as a denoiser."""
    return smooth_total_variation(images, VARIATION_PER_SIGMA * sigma)


def denoised(
    denoiser: Denoiser, images: jax.Array, sigma: jax.Array, turn: jax.Array | int
) -> jax.Array:
    """What a denoiser makes of images in one of four orientations, turned back.

    Args:
        denoiser: to call.
        images: (n, y, x).
        sigma: the noise's standard deviation.
        turn: 0 shows the images as they are, 1 flipped along y, 2 along x, 3 along both, and so on.
            A loop that counts it up averages what a trained denoiser does to one orientation alone.
    """
    return _turned(denoiser(_turned(images, turn), sigma), turn)


def _turned(images: jax.Array, turn: jax.Array | int) -> jax.Array:
    """Flipped images; twice gives them back."""
    turn = jnp.asarray(turn)
    images = jnp.where(turn % 2 == 1, jnp.flip(images, -2), images)
    return jnp.where(turn // 2 % 2 == 1, jnp.flip(images, -1), images)
