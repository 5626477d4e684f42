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
    """
    down, across = _gradients(inside_only(image, mask))
    return jnp.sqrt(masked_mean(down**2 + across**2, _with_neighbours(mask)))


@jax.jit
def edge_sharpness(pred: jax.Array, ref: jax.Array, mask: jax.Array) -> jax.Array:
    """How steep the edges of ``ref`` are in ``pred``: 1 as steep, below 1 blurred, above sharper.

    The least-squares slope of the gradient of ``pred`` on that of ``ref``, as vectors, over the
    pixels where ``ref`` has an edge. Noise of ``pred`` that is not in ``ref`` averages out, so a
    noisy map does not pass for a sharp one.

    Returns:
        (n, c), no unit; NaN where the reference has no edge.
    """
    counted = _with_neighbours(mask)[..., None]
    (pred_y, pred_x), (ref_y, ref_x) = (_gradients(inside_only(x, mask)) for x in (pred, ref))
    square = jnp.where(counted, ref_y**2 + ref_x**2, 0.0)
    level = square.sum((1, 2)) / counted.sum((1, 2))
    edge = counted & (square > EDGE_FACTOR**2 * level[:, None, None, :])
    common = jnp.where(edge, pred_y * ref_y + pred_x * ref_x, 0.0)
    return common.sum((1, 2)) / jnp.where(edge, square, 0.0).sum((1, 2))


@jax.jit
def noise_level(image: jax.Array, mask: jax.Array) -> jax.Array:
    """SD of the noise inside the mask, in the unit of the map.

    Median size of the finest diagonal wavelet coefficients over 0.6745 (Donoho and Johnstone
    1994, doi:10.1093/biomet/81.3.425). White noise is assumed: noise that the scanner interpolated
    to a finer matrix is underestimated, by the same share for all methods on that grid.

    Returns:
        (n, c); NaN where no 4 x 4 pixels lie inside the mask.
    """
    detail, counted = inside_only(image, mask), mask
    for axis in (1, 2):
        size = (image.shape[axis] - 4) // 2 * 2 + 1
        taps, seen = (
            [jax.lax.slice_in_dim(x, k, k + size, stride=2, axis=axis) for k in range(4)]
            for x in (detail, counted)
        )
        detail = sum(w * tap for w, tap in zip(_DB2_HIGH, taps, strict=True))
        counted = seen[0] & seen[1] & seen[2] & seen[3]
    return masked_median(jnp.abs(detail), counted) / _MAD_OF_NORMAL
