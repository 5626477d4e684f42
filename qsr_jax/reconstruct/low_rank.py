"""Locally low rank: what the coefficients of a block of pixels have in common, as a proximal step.

Zhang 2015 (doi:10.1002/mrm.25161): singular values of every block shrink by a threshold.
"""

import jax
import jax.numpy as jnp

BLOCK = 8
"""Pixels along a side of a block."""


def shrink_blocks(images: jax.Array, threshold: jax.Array | float, key: jax.Array) -> jax.Array:
    """Shrinks the singular values of blocks of pixels, the blocks' grid shifted at random.

    Args:
        images: (k, y, x) complex.
        threshold: in units of the images times the root of a block's pixels.
        key: of the shift.
    """
    k, rows, columns = images.shape
    shift = jax.random.randint(key, (2,), 0, BLOCK)
    far = [(0, 0), (0, -rows % BLOCK), (0, -columns % BLOCK)]
    moved = jnp.roll(jnp.pad(images, far), shift, axis=(1, 2))
    down, right = (n // BLOCK for n in moved.shape[1:])
    blocks = moved.reshape(k, down, BLOCK, right, BLOCK).transpose(1, 3, 0, 2, 4)
    matrix = blocks.reshape(down * right, k, BLOCK * BLOCK)
    # Singular vectors of k rows are the eigenvectors of a k by k matrix
    values, vectors = jnp.linalg.eigh(matrix @ jnp.conj(matrix.swapaxes(1, 2)))
    singular = jnp.sqrt(jnp.maximum(values, 0.0))
    kept = jnp.maximum(singular - threshold, 0.0) / jnp.maximum(singular, 1e-30)
    shrunk = (vectors * kept[:, None]) @ (jnp.conj(vectors.swapaxes(1, 2)) @ matrix)
    whole = shrunk.reshape(down, right, k, BLOCK, BLOCK).transpose(2, 0, 3, 1, 4)
    back = jnp.roll(whole.reshape(moved.shape), -shift, axis=(1, 2))
    return back[:, :rows, :columns]
