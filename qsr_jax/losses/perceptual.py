"""Distance of two images as a frozen network sees them."""

import jax
import jax.numpy as jnp


def content(features_sr: jax.Array, features_hr: jax.Array) -> jax.Array:
    """Equation 3: mean squared difference of VGG features (n, h, w, c), one value per image.

    Example:
        >>> import jax.numpy as jnp
        >>> content(jnp.full((1, 2, 2, 8), 2.0), jnp.zeros((1, 2, 2, 8))).tolist()
        [4.0]
    """
    return jnp.square(features_sr - features_hr).mean(axis=(1, 2, 3))
