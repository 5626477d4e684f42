"""Receive coils: circular loops on a cylinder around the head; and the smooth phase of the images.

A coil receives what it would transmit with the other sense of rotation, ``B1- = Bx - i By`` of the
field of a unit current in it (reciprocity; Hoult, Concepts Magn Reson 2000;12:173). A loop's static
field is that of Biot and Savart in closed form, with complete elliptic integrals (Smythe, Static
and dynamic electricity, 7.10); loads, lossy tissue and coupling between coils are left out.
"""

import functools

import numpy as np
from scipy import special
from scipy.interpolate import make_interp_spline

from qsr_jax.physics.scanner import Scanner

HEAD_MM = 70.0
"""Radius of the disc over which the coils' mean strength is 1."""

AROUND = 8
"""Coils of a row around the head; more coils make more rows along z."""

ROW_PITCH = 1.5
"""Distance of the rows over the loops' radius: neighbours overlap, as they must to decouple."""

COARSE_MM = 4.0
"""Spacing of the points where fields are computed; splines in between (relative error below 1e-3
inside the head, 20 mm from the nearest wire)."""

WIRE_MM = 5.0
"""Radius of a loop's conductor; nearer than this its field stays what it is there."""

VIRTUAL = 10
"""Most coils that are simulated; more are compressed to their strongest combinations, whose noise
is as white (Buehrer 2007, doi:10.1002/mrm.21237)."""


def places(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(y, x) of the pixels in fields of view, pixel n // 2 at 0: (rows, 1) and (columns,).

    >>> y, x = places((2, 4))
    >>> y.ravel().tolist(), x.tolist()
    ([-0.5, 0.0], [-0.5, -0.25, 0.0, 0.25])
    """
    rows, columns = ((np.arange(n) - n // 2) / n for n in shape)
    return rows[:, None], columns


def loop_field(
    rho_mm: np.ndarray, along_mm: np.ndarray, radius_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """Field of a current loop, (away from its axis, along its axis), in units of mu0 I / (2 pi mm).

    >>> _, middle = loop_field(np.array([0.0]), np.array([0.0]), 50.0)
    >>> round(float(middle[0] * 50.0 / np.pi), 6)  # mu0 I / (2 a)
    1.0

    Args:
        rho_mm: (...) distances from the axis, >= 0.
        along_mm: (...) places along the axis, the loop at 0.
        radius_mm: of the loop.
    """
    a, z = radius_mm, along_mm
    near2 = np.maximum((a - rho_mm) ** 2 + z**2, WIRE_MM**2)
    far2 = (a + rho_mm) ** 2 + z**2
    k, e = special.ellipkm1(near2 / far2), special.ellipe(1.0 - near2 / far2)
    axial = (k + (a * a - rho_mm**2 - z**2) / near2 * e) / np.sqrt(far2)
    radial = z * ((a * a + rho_mm**2 + z**2) / near2 * e - k) / np.sqrt(far2)
    return np.where(rho_mm > 1e-6, radial / np.maximum(rho_mm, 1e-6), 0.0), axial


def _fields(x: np.ndarray, y: np.ndarray, z: np.ndarray | float, scanner: Scanner) -> np.ndarray:
    """``Bx - i By`` of every loop, (coil, ...), at places in mm."""
    rows = scanner.coils // AROUND if scanner.coils % AROUND == 0 else 1
    around = scanner.coils // rows
    found = []
    for row in range(rows):
        height = (row - (rows - 1) / 2) * ROW_PITCH * scanner.coil_size_mm
        for number in range(around):
            # Every second row is turned by half a coil
            angle = 2 * np.pi * (number + 0.5 + 0.5 * (row % 2)) / around
            cosine, sine = np.cos(angle), np.sin(angle)
            along = x * cosine + y * sine - scanner.coil_radius_mm
            aside, above = y * cosine - x * sine, z - height
            rho = np.hypot(aside, above)
            radial, axial = loop_field(rho, along, scanner.coil_size_mm)
            across = radial * aside / np.maximum(rho, 1e-6)
            found.append((axial - 1j * across) * np.exp(-1j * angle))
    return np.stack(found)


def sensitivities(
    shape: tuple[int, int], *, z_mm: float, fov_mm: float, scanner: Scanner
) -> np.ndarray:
    """Sensitivity of every coil relative to the body coil, (coil, y, x) complex64.

    At most :data:`VIRTUAL` coils: the strongest combinations of all. Their root sum of squares is
    1 at its mean over a disc of :data:`HEAD_MM` in the plane z = 0.

    >>> maps = sensitivities((8, 8), z_mm=0.0, fov_mm=220.0, scanner=Scanner(coils=8))
    >>> strength = np.linalg.norm(maps, axis=0)
    >>> maps.shape, round(float(strength[4, 6] / strength[4, 4]), 1)
    ((8, 8, 8), 1.7)

    Args:
        shape: (y, x) pixels of the field of view, pixel n // 2 at the isocentre.
        z_mm: of the slice; the rows of coils lie about 0.
        fov_mm: side of the field of view.
        scanner: number, radius and size of the coils, and where they lie.
    """
    axis = _coarse_axis(fov_mm)
    dx, dy, dz = scanner.coil_offset_mm
    coarse = _fields(axis - dx, axis[:, None] - dy, z_mm - dz, scanner)
    coarse = _strongest(coarse, np.hypot(axis, axis[:, None]) <= fov_mm / 2)
    coarse = (coarse / _mean_strength(scanner)).astype(np.complex64)
    along_y, along_x = (_spline_rows(n, fov_mm) for n in shape)
    return along_y @ (coarse @ along_x.T)


def _coarse_axis(fov_mm: float) -> np.ndarray:
    return np.linspace(-fov_mm / 2, fov_mm / 2, int(np.ceil(fov_mm / COARSE_MM)) + 1)


@functools.lru_cache(maxsize=8)
def _spline_rows(pixels: int, fov_mm: float) -> np.ndarray:
    """(pixels, points) float32 that interpolates values on the coarse axis with cubic splines."""
    axis, place = _coarse_axis(fov_mm), fov_mm * places((1, pixels))[1]
    return make_interp_spline(axis, np.eye(len(axis)), k=3)(place).astype(np.float32)


def _strongest(fields: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Orthonormal combinations of the coils (coil, y, x) that hold most of their power ``where``.

    Few coils stay as they are.
    """
    if len(fields) <= VIRTUAL:
        return fields
    inside = fields[:, where]
    _, vectors = np.linalg.eigh(inside @ inside.conj().T)
    return np.tensordot(vectors[:, : -VIRTUAL - 1 : -1].conj().T, fields, axes=1)


@functools.lru_cache(maxsize=8)
def _mean_strength(scanner: Scanner) -> float:
    """Root of the sum of squares of the loops' fields, averaged over the disc at z = 0."""
    axis = np.linspace(-HEAD_MM, HEAD_MM, 41)
    root = np.linalg.norm(_fields(axis, axis[:, None], 0.0, scanner), axis=0)
    return float(root[np.hypot(axis, axis[:, None]) <= HEAD_MM].mean())


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
