"""Smooth random fields of a subject: texture inside tissues, and the transmit field."""

import numpy as np
from scipy import ndimage

from qsr_jax.phantom.deformation import COEFFICIENT_GAIN, spline_rows
from qsr_jax.phantom.grid import Planes

TEXTURE_MM = 2.5
"""Correlation length (sigma) of the texture."""


def smooth_field(rng: np.random.Generator, planes: Planes, *, step_mm: float) -> np.ndarray:
    """A field of unit variance on the 1 mm grid (planes, m, m), changing over ``step_mm``."""
    rows = [
        spline_rows(axis, half_mm=planes.half_mm, step_mm=step_mm)
        for axis in (planes.z_mm, planes.axis_mm, planes.axis_mm)
    ]
    shape = [part.shape[1] for part in rows]
    field = rng.standard_normal(shape, np.float32) / np.float32(COEFFICIENT_GAIN)
    for axis, part in enumerate(rows):
        field = np.moveaxis(np.tensordot(part, field, axes=(1, axis)), 0, axis)
    return field


def draw_texture(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    """Smooth fields of unit variance for T1, T2 and PD, (z, 3, m, m), correlated by 0.5.

    The slices are 5 mm apart, further than the texture reaches, and drawn independently.
    """
    shape = (planes.geometry.shape[0], 4, planes.size, planes.size)
    sigma = (0, 0, TEXTURE_MM, TEXTURE_MM)
    field = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), sigma, mode="wrap")
    field /= field.std()
    return np.sqrt(0.5) * (field[:, :1] + field[:, 1:])


def draw_b1(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    """Transmit field (z, m, m) between 0.85 and 1.1: bright in the middle, tilted at random."""
    z = planes.z_mm[planes.middles][:, None, None] / 90.0
    y, x = planes.axis_mm[:, None] / 90.0, planes.axis_mm / 90.0
    a = rng.normal(0.0, 0.2, 6)
    tilt = a[0] * x + a[1] * y + a[2] * z + a[3] * x * y + a[4] * (x * x - y * y)
    dome = 0.8 + a[5] - 1.1 * (x * x + y * y + 0.5 * z * z)
    return (0.975 + 0.125 * np.tanh(dome + tilt)).astype(np.float32)
