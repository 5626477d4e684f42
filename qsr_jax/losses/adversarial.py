"""What a discriminator and its opponent minimise, one value per sample, from logits."""

import jax


def adversarial(logits_fake: jax.Array) -> jax.Array:
    """Equation 2 before its sum over samples: -log D(G(x)), (n,), from the logits of D.

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(adversarial(jnp.zeros(1))[0]), 4)  # -log 0.5
        0.6931
    """
    return jax.nn.softplus(-logits_fake)


def discriminator(logits_real: jax.Array, logits_fake: jax.Array) -> jax.Array:
    """Binary cross-entropy of the discriminator on one real and one generated image, (n,).

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(discriminator(jnp.zeros(1), jnp.zeros(1))[0]), 4)  # -2 log 0.5
        1.3863
    """
    return jax.nn.softplus(-logits_real) + jax.nn.softplus(logits_fake)
