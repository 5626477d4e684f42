"""The map of the saturation angle, made smooth."""

import numpy as np
from scipy import ndimage

from qsr_jax.physics.effective_angles import Angles
from qsr_jax.types import Geometry

MEDIAN_MM, SAMPLE_MM, SMOOTH_MM = 10.0, 1.7, 2.5
"""Diameter of the median's window (W08: doi:10.1002/mrm.21635), spacing of the samples it is made
from, sigma of the Gaussian that smooths them afterwards."""


def smooth_angles(
    theta_deg: np.ndarray, signal: np.ndarray, pixel_mm: float, angles: Angles
) -> np.ndarray:
    """Median filter of 10 mm (W08) over the voxels with signal, then a smooth interpolation.

    Samples every ~1.7 mm suffice because the field is smooth. Where there is no signal the map
    takes its neighbours' value; further away than the smoothing reaches, the nominal angle.

    >>> from qsr_jax.physics.effective_angles import EFFECTIVE
    >>> angle = np.full((1, 16, 16), 100.0, np.float32)
    >>> smooth = smooth_angles(angle, np.ones((1, 16, 16), bool), 1.7, EFFECTIVE)
    >>> round(float(smooth[0, 8, 8]), 2)
    100.0

    Args:
        theta_deg: (z, y, x) voxel-wise saturation angle.
        signal: (z, y, x) bool, True where the angle means something.
        pixel_mm: pixel side.
        angles: gives the nominal angle.

    Returns:
        (z, y, x) float32 degrees.
    """
    step = max(1, round(SAMPLE_MM / pixel_mm))
    sample_mm = step * pixel_mm
    here = signal[:, ::step, ::step]
    excess = np.where(here, theta_deg[:, ::step, ::step] - angles.theta_deg, np.nan)
    filtered = np.zeros(here.shape, np.float32)
    filtered[here] = _median_in_discs(excess, here, MEDIAN_MM / 2 / sample_mm)
    sigma = (0.0, SMOOTH_MM / sample_mm, SMOOTH_MM / sample_mm)
    total, weight = (
        ndimage.gaussian_filter(a, sigma, mode="constant") for a in (filtered, np.float32(here))
    )
    # The small constant fades to the nominal angle where no signal is near.
    smooth = total / (weight + 1e-6)
    fine_y, fine_x = (
        _linear_rows(theta_deg.shape[axis], smooth.shape[axis], step) for axis in (1, 2)
    )
    return angles.theta_deg + fine_y @ smooth @ fine_x.T


def angles_on(theta_deg: np.ndarray, here: Geometry, there: Geometry) -> np.ndarray:
    """A smooth map of one scan on the grid of another with the same slices, linear in the plane.

    >>> from qsr_jax.physics.mdme_protocol import FAST, ROUTINE, geometries
    >>> routine, fast = geometries(ROUTINE, FAST, "corner")
    >>> angle = np.broadcast_to(np.arange(512, dtype=np.float32), routine.shape)
    >>> angles_on(angle, routine, fast)[0, 0, :3].tolist()
    [0.5, 2.5, 4.5]

    Args:
        theta_deg: (z, y, x) on ``here``.
        here: axial grid of the map.
        there: axial grid wanted, its slices at the same places.
    """
    rows = []
    for axis in (1, 2):
        start = there.origin_mm[2 - axis] - here.origin_mm[2 - axis]
        place = (start + np.arange(there.shape[axis]) * there.spacing_mm[axis]) / here.spacing_mm[
            axis
        ]
        last = here.shape[axis] - 1
        apart = np.abs(np.clip(place, 0, last)[:, None] - np.arange(last + 1))
        rows.append(np.maximum(0.0, 1.0 - apart).astype(np.float32))
    return rows[0] @ theta_deg @ rows[1].T


def _median_in_discs(values: np.ndarray, here: np.ndarray, radius: float) -> np.ndarray:
    """Median of the finite values within ``radius`` pixels in the slice, where ``here`` is True."""
    reach = int(radius)
    steps = range(-reach, reach + 1)
    offsets = [(dy, dx) for dy in steps for dx in steps if np.hypot(dy, dx) <= radius]
    padded = np.pad(values, ((0, 0), (reach, reach), (reach, reach)), constant_values=np.nan)
    z, y, x = np.nonzero(here)
    window = np.stack([padded[z, y + reach + dy, x + reach + dx] for dy, dx in offsets], axis=-1)
    window.sort(axis=-1)  # nan goes last
    count = np.isfinite(window).sum(axis=-1)
    rows = np.arange(len(window))
    return 0.5 * (window[rows, (count - 1) // 2] + window[rows, count // 2])


def _linear_rows(size: int, samples: int, step: int) -> np.ndarray:
    """(size, samples) weights that interpolate samples taken at 0, step, 2 step, ... linearly."""
    position = np.minimum(np.arange(size) / step, samples - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(position[:, None] - np.arange(samples)))
    return weights.astype(np.float32)
