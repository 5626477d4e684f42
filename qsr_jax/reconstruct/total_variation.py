"""Total variation of images: what smooths inside and keeps edges, as a proximal step.

Rudin 1992 (doi:10.1016/0167-2789(92)90242-F), solved by the fast gradient projection of Beck and
Teboulle 2009 (doi:10.1109/TIP.2009.2028250). Isotropic; complex images as pairs.
"""

import jax
import jax.numpy as jnp

ROUNDS = 12
"""Steps of the fast gradient projection."""


def _differences(image: jax.Array) -> jax.Array:
    """(..., y, x) to (2, ..., y, x): to the next pixel down and right, 0 at the far edge."""
    down = jnp.diff(image, axis=-2, append=image[..., -1:, :])
    right = jnp.diff(image, axis=-1, append=image[..., -1:])
    return jnp.stack([down, right])


def _transposed(fields: jax.Array) -> jax.Array:
    """The adjoint of :func:`_differences`."""
    down, right = fields
    down, right = down.at[..., -1, :].set(0.0), right.at[..., -1].set(0.0)
    return (
        -down
        - right
        + jnp.pad(down[..., :-1, :], [(0, 0)] * (down.ndim - 2) + [(1, 0), (0, 0)])
        + jnp.pad(right[..., :-1], [(0, 0)] * (right.ndim - 1) + [(1, 0)])
    )


def smooth_total_variation(
    images: jax.Array, strength: jax.Array | float, *, rounds: int = ROUNDS
) -> jax.Array:
    """The images x that minimise ``|x - image|^2 / 2 + strength TV(x)``, each by itself.

    Args:
        images: (..., y, x) real or complex.
        strength: in units of the images; 0 gives them back.
        rounds: steps of the iteration.
    """
    strength = jnp.maximum(jnp.asarray(strength, jnp.float32), 1e-30)

    def step(
        state: tuple[jax.Array, jax.Array, jax.Array], _: None
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        before, ahead, pace = state
        left = images - strength * _transposed(ahead)
        moved = ahead + _differences(left) / (8.0 * strength)
        size = jnp.sqrt(jnp.sum(jnp.abs(moved) ** 2, axis=0))
        dual = moved / jnp.maximum(size, 1.0)
        faster = (1.0 + jnp.sqrt(1.0 + 4.0 * pace**2)) / 2.0
        return (dual, dual + (pace - 1.0) / faster * (dual - before), faster), None

    start = jnp.zeros((2, *images.shape), images.dtype)
    final = jax.lax.scan(step, (start, start, jnp.float32(1.0)), None, length=rounds)[0][0]
    return images - strength * _transposed(final)
