"""Which part of every voxel is which tissue: planes of log-odds sharpened, then averaged.

A slice is sharpened on a grid of at most :data:`qsr_jax.phantom.grid.FINEST_MM` and its planes are
averaged there, so a voxel holds true partial volumes.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.phantom.grid import Planes, box_profile
from qsr_jax.types import Geometry

CLASSES = ("csf", "cortex", "white", "lesion", "fat", "muscle", "skin")
"""Order of the tissue fractions; "cortex" is all grey matter. Tissue code = index + 1, 0 is air."""

_apart = jax.lax.optimization_barrier
"""Keeps a result from being computed again in every expression it is fused into."""

LESION_EDGE_MM = 0.15
"""Softness of a lesion's edge."""


def tissue_codes(fractions: np.ndarray) -> np.ndarray:
    """Tissue code of every voxel: 1 + index of its largest fraction, 0 where most is signal void.

    >>> tissue_codes(np.reshape([0.6, 0.4, 0.3, 0.1], (2, 2, 1, 1))).ravel().tolist()
    [1, 0]

    Args:
        fractions: (z, k, y, x) of k classes.

    Returns:
        (z, y, x) uint8.
    """
    code = np.argmax(fractions, axis=1) + 1
    return np.where(fractions.sum(axis=1) >= 0.5, code, 0).astype(np.uint8)


def on_truth_grid(planes: Planes, log_odds: np.ndarray, depth: np.ndarray | None) -> np.ndarray:
    """Volume fractions (z, 7, y, x) of all slices, box averages over their thickness."""
    slices, profile = range(planes.geometry.shape[0]), box_profile(planes)
    cut = functools.partial(slice_of_planes, planes, planes.geometry, log_odds, depth)
    return np.stack([np.asarray(cut(index, profile)) for index in slices])


def slice_of_planes(
    planes: Planes,
    grid: Geometry,
    log_odds: np.ndarray,
    depth: np.ndarray | None,
    index: int,
    weights: Sequence[float],
) -> jax.Array:
    """Volume fractions (7, n, n) of :data:`CLASSES` in one slice.

    Args:
        planes: the 1 mm grid.
        grid: pixels of the slice; small ones are points, larger ones averages of such points.
        log_odds: (planes, 6, m, m) of :data:`qsr_jax.phantom.anatomy.BODY_CLASSES`.
        depth: (planes, m, m) mm below the surface of the nearest lesion, or None.
        index: number of the slice.
        weights: of the 1 mm planes about the slice's middle one, an odd number.

    Raises:
        ValueError: the number of weights is even, or they reach beyond the planes.
    """
    part = planes.around(index, len(weights))
    below = None if depth is None else depth[part]
    return sharpened(planes, grid, log_odds[part], below, weights)


def sharpened(
    planes: Planes,
    grid: Geometry,
    log_odds: np.ndarray | jax.Array,
    depth: np.ndarray | jax.Array | None,
    weights: Sequence[float],
) -> jax.Array:
    """Volume fractions (7, n, n) of a slice from its own planes, (p, 6, m, m) and (p, m, m)."""
    return _sharpen(log_odds, depth, np.asarray(weights, np.float32), planes=planes, grid=grid)


@functools.partial(jax.jit, static_argnames=("planes", "grid"))
def _sharpen(
    log_odds: jax.Array,
    depth: jax.Array | None,
    weights: jax.Array,
    *,
    planes: Planes,
    grid: Geometry,
) -> jax.Array:
    """(p, 6, m, m) and (p, m, m) to (7, n, n). Lesions replace grey and white only."""
    finer, n = planes.finer(grid), grid.shape[1]

    def add(
        total: jax.Array, plane: tuple[jax.Array, jax.Array | None, jax.Array]
    ) -> tuple[jax.Array, None]:
        odds, below, weight = plane
        odds = _apart(jnp.exp(planes.enlarge_on(odds, grid, finer=finer, method="cubic")))
        fraction = odds * _apart(weight / (1.0 + sum(odds)))
        brain, lesion = fraction[1:3], jnp.zeros_like(fraction[:1])
        if below is not None:
            inside = jax.nn.sigmoid(planes.enlarge_on(below, grid, finer=finer) / LESION_EDGE_MM)
            lesion = ((brain[0] + brain[1]) * inside)[None]
            brain = brain * (1 - inside)
        return total + jnp.concatenate([fraction[:1], brain, lesion, fraction[3:]]), None

    zero = jnp.zeros((len(CLASSES), finer * n, finer * n), jnp.float32)
    fine, _ = jax.lax.scan(add, zero, (log_odds, depth, weights))
    return fine.reshape(len(CLASSES), n, finer, n, finer).mean(axis=(2, 4))
