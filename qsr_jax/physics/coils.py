"""Receive coils on a ring, and the smooth phase of the images."""

import numpy as np

from qsr_jax.physics.scanner import Scanner

HEAD_MM = 70.0
"""Radius of the disc over which the coils' mean strength is 1."""


def places(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) of the pixels in fields of view, pixel n // 2 at 0: (rows, 1) and (columns,).

    >>> y, x = places((2, 4))
    >>> y.ravel().tolist(), x.tolist()
    ([-0.5, 0.0], [-0.5, -0.25, 0.0, 0.25])
    """
    rows, columns = ((np.arange(n) - n // 2) / n for n in shape)
    return rows[:, None], columns


def sensitivities(
    shape: tuple[int, int], *, z_mm: float, fov_mm: float, scanner: Scanner
) -> np.ndarray:
    """Sensitivity of every coil relative to the body coil, (coil, y, x) complex64.

    ``exp(i angle) (a^2 + d^2)^(-3/2)``: strength of the field of a loop of radius a on its axis at
    distance d (Biot-Savart), turning with the direction towards the coil as in a birdcage. The root
    of the sum of squares is 1 at its mean over a disc of :data:`HEAD_MM` and three times stronger
    at the rim of the head than in its middle; mean g-factors are then 1.05 and 1.46 at R = 2 and 3.

    >>> maps = sensitivities((8, 8), z_mm=0.0, fov_mm=220.0, scanner=Scanner(coils=8))
    >>> strength = np.linalg.norm(maps, axis=0)
    >>> maps.shape, round(float(strength[4, 7] / strength[4, 4]), 1)
    ((8, 8, 8), 2.7)

    Args:
        shape: (y, x) pixels of the field of view, pixel n // 2 at the isocentre.
        z_mm: of the slice; the ring lies at 0.
        fov_mm: side of the field of view.
        scanner: number, radius and size of the coils.
    """
    y, x = (fov_mm * axis for axis in places(shape))
    angle = 2 * np.pi * (np.arange(scanner.coils) + 0.5) / scanner.coils
    coil = scanner.coil_radius_mm * np.exp(1j * angle)[:, None, None]
    apart = (x + 1j * y) - coil
    size2 = scanner.coil_size_mm**2 + z_mm**2
    field = (np.abs(apart) ** 2 + size2) ** -1.5
    return (field / _mean_field(scanner) * apart / np.abs(apart)).astype(np.complex64)


def _mean_field(scanner: Scanner) -> float:
    """Root of the sum of squares of the loops' field, averaged over the disc at z = 0."""
    axis = np.linspace(-HEAD_MM, HEAD_MM, 41)
    place = axis[:, None] + 1j * axis
    angle = 2 * np.pi * (np.arange(scanner.coils) + 0.5) / scanner.coils
    apart = np.abs(place[..., None] - scanner.coil_radius_mm * np.exp(1j * angle))
    squares = ((apart**2 + scanner.coil_size_mm**2) ** -3.0).sum(axis=-1)
    return float(np.sqrt(squares)[np.abs(place) <= HEAD_MM].mean())


def smooth_phase(
    rng: np.random.Generator, shape: tuple[int, int], *, echoes: int, size_rad: float
) -> np.ndarray:
    """Smooth image phase of every echo in radians, (echo, y, x): linear and quadratic.

    >>> phase = smooth_phase(np.random.default_rng(0), (4, 6), echoes=2, size_rad=0.5)
    >>> phase.shape, bool(np.abs(phase).max() < 5 * 0.5)
    ((2, 4, 6), True)

    Args:
        rng: source of randomness.
        shape: (y, x).
        echoes: number of echoes, each with its own phase.
        size_rad: largest weight of each of the five terms.
    """
    y, x = (2 * axis for axis in places(shape))
    basis = np.stack(np.broadcast_arrays(y, x, y * y - 0.5, x * x - 0.5, x * y))
    weights = rng.uniform(-size_rad, size_rad, (echoes, len(basis)))
    return np.tensordot(weights, basis, axes=1).astype(np.float32)
