"""How sharp and how noisy a map is: gradients, edges against a reference, noise of one image.

Arrays are (n, y, x, c) in a physical unit, masks (n, y, x) bool, results (n, c). A pixel counts
when everything its value is computed from lies inside the mask.
"""

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.metrics.masked import inside_only, masked_mean, masked_median

EDGE_FACTOR = 1.0
"""An edge is steeper than this many times the root mean square gradient inside the mask; 1 is the
largest factor that always leaves an edge where gradients differ, in the noise of air as well."""

_SQRT3 = 3.0**0.5
_DB2_HIGH = tuple(
    float(v) for v in np.array([_SQRT3 - 1, 3 - _SQRT3, -3 - _SQRT3, 1 + _SQRT3]) / 32**0.5
)
"""High-pass filter of Daubechies' wavelet with two vanishing moments (Daubechies 1988,
doi:10.1002/cpa.3160410705): blind to ramps, norm 1, so it keeps the SD of white noise."""
_MAD_OF_NORMAL = 0.6744897501960817
"""Median of the absolute value of a standard normal variable."""


def _gradients(image: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Central differences along y and x per pixel, (n, y - 2, x - 2, c) each."""
    down = 0.5 * (image[:, 2:, 1:-1] - image[:, :-2, 1:-1])
    across = 0.5 * (image[:, 1:-1, 2:] - image[:, 1:-1, :-2])
    return down, across


def _with_neighbours(mask: jax.Array) -> jax.Array:
    """Pixels whose four neighbours and itself lie in the mask, (n, y - 2, x - 2)."""
    crossed = mask[:, 2:, 1:-1] & mask[:, :-2, 1:-1] & mask[:, 1:-1, 2:] & mask[:, 1:-1, :-2]
    return crossed & mask[:, 1:-1, 1:-1]


@jax.jit
def gradient_strength(image: jax.Array, mask: jax.Array) -> jax.Array:
    """Root mean square gradient inside the mask, unit of the map per pixel.

    Noise counts as well: white noise of SD s has a strength of s. Divide by the pixel size for
    units per mm.

    >>> ramp = jnp.broadcast_to(3.0 * jnp.arange(8.0)[None, None, :, None], (1, 8, 8, 1))
    >>> round(float(gradient_strength(ramp, jnp.ones((1, 8, 8), bool))[0, 0]), 5)
    3.0
    """
    down, across = _gradients(inside_only(image, mask))
    return jnp.sqrt(masked_mean(down**2 + across**2, _with_neighbours(mask)))


@jax.jit
def edge_sharpness(test: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """How steep the reference's edges are in ``test``: 1 as steep, below 1 blurred, above sharper.

    The least-squares slope of the gradient of ``test`` on that of the reference, as vectors, over
    the pixels where the reference has an edge. Noise of ``test`` that is not in the reference
    averages out, so a noisy map does not pass for a sharp one.

    Noise of the *reference* does not: it makes edges of its own that no other map has, and every
    slope is too small by the same factor. Against a noise-free truth there is none; against a scan
    that was repeated divide by the slope of the repeated scan, which is that factor (the repeated
    scan is an instrument whose noise is independent of both).

    Args:
        test: (n, y, x, c) physical unit.
        reference: (n, y, x, c) same unit.
        mask: (n, y, x) bool.

    Returns:
        (n, c), no unit; NaN where the reference has no edge.

    >>> edge = jnp.where(jnp.arange(16) < 8, 0.0, 100.0)[None, None, :, None]
    >>> image, mask = jnp.broadcast_to(edge, (1, 16, 16, 1)), jnp.ones((1, 16, 16), bool)
    >>> round(float(edge_sharpness(0.5 * image, image, mask)[0, 0]), 6)
    0.5
    """
    counted = _with_neighbours(mask)[..., None]
    (test_y, test_x), (edge_y, edge_x) = (
        _gradients(inside_only(x, mask)) for x in (test, reference)
    )
    square = jnp.where(counted, edge_y**2 + edge_x**2, 0.0)
    level = square.sum((1, 2)) / counted.sum((1, 2))
    edge = counted & (square > EDGE_FACTOR**2 * level[:, None, None, :])
    common = jnp.where(edge, test_y * edge_y + test_x * edge_x, 0.0)
    return common.sum((1, 2)) / jnp.where(edge, square, 0.0).sum((1, 2))


@jax.jit
def noise_level(image: jax.Array, mask: jax.Array) -> jax.Array:
    """SD of the noise inside the mask, in the unit of the map.

    Median size of the finest diagonal wavelet coefficients over 0.6745 (Donoho and Johnstone
    1994, doi:10.1093/biomet/81.3.425). White noise is assumed: noise that the scanner interpolated
    to a finer matrix is underestimated, by the same factor for all methods on that grid.

    Returns:
        (n, c); NaN where no 4 x 4 pixels lie inside the mask.

    >>> noise = 20.0 * jax.random.normal(jax.random.key(0), (1, 128, 128, 1))
    >>> abs(float(noise_level(noise, jnp.ones((1, 128, 128), bool))[0, 0]) - 20.0) < 1.0
    True
    """
    detail, counted = inside_only(image, mask), mask
    for axis in (1, 2):
        size = (image.shape[axis] - 4) // 2 * 2 + 1
        taps, seen = (
            [jax.lax.slice_in_dim(x, k, k + size, stride=2, axis=axis) for k in range(4)]
            for x in (detail, counted)
        )
        weighted = [w * tap for w, tap in zip(_DB2_HIGH, taps, strict=True)]
        detail = weighted[0] + weighted[1] + weighted[2] + weighted[3]
        counted = seen[0] & seen[1] & seen[2] & seen[3]
    return masked_median(jnp.abs(detail), counted) / _MAD_OF_NORMAL
