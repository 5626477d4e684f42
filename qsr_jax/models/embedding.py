"""What a network is told of a scan, and how the told changes what it does (FiLM).

A scan's times and flags become one vector, which scales and shifts the features of every block
(Perez 2018, FiLM, arXiv:1709.07871). Numbers come as logarithms of their ratio to usual values, so
that 0 is usual; beside the value its sines and cosines stand, which let a small network follow it.
A thumbnail of the whole slice stands for what a crop cannot show: how bright tissues are elsewhere.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

TOLD_FEATURES = 64
"""Width of the vector and of the network that makes it."""

TURNS = (1.0, 2.0, 4.0)
"""Half turns of the sines and cosines for a value of 1, a ratio of e."""


def told_features(told: jax.Array) -> jax.Array:
    """Values beside their sines and cosines, (n, k) to (n, 7 k).

    Example:
        >>> told_features(jnp.array([[0.0, 0.5]])).shape
        (1, 14)
    """
    angles = [jnp.pi * turns * told for turns in TURNS]
    waves = [wave(angle) for angle in angles for wave in (jnp.sin, jnp.cos)]
    return jnp.concatenate([told, *waves], -1)


class Embedding(nn.Module):
    """Numbers (n, k) and a thumbnail (n, s, s, c) of a scan as one vector (n, features)."""

    features: int = TOLD_FEATURES

    @nn.compact
    def __call__(self, numbers: jax.Array, thumbnail: jax.Array | None = None) -> jax.Array:
        """Runs the embedding; without a thumbnail the numbers alone count."""
        y = nn.Dense(self.features, name="numbers")(told_features(numbers))
        if thumbnail is not None:
            flat = thumbnail.reshape(len(thumbnail), -1)
            y = y + nn.Dense(self.features, name="thumbnail")(flat)
        return nn.relu(nn.Dense(self.features, name="both")(nn.relu(y)))


class Film(nn.Module):
    """Features (n, h, w, f) times ``1 + a``, plus ``b``, both of a vector (n, k); at first 0."""

    @nn.compact
    def __call__(self, x: jax.Array, told: jax.Array) -> jax.Array:
        """Scales and shifts the features."""
        width = x.shape[-1]
        both = nn.Dense(2 * width, kernel_init=nn.initializers.zeros, name="film")(told)
        both = both.astype(x.dtype)[:, None, None]
        return x * (1.0 + both[..., :width]) + both[..., width:]


class ContrastEncoder(nn.Module):
    """The same convolutions for every contrast, told its own times; their mean, so in any order.

    What comes out does not change when contrasts change places together with their times.
    """

    features: int

    @nn.compact
    def __call__(self, contrasts: jax.Array, times: jax.Array) -> jax.Array:
        """Contrasts (n, h, w, c) and the numbers of each (n, c, k) as features (n, h, w, f)."""
        n, height, width, count = contrasts.shape
        alone = jnp.moveaxis(contrasts, -1, 1).reshape(n * count, height, width, 1)
        told = Embedding(name="times")(times.reshape(n * count, -1))
        y = nn.relu(Film()(nn.Conv(self.features, (3, 3), name="first")(alone), told))
        y = nn.relu(nn.Conv(self.features, (3, 3), name="second")(y))
        return y.reshape(n, count, height, width, self.features).mean(1)
