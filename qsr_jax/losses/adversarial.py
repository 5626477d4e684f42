"""What a discriminator and its opponent minimise, one value per sample, from logits."""

import jax
import jax.numpy as jnp


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


def relativistic(
    logits: jax.Array, others: jax.Array, *, axis_name: str | None = None
) -> jax.Array:
    """What a player minimises whose images should look more real than the others' do, (n,).

    ``-log sigmoid(a - mean b) - log(1 - sigmoid(b - mean a))``: the discriminator with a the real
    and b the generated images' logits, the generator with the two exchanged (relativistic average:
    Jolicoeur-Martineau 2018, arXiv:1807.00734; ESRGAN, Wang 2018, arXiv:1809.00219, eq. 1-2).

    Args:
        logits: of the player's images, (n,).
        others: of the others, (n,).
        axis_name: device axis over which the means are shared, or None.

    Example:
        >>> import jax.numpy as jnp
        >>> round(float(relativistic(jnp.ones(2), jnp.zeros(2))[0]), 4)  # 2 softplus(-1)
        0.6265
    """
    means = jnp.stack([logits.mean(), others.mean()])
    if axis_name is not None:
        means = jax.lax.pmean(means, axis_name)
    return jax.nn.softplus(means[1] - logits) + jax.nn.softplus(others - means[0])
