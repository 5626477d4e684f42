"""The paper's losses, equations 1-3, one value per sample.

Images are network scale (n, h, w, 1). Nothing is reduced over samples here: how a batch becomes one
number (mean or sum, over one device or eight) is said once, by the training step.
"""

import jax
import jax.numpy as jnp


def mae(sr: jax.Array, hr: jax.Array) -> jax.Array:
    """Equation 1: mean absolute error of each image, (n,)."""
    return jnp.abs(sr - hr).mean(axis=(1, 2, 3))


def adversarial(logits_fake: jax.Array) -> jax.Array:
    """Equation 2 before its sum over samples: -log D(G(x)), (n,), from the logits of D."""
    return jax.nn.softplus(-logits_fake)


def content(features_sr: jax.Array, features_hr: jax.Array) -> jax.Array:
    """Equation 3: mean squared difference of VGG features (n, h, w, c), one value per image."""
    return jnp.square(features_sr - features_hr).mean(axis=(1, 2, 3))


def discriminator(logits_real: jax.Array, logits_fake: jax.Array) -> jax.Array:
    """Binary cross-entropy of the discriminator on one real and one generated image, (n,)."""
    return jax.nn.softplus(-logits_real) + jax.nn.softplus(logits_fake)
