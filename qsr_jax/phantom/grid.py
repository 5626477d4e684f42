"""The 1 mm grid on which a subject is drawn, and its ties to the grids of the slices."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.types import Geometry

MARGIN = 3
"""Planes drawn beyond the first and the last slice: a slice profile reaches into them."""

FINEST_MM = 0.9
"""Coarsest in-plane spacing at which tissues are told apart; coarser grids hold averages of it."""

BLOCK = 80
"""Rows of an interpolation matrix that are handled together."""


@dataclasses.dataclass(frozen=True)
class Planes:
    """1 mm planes that fill the slices of ``geometry`` and a margin, over its field of view.

    Attributes:
        geometry: truth grid: axial, square, whole millimetres thick, centred on the isocentre.
    """

    geometry: Geometry

    def __post_init__(self) -> None:
        """Refuses grids that 1 mm planes cannot fill."""
        slice_mm, dy, dx = self.geometry.spacing_mm
        _, rows, columns = self.geometry.shape
        if rows != columns or dy != dx or slice_mm != round(slice_mm):
            raise ValueError(
                f"truth grid {self.geometry.shape} of {self.geometry.spacing_mm} mm must be square "
                "in the plane and a whole number of millimetres thick"
            )

    @property
    def per_slice(self) -> int:
        """Planes in a slice."""
        return round(self.geometry.spacing_mm[0])

    @property
    def fov_mm(self) -> float:
        """Side of the field of view."""
        return self.geometry.shape[1] * self.geometry.spacing_mm[1]

    @property
    def size(self) -> int:
        """Points along each side of a plane."""
        return round(self.fov_mm)

    @property
    def axis_mm(self) -> np.ndarray:
        """(m,) coordinates of the points along x and y."""
        return np.arange(self.size) - (self.size - 1) / 2

    @property
    def z_mm(self) -> np.ndarray:
        """Coordinates of the planes, 1 mm apart; one lies in the middle of every slice."""
        thick = self.per_slice
        count = self.geometry.shape[0] * thick + 2 * MARGIN + 1 - thick % 2
        return self.geometry.origin_mm[2] - thick // 2 - MARGIN + np.arange(count)

    @property
    def half_mm(self) -> float:
        """Largest coordinate of the planes along any axis, at least half their side."""
        return float(max(self.size / 2, np.abs(self.z_mm).max()))

    @property
    def middles(self) -> slice:
        """Picks the middle plane of every slice."""
        first = MARGIN + self.per_slice // 2
        return slice(first, first + self.geometry.shape[0] * self.per_slice, self.per_slice)

    def around(self, index: int, count: int) -> slice:
        """Picks ``count`` (odd) planes about the middle one of slice ``index``.

        Raises:
            ValueError: ``count`` is even, or they reach beyond the margin.
        """
        most = 2 * (MARGIN + self.per_slice // 2) + 1
        if count % 2 != 1 or count > most:
            raise ValueError(
                f"a slice profile must have an odd number of 1 mm planes, at most {most}; "
                f"got {count}"
            )
        middle = range(*self.middles.indices(len(self.z_mm)))[index]
        return slice(middle - count // 2, middle + count // 2 + 1)

    def by_slice(self, planes: np.ndarray) -> np.ndarray:
        """(planes, ...) to (slices, per_slice, ...), without the margin."""
        inner = planes[MARGIN : MARGIN + self.geometry.shape[0] * self.per_slice]
        return inner.reshape(-1, self.per_slice, *planes.shape[1:])

    def grid(self, size: int) -> Geometry:
        """``size`` x ``size`` pixels between the same outer edges as the truth grid's."""
        x, y, z = self.geometry.origin_mm
        slice_mm, old, _ = self.geometry.spacing_mm
        new = self.fov_mm / size
        return dataclasses.replace(
            self.geometry,
            origin_mm=(x - old / 2 + new / 2, y - old / 2 + new / 2, z),
            spacing_mm=(slice_mm, new, new),
            shape=(self.geometry.shape[0], size, size),
        )

    def finer(self, grid: Geometry) -> int:
        """How many points of at most :data:`FINEST_MM` fit along a pixel of ``grid``."""
        return int(np.ceil(grid.spacing_mm[1] / FINEST_MM - 1e-6))

    def enlarge(self, images: jax.Array, *, size: int | None = None) -> jax.Array:
        """(..., m, m) on 1 mm points to (..., n, n) on the truth grid or :meth:`grid`; linear."""
        return self.enlarge_on(images, self.geometry if size is None else self.grid(size))

    def enlarge_on(
        self, images: jax.Array, grid: Geometry, *, finer: int = 1, method: str = "linear"
    ) -> jax.Array:
        """(..., m, m) on 1 mm points to ``finer`` points in each pixel of ``grid``.

        Args:
            images: any unit.
            grid: one of this field of view.
            finer: points along a pixel, evenly spread.
            method: "linear", or "cubic" (Keys 1981, doi:10.1109/TASSP.1981.1163711, a = -1/2).
        """
        blocks = _blocks(self, grid, finer, method)
        rows = [jnp.matmul(part, images[..., near, :]) for near, part in blocks]
        images = jnp.concatenate(rows, axis=-2)
        columns = [jnp.matmul(images[..., near], part.T) for near, part in blocks]
        return jnp.concatenate(columns, axis=-1)

    def tilted(
        self, values: np.ndarray, part: slice, tilt: tuple[float, float, float]
    ) -> jax.Array:
        """Planes ``part`` of (planes, ..., m, m), each cut along a tilted plane of the head.

        The point (x, y) of a plane takes the value at the height ``tilt[0] + tilt[1] x +
        tilt[2] y`` mm above it, cubic along z (as in :meth:`enlarge_on`); what would lie beyond the
        planes takes the last one's.
        """
        height = tilt[0] + tilt[1] * self.axis_mm + tilt[2] * self.axis_mm[:, None]
        reach = int(np.ceil(np.abs(height).max())) + 1
        wanted = np.arange(part.start, part.stop)
        near = np.clip(np.arange(wanted[0] - reach, wanted[-1] + reach + 1), 0, len(values) - 1)
        return _along_z(values[near], height.astype(np.float32), reach=reach)

    def nearest(self, images: np.ndarray) -> np.ndarray:
        """(..., m, m) to the truth grid (..., y, x), every pixel from its nearest point."""
        _, rows, _ = self.geometry.shape
        position = self.geometry.origin_mm[1] + np.arange(rows) * self.geometry.spacing_mm[1]
        index = np.clip(np.round(position - self.axis_mm[0]), 0, self.size - 1).astype(int)
        return images[..., index[:, None], index[None, :]]


