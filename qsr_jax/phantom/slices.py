"""One slice of a simulated subject on any grid: what a scanner sees of it.

The 1 mm planes hold log-odds, textures and fields; a slice is made of them when it is scanned, on
the grid that is wanted.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.phantom.anatomy import BODY_CLASSES
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.mixing import maps_of, sums_of
from qsr_jax.phantom.phantom import Phantom
from qsr_jax.phantom.tissue_values import NUCLEI, TISSUES
from qsr_jax.phantom.volume_fractions import CLASSES, sharpened, slice_of_planes
from qsr_jax.types import Geometry

LEAST_VALUE = 0.3
"""Of a tissue's mean, wherever texture would take it: no time or density is negative.

The largest texture of :mod:`qsr_jax.phantom.wide_draws` reaches it, the population's never."""


def slice_fractions(
    phantom: Phantom,
    index: int,
    *,
    size: int,
    weights: Sequence[float],
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> jax.Array:
    """Volume fractions (7, size, size) of :data:`CLASSES` in one slice, on ``planes.grid(size)``.

    Args:
        phantom: the subject.
        index: number of the slice.
        size: pixels along each side of the field of view. Small pixels are points, larger ones
            averages of such points.
        weights: of the 1 mm planes about the slice's middle one, an odd number. They are used as
            given: a slice profile should sum to 1.
        tilt: heights above the planes where a moved head is cut: mm, and mm per mm of x and of y.

    Raises:
        ValueError: the number of weights is even, or they reach beyond the planes.
    """
    grid = phantom.planes.grid(size)
    planes, part = phantom.planes, phantom.planes.around(index, len(weights))
    if not any(tilt):
        return slice_of_planes(planes, grid, phantom.log_odds, phantom.depth, index, weights)
    depth = None if phantom.depth is None else planes.tilted(phantom.depth, part, tilt)
    odds = planes.tilted(phantom.log_odds, part, tilt)
    return sharpened(planes, grid, odds, depth, weights)


def slice_b1(phantom: Phantom, index: int, *, size: int) -> jax.Array:
    """Relative transmit field (size, size) of one slice, 1 = nominal."""
    return phantom.planes.enlarge(phantom.b1[index], size=size)


def properties(phantom: Phantom, index: int) -> jax.Array:
    """T1 (ms), T2 (ms), PD (%) of every class of a slice on the truth grid, (7, 3, y, x)."""
    return _values(phantom, index, phantom.planes.geometry)


def slice_values(phantom: Phantom, index: int, *, size: int) -> jax.Array:
    """T1 (ms), T2 (ms), PD (%) of every class of a slice, (7, 3, size, size)."""
    return _values(phantom, index, phantom.planes.grid(size))


def _values(phantom: Phantom, index: int, grid: Geometry) -> jax.Array:
    planes = phantom.planes
    if phantom.maps is not None:
        return _measured(phantom.maps[index], planes=planes, grid=grid)
    names = (*BODY_CLASSES, *NUCLEI)
    mean = np.stack([phantom.values[name] for name in names]).astype(np.float32)
    spread = np.array([TISSUES[name].spread for name in names], np.float32)
    usual = np.array([TISSUES[name].mean for name in names], np.float32)
    spread = spread / usual * mean
    small = [phantom.texture[index], phantom.nuclei[index]]
    if phantom.lesions:
        known = np.stack([phantom.values["white"], *(one.value for one in phantom.lesions)])
        small.append(np.moveaxis(known[phantom.lesion_boxes[index]], -1, 0).astype(np.float32))
    return _spread(np.concatenate(small), mean, spread, planes=planes, grid=grid)


@functools.partial(jax.jit, static_argnames=("planes", "grid"))
def _measured(maps: jax.Array, *, planes: Planes, grid: Geometry) -> jax.Array:
    sums = jnp.moveaxis(sums_of(jnp.moveaxis(maps, 0, -1)), -1, 0)
    fine = planes.enlarge_on(sums, grid)
    fine = jnp.moveaxis(maps_of(jnp.moveaxis(fine, 0, -1)), -1, 0)
    return jnp.broadcast_to(fine, (len(CLASSES), *fine.shape))


@functools.partial(jax.jit, static_argnames=("planes", "grid"))
def _spread(
    small: jax.Array, mean: jax.Array, spread: jax.Array, *, planes: Planes, grid: Geometry
) -> jax.Array:
    """Mean plus texture of the classes in the order of ``mean``; grey matter mixes its nuclei.

    ``small`` holds 3 textures, 3 of white matter, the nuclei and, in patients, 3 lesion maps, (11
    or 14, m, m).
    """
    fine = planes.enlarge_on(small, grid)
    texture, white, nuclei, lesion = jnp.split(fine, (3, 6, 6 + len(NUCLEI)))
    by_class = jnp.stack([white if name == "white" else texture for name in BODY_CLASSES])
    plain = mean[:6, :, None, None] + spread[:6, :, None, None] * by_class
    plain = jnp.maximum(plain, LEAST_VALUE * mean[:6, :, None, None])
    change = jnp.einsum("kyx,kc->cyx", nuclei, mean[6:] - mean[1])
    change += jnp.einsum("kyx,kc->cyx", nuclei, spread[6:] - spread[1]) * texture
    lesion = lesion if len(lesion) else plain[2]
    return jnp.stack([plain[0], plain[1] + change, plain[2], lesion, *plain[3:]])
