"""Smooth random fields of a subject: texture inside tissues, and the transmit field."""

import numpy as np
from scipy import ndimage

from qsr_jax.phantom.deformation import COEFFICIENT_GAIN, spline_rows
from qsr_jax.phantom.grid import Planes

TEXTURE_MM = 2.5
"""Correlation length (sigma) of the texture."""

TRACT_MM, TRACT_SHARE = 8.0, (1.0, 0.65, 0.4)
"""Correlation length (sigma) of the contrast between tracts of white matter, and its spread in T1,
T2 and PD over white matter's own. T1 then changes by about 2 % in the band of 8 to 16 mm, as in
measured heads (1.9 to 2.4 %; texture alone: 1.2 to 1.6 %). Shares of T2 and PD are our choice."""

SMOOTH_ABOVE_MM = 5.0
"""Fields longer than this are made of splines in three dimensions: they reach the next slice."""

SPLINE_SIGMA = 3**-0.5
"""Standard deviation of a cubic B-spline over its knots' distance."""


def smooth_field(
    rng: np.random.Generator, planes: Planes, *, step_mm: float, which: slice = slice(None)
) -> np.ndarray:
    """A field of unit variance on the 1 mm grid (planes, m, m), changing over ``step_mm``.

    ``which`` picks the planes that are wanted.
    """
    rows = [
        spline_rows(axis, half_mm=planes.half_mm, step_mm=step_mm)
        for axis in (planes.z_mm[which], planes.axis_mm, planes.axis_mm)
    ]
    shape = [part.shape[1] for part in rows]
    field = rng.standard_normal(shape, np.float32) / np.float32(COEFFICIENT_GAIN)
    for axis, part in enumerate(rows):
        field = np.moveaxis(np.tensordot(part, field, axes=(1, axis)), 0, axis)
    return field


def texture_of(rng: np.random.Generator, planes: Planes, *, sigma_mm: float) -> np.ndarray:
    """A field (z, m, m) of unit variance and one correlation length.

    Slices are 5 mm apart; short fields do not reach that far and are drawn slice by slice.
    """
    if sigma_mm > SMOOTH_ABOVE_MM:
        step_mm = sigma_mm / SPLINE_SIGMA
        field = smooth_field(rng, planes, step_mm=step_mm, which=planes.middles)
    else:
        shape = (planes.geometry.shape[0], planes.size, planes.size)
        noise = rng.standard_normal(shape, np.float32)
        field = ndimage.gaussian_filter(noise, (0, sigma_mm, sigma_mm), mode="wrap")
    return field / field.std()


def draw_texture(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    """Texture (z, 6, m, m): of T1, T2 and PD of all tissues, then of white matter, in spreads.

    The three are correlated by 0.5. White matter has the same texture and the contrast between its
    tracts on top.
    """
    parts = np.stack([texture_of(rng, planes, sigma_mm=TEXTURE_MM) for _ in range(4)], axis=1)
    tracts = np.stack([texture_of(rng, planes, sigma_mm=TRACT_MM) for _ in range(4)], axis=1)
    texture, tract = (np.sqrt(0.5) * (part[:, :1] + part[:, 1:]) for part in (parts, tracts))
    share = np.array(TRACT_SHARE, np.float32)[:, None, None]
    return np.concatenate([texture, texture + share * tract], axis=1)


def draw_b1(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    """Transmit field (z, m, m) between 0.85 and 1.1: bright in the middle, tilted at random."""
    z = planes.z_mm[planes.middles][:, None, None] / 90.0
    y, x = planes.axis_mm[:, None] / 90.0, planes.axis_mm / 90.0
    a = rng.normal(0.0, 0.2, 6)
    tilt = a[0] * x + a[1] * y + a[2] * z + a[3] * x * y + a[4] * (x * x - y * y)
    dome = 0.8 + a[5] - 1.1 * (x * x + y * y + 0.5 * z * z)
    return (0.975 + 0.125 * np.tanh(dome + tilt)).astype(np.float32)
