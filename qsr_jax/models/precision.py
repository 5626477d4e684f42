"""Into a lower precision and back."""

from typing import Any

import jax
import jax.numpy as jnp


def lowered(x: jax.Array, dtype: Any) -> jax.Array:
    """``x`` in ``dtype``; None leaves it."""
    return x if dtype is None else x.astype(dtype)


def restored(x: jax.Array) -> jax.Array:
    """``x`` in float32; float64 stays."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
