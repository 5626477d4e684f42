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


def over_flips(denoiser: Denoiser) -> Denoiser:
    """The mean of what a denoiser makes of images and of their three flips, turned back.

    What a trained one does to one orientation alone is averaged; it costs four times as much.
    """

    def averaged(images: jax.Array, sigma: jax.Array) -> jax.Array:
        flips = [(), (-1,), (-2,), (-2, -1)]
        seen = denoiser(jnp.concatenate([jnp.flip(images, axes) for axes in flips]), sigma)
        parts = zip(seen.reshape(len(flips), *images.shape), flips, strict=True)
        return jnp.mean(jnp.stack([jnp.flip(part, axes) for part, axes in parts]), axis=0)

    return averaged
