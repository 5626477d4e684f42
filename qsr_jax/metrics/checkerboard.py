"""The checkerboard that an upsampler leaves: a pattern that turns its sign from pixel to pixel.

Networks that double a grid write slightly different numbers to even and odd pixels (Odena et al.
2016, doi:10.23915/distill.00003). In the frequency plane that is power at the corner (pi, pi),
where a scanner that interpolates to a finer matrix has none, and where every measure of noise from
the finest detail takes it for noise.

Arrays are (n, y, x, c) in a physical unit, masks (n, y, x) bool.
"""

import jax
import jax.numpy as jnp

from qsr_jax.metrics.masked import inside_only, masked_mean

SIDE = 8
"""Side of the mean, taken twice, over which the pattern's strength is told, pixels; even, so that a
constant and an edge along either axis leave nothing."""
_REACH = SIDE - 1
"""Pixels on every side that the two means together look at."""


def _means(x: jax.Array) -> jax.Array:
    """Mean over SIDE x SIDE pixels, twice, centred; zeros beyond the frame."""
    window = (1, SIDE, SIDE, 1)
    for before in (SIDE // 2, SIDE // 2 - 1):
        pads = (before, SIDE - 1 - before)
        padding = ((0, 0), pads, pads, (0, 0))
        x = jax.lax.reduce_window(x, 0.0, jax.lax.add, window, (1, 1, 1, 1), padding) / SIDE**2
    return x


def _signs(shape: tuple[int, ...]) -> jax.Array:
    """1 and -1 like the fields of a chessboard, (y, x, 1)."""
    y, x = jnp.arange(shape[1])[:, None], jnp.arange(shape[2])
    return (1.0 - 2.0 * ((y + x) % 2))[..., None]


@jax.jit
def split_checkerboard(image: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """An image without its checkerboard, the checkerboard, and where both are known.

    White noise of SD s has a checkerboard of 0.084 s of its own.

    Args:
        image: (n, y, x, c) physical unit.
        mask: (n, y, x) bool.

    Returns:
        (n, y, x, c) each in the unit of the map, and (n, y, x) bool: pixels 7 or more inside the
        mask, because the pattern is told from its surroundings.

    >>> board = 3.0 * _signs((1, 32, 32, 1))[None] + 100.0
    >>> plain, found, known = split_checkerboard(board, jnp.ones((1, 32, 32), bool))
    >>> [round(float(x[0, 16, 16, 0]), 4) for x in (plain, found)], int(known.sum())
    ([100.0, 3.0], 324)
    """
    signs = _signs(image.shape)
    inside = inside_only(image, mask)
    board = _means(inside * signs) * signs
    outside = (~mask).astype(jnp.float32)
    size = 2 * _REACH + 1
    window, pads = (1, size, size), ((0, 0), (_REACH, _REACH), (_REACH, _REACH))
    known = jax.lax.reduce_window(outside, 0.0, jax.lax.max, window, (1, 1, 1), pads) == 0.0
    edge = jnp.zeros(mask.shape, bool).at[:, _REACH:-_REACH, _REACH:-_REACH].set(True)
    return inside - board, board, known & edge


@jax.jit
def checkerboard(image: jax.Array, mask: jax.Array) -> jax.Array:
    """Root mean square of the checkerboard inside the mask, (n, c) in the unit of the map.

    NaN where no pixel lies 7 pixels inside the mask.

    >>> board = 3.0 * _signs((1, 32, 32, 1))[None] + 100.0
    >>> round(float(checkerboard(board, jnp.ones((1, 32, 32), bool))[0, 0]), 4)
    3.0
    """
    _, board, known = split_checkerboard(image, mask)
    return jnp.sqrt(masked_mean(board**2, known))
