"""Values of a volume at points between its voxels."""

import jax
import jax.numpy as jnp
import numpy as np


def sample_linear(volume: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Trilinear interpolation; beyond the volume its edge repeats.

    Args:
        volume: (i, j, k, c) float32, c values that are sampled together.
        index: (..., 3) float voxel coordinates.

    Returns:
        (..., c) float32.
    """
    return np.asarray(_sample(np.asarray(volume, np.float32), np.asarray(index, np.float32)))


@jax.jit
def _sample(volume: jax.Array, index: jax.Array) -> jax.Array:
    shape = volume.shape[:3]
    flat = volume.reshape(-1, volume.shape[-1])
    low, part = [], []
    for axis, n in enumerate(shape):
        place = jnp.clip(index[..., axis], 0.0, n - 1.0)
        base = jnp.minimum(place.astype(jnp.int32), max(n - 2, 0))
        low.append(base)
        part.append(place - base)
    steps = (shape[1] * shape[2], shape[2], 1)
    start = sum(base * step for base, step in zip(low, steps, strict=True))
    total = 0.0
    for corner in np.ndindex(*(min(n, 2) for n in shape)):
        weight = 1.0
        for here, fraction in zip(corner, part, strict=True):
            weight = weight * (fraction if here else 1.0 - fraction)
        offset = int(np.dot(corner, steps))
        total = total + weight[..., None] * jnp.take(flat, start + offset, axis=0)
    return total
