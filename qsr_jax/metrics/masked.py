"""Sums over what lies inside a mask, one value per sample and map.

Arrays are ``values`` (n, y, x, c) and ``mask`` (n, y, x) bool; results are (n, c). What stands
outside the mask, NaN included, reaches neither the value nor its gradient.
"""

import jax
import jax.numpy as jnp

_QUARTERINGS = 20
"""Enough to bring an interval of float32 numbers down to two neighbours."""


def inside_only(values: jax.Array, mask: jax.Array) -> jax.Array:
    """``values`` with zeros outside the mask, (n, y, x, c).

    >>> inside_only(jnp.full((1, 1, 2, 1), jnp.nan), jnp.array([[[False, False]]])).ravel().tolist()
    [0.0, 0.0]
    """
    return jnp.where(mask[..., None], values, 0.0)


def masked_mean(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean over (y, x) inside the mask, in the unit of ``values``; NaN where nothing is inside.

    >>> values, mask = jnp.array([1.0, 3.0, 100.0]), jnp.array([True, True, False])
    >>> masked_mean(values[None, None, :, None], mask[None, None, :]).tolist()
    [[2.0]]
    """
    return inside_only(values, mask).sum((1, 2)) / mask[..., None].sum((1, 2))


def masked_median(values: jax.Array, mask: jax.Array) -> jax.Array:
    """Median over (y, x) inside the mask, the lower one of two; NaN where nothing is inside.

    The interval that holds it is halved until float32 can tell no more: on every device far
    quicker than sorting, and the same number. One pass over the values serves two halvings.

    >>> values, mask = jnp.array([1.0, 3.0, 4.0, 100.0]), jnp.array([True, True, True, False])
    >>> masked_median(values[None, None, :, None], mask[None, None, :]).tolist()
    [[3.0]]
    """
    inside = mask[..., None]
    count = inside.sum((1, 2))
    middle = (count + 1) // 2
    bounds = (
        jnp.where(inside, values, jnp.inf).min((1, 2)),
        jnp.where(inside, values, -jnp.inf).max((1, 2)),
    )

    def quarter(_: int, interval: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = interval
        centre = _between(low, high)
        cuts = jnp.stack([_between(low, centre), centre, _between(centre, high)])
        counts = (inside & (values <= cuts[:, :, None, None, :])).sum((2, 3))
        reached = counts >= middle
        first = reached[1]
        second, cut = jnp.where(first, reached[0], reached[2]), jnp.where(first, cuts[0], cuts[2])
        low, high = jnp.where(first, low, centre), jnp.where(first, centre, high)
        return jnp.where(second, low, cut), jnp.where(second, cut, high)

    _, high = jax.lax.fori_loop(0, _QUARTERINGS, quarter, bounds)
    return jnp.where(count > 0, high, jnp.nan)


def _between(low: jax.Array, high: jax.Array) -> jax.Array:
    return low + 0.5 * (high - low)