def interpolation_matrix(
    planes: Planes, grid: Geometry, *, finer: int = 1, method: str = "linear"
) -> np.ndarray:
    """(finer n, m) float32 matrix of :meth:`Planes.enlarge_on` along one axis; edges repeat."""
    step = grid.spacing_mm[1] / finer
    first = grid.origin_mm[1] - grid.spacing_mm[1] / 2 + step / 2
    position = first + np.arange(grid.shape[1] * finer) * step - planes.axis_mm[0]
    base = np.floor(position).astype(int)
    matrix = np.zeros((len(position), planes.size), np.float32)
    rows = np.arange(len(position))
    for tap in (-1, 0, 1, 2):
        column = np.clip(base + tap, 0, planes.size - 1)
        np.add.at(matrix, (rows, column), _kernel(np.abs(position - base - tap), method))
    return matrix


@functools.partial(jax.jit, static_argnames="reach")
def _along_z(values: jax.Array, height: jax.Array, *, reach: int) -> jax.Array:
    """(p + 2 reach, ..., m, m) to (p, ..., m, m), ``height`` (m, m) planes further up."""
    count = len(values) - 2 * reach
    total = jnp.zeros_like(values[:count])
    for step in range(-reach, reach + 1):
        t = jnp.abs(height - step)
        total += _cubic(t) * (t < 2) * values[reach + step : reach + step + count]
    return total


@functools.lru_cache(maxsize=16)
def _blocks(
    planes: Planes, grid: Geometry, finer: int, method: str
) -> tuple[tuple[slice, np.ndarray], ...]:
    """The matrix in blocks of rows, each with the few columns it needs: seven times less work."""
    matrix = interpolation_matrix(planes, grid, finer=finer, method=method)
    blocks = []
    for rows in np.array_split(matrix, max(len(matrix) // BLOCK, 1)):
        used = np.flatnonzero(rows.any(axis=0))
        near = slice(int(used[0]), int(used[-1]) + 1)
        blocks.append((near, np.ascontiguousarray(rows[:, near])))
    return tuple(blocks)


def _kernel(distance: np.ndarray, method: str) -> np.ndarray:
    """Weight of a point at ``distance`` (0 to 2 points)."""
    t = distance
    if method == "linear":
        return np.maximum(1 - t, 0)
    return _cubic(t)


def _cubic(t: Any) -> Any:
    """Keys's kernel at distances of 0 to 2 points, NumPy or JAX."""
    near = (1.5 * t - 2.5) * t * t + 1
    far = ((-0.5 * t + 2.5) * t - 4) * t + 2
    return near * (t <= 1) + far * (t > 1)


def box_profile(planes: Planes) -> Sequence[float]:
    """Weights of the 1 mm planes that fill a slice; of an even number the outer two count half."""
    n = planes.per_slice
    if n % 2:
        return (1 / n,) * n
    return (0.5 / n, *(1 / n,) * (n - 1), 0.5 / n)
