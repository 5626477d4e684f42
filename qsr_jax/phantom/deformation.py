"""A smooth map from a subject's head to the template: affine plus cubic B-spline displacement.

Free-form deformation of Rueckert et al. 1999 (doi:10.1109/42.796284), drawn at random.
"""

import dataclasses

import numpy as np
from scipy.interpolate import BSpline
from scipy.spatial.transform import Rotation

CONTROL_MM = 40.0
DISPLACEMENT_MM = 2.5
HEAD_SIZE, HEAD_SPREAD = 0.95, 0.04
"""Size of heads against the template's, which is larger than those of subjects (Lancaster 2007,
doi:10.1002/hbm.20345), and how far each axis departs from it."""

TURN_DEG = 3.0
MNI_CENTRE_MM = (0.0, -18.0, 18.0)
"""Point of the template (RAS) that lies at the scanner's isocentre before a subject is turned."""

COEFFICIENT_GAIN = 0.479**1.5
"""Standard deviation of a 3-D cubic B-spline field over that of its independent coefficients:
the mean of the sum of squared weights is 0.479 per axis."""


def spline_rows(points_mm: np.ndarray, *, half_mm: float, step_mm: float) -> np.ndarray:
    """(n, k) cubic B-spline weights at ``points_mm`` for coefficients every ``step_mm``.

    The coefficients reach beyond ``+-half_mm`` so that every row sums to 1 there.
    """
    cells = int(np.ceil(2.0 * half_mm / step_mm))
    knots = (np.arange(cells + 7) - 3 - cells / 2) * step_mm
    inside = np.clip(points_mm, knots[3], knots[-4])
    return BSpline.design_matrix(inside, knots, 3).toarray().astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Warp:
    """Map from patient coordinates (LPS, mm) to the template's (RAS, mm).

    Attributes:
        linear: (3, 3) head size and turn, acting on RAS offsets from the isocentre.
        coefficients: (k, k, k, 3) B-spline coefficients over (z, y, x), mm.
        half_mm: the warp is defined on patient coordinates from -half_mm to half_mm.
    """

    linear: np.ndarray
    coefficients: np.ndarray
    half_mm: float

    @property
    def head_size(self) -> float:
        """Mean size of the head along an axis, against the template's."""
        return float(np.linalg.det(self.linear) ** (-1 / 3))

    def __call__(self, z_mm: np.ndarray, y_mm: np.ndarray, x_mm: np.ndarray) -> np.ndarray:
        """Template points (z, y, x, 3) RAS mm of the grid spanned by three LPS axes."""
        rows = [
            spline_rows(axis, half_mm=self.half_mm, step_mm=CONTROL_MM)
            for axis in (z_mm, y_mm, x_mm)
        ]
        points = np.einsum("zi,yj,xk,ijkc->zyxc", *rows, self.coefficients, optimize=True)
        points += np.asarray(MNI_CENTRE_MM, np.float32)
        for axis, values in enumerate((-x_mm, -y_mm, z_mm)):  # LPS to RAS
            column = self.linear[:, axis].astype(np.float32)
            view = [1, 1, 1, 1]
            view[2 - axis] = -1
            points += values.astype(np.float32).reshape(view) * column
        return points


def draw_warp(rng: np.random.Generator, *, half_mm: float) -> Warp:
    """A random subject's head: of its own size, turned by a few degrees, bent by millimetres.

    Args:
        rng: source of randomness.
        half_mm: the warp is defined on patient coordinates from -half_mm to half_mm.

    Raises:
        ValueError: the map folds over itself somewhere (see :func:`smallest_jacobian`).
    """
    size = HEAD_SIZE * (1.0 + rng.uniform(-HEAD_SPREAD, HEAD_SPREAD, 3))
    angles = rng.uniform(-TURN_DEG, TURN_DEG, 3)
    turn = Rotation.from_euler("xyz", angles, degrees=True)
    nodes = spline_rows(np.zeros(1), half_mm=half_mm, step_mm=CONTROL_MM).shape[1]
    bend = rng.normal(0.0, DISPLACEMENT_MM / COEFFICIENT_GAIN, (nodes, nodes, nodes, 3))
    warp = Warp(turn.as_matrix() @ np.diag(1.0 / size), bend.astype(np.float32), half_mm)
    check_warp(warp)
    return warp


def smallest_jacobian(warp: Warp) -> float:
    """Smallest determinant of the map's derivative on a 5 mm grid; 1 keeps volumes."""
    axis = np.arange(-warp.half_mm, warp.half_mm + 1.0, 5.0)
    points = warp(axis, axis, axis)
    by_z, by_y, by_x = np.gradient(points, 5.0, axis=(0, 1, 2))
    # LPS axes x and y run against RAS, so the two signs cancel.
    return float(np.linalg.det(np.stack([by_x, by_y, by_z], axis=-1)).min())


def check_warp(warp: Warp) -> None:
    """Raises ValueError unless the map is one-to-one (positive Jacobian everywhere)."""
    smallest = smallest_jacobian(warp)
    if not smallest > 0.0:
        raise ValueError(
            f"the deformation folds: smallest Jacobian {smallest:.3f}, must be > 0; "
            f"use a smaller displacement than {DISPLACEMENT_MM} mm"
        )
