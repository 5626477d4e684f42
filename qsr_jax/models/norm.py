"""Batch normalisation without memory, for a network that only ever works in training.

``flax.linen.BatchNorm`` carries running statistics for the day a network predicts. A discriminator
never predicts: its statistics would be saved, averaged and checked, and read by nobody.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

EPSILON = 1e-5
"""Added to the variance, as :class:`flax.linen.BatchNorm` does."""


class BatchNorm(nn.Module):
    """Normalises (n, h, w, c) by the mean and variance of the batch (Ioffe 2015, arXiv:1502.03167).

    Attributes:
        axis_name: device axis over which the statistics are shared, or None.
        dtype: of the result, None: the input's; statistics are float32 at least.
    """

    axis_name: str | None = None
    dtype: Any = None

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps (n, h, w, c) to the same shape, mean ``bias`` and standard deviation ``scale``."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],))
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        moments = jnp.stack([wide.mean((0, 1, 2)), jnp.square(wide).mean((0, 1, 2))])
        if self.axis_name is not None and not self.is_initializing():
            moments = jax.lax.pmean(moments, self.axis_name)
        mean, variance = moments[0], jnp.maximum(moments[1] - jnp.square(moments[0]), 0.0)
        y = (wide - mean) * (jax.lax.rsqrt(variance + EPSILON) * scale) + bias
        return y.astype(self.dtype or x.dtype)
