"""The 1 mm grid on which a person is drawn, and its ties to the grid of the slices."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.types import Geometry


@dataclasses.dataclass(frozen=True)
class Planes:
    """1 mm planes that fill the slices of ``geometry``, over its field of view.

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
    def size(self) -> int:
        """Points along each side of a plane."""
        return round(self.geometry.shape[1] * self.geometry.spacing_mm[1])

    @property
    def axis_mm(self) -> np.ndarray:
        """(m,) coordinates of the points along x and y."""
        return np.arange(self.size) - (self.size - 1) / 2

    @property
    def z_mm(self) -> np.ndarray:
        """(slices * per_slice,) coordinates of the planes."""
        within = np.arange(self.per_slice) - (self.per_slice - 1) / 2
        return (self.geometry.slice_positions_mm()[:, 2:] + within).ravel()

    @property
    def half_mm(self) -> float:
        """Largest coordinate of the planes along any axis, at least half their side."""
        return float(max(self.size / 2, np.abs(self.z_mm).max()))

    @property
    def middles(self) -> slice:
        """Picks the middle plane of every slice."""
        return slice(self.per_slice // 2, None, self.per_slice)

    def by_slice(self, planes: np.ndarray) -> np.ndarray:
        """(planes, ...) to (slices, per_slice, ...)."""
        return planes.reshape(-1, self.per_slice, *planes.shape[1:])

    def enlarge(self, images: jax.Array, *, finer: int = 1, method: str = "linear") -> jax.Array:
        """(..., m, m) on 1 mm points to (..., n, n), ``finer`` times finer than the truth grid."""
        pixel = self.geometry.spacing_mm[1]
        edge = self.geometry.origin_mm[1] - pixel / 2
        step = pixel / finer
        n = self.geometry.shape[1] * finer
        return jax.image.scale_and_translate(
            images,
            (*images.shape[:-2], n, n),
            (images.ndim - 2, images.ndim - 1),
            jnp.full(2, 1 / step),
            jnp.full(2, -(edge + self.size / 2) / step),
            method,
            antialias=False,
        )

    def nearest(self, images: np.ndarray) -> np.ndarray:
        """(..., m, m) to the truth grid (..., y, x), every pixel from its nearest point."""
        _, rows, _ = self.geometry.shape
        position = self.geometry.origin_mm[1] + np.arange(rows) * self.geometry.spacing_mm[1]
        index = np.clip(np.round(position - self.axis_mm[0]), 0, self.size - 1).astype(int)
        return images[..., index[:, None], index[None, :]]
