"""How far a head moved between its two scans, and the routine maps brought to the fast scan.

Rigid, by SimpleITK (the extra ``register``): least squares of R1 = 1/T1 in the routine scan's
tissue mask, linear between voxels, regular-step gradient descent. The routine maps are moved and
not the fast ones: whoever predicts has a fast scan only, and as it was scanned.
"""

import importlib
from typing import Any

import numpy as np
from scipy import ndimage

from qsr_jax.types import Geometry

NONE, RIGID = "none", "rigid"
METHODS = (NONE, RIGID)

SAMPLE_MM = 1.7
"""Spacing in the plane of the voxels that are compared."""

RATE_RANGE = (0.0, 3.0)
"""1/s; R1 of tissue. What lies above is noise or fat."""

LEVER_MM = 70.0
"""A turn by one radian moves the head by so much: the scale between turns and displacements."""

ITERATIONS, SHORTEST_STEP_MM = 200, 1e-4


class MissingRegistrationError(ValueError):
    """SimpleITK is not installed."""


def rigid_pose(
    fast_t1_ms: np.ndarray,
    routine_t1_ms: np.ndarray,
    mask: np.ndarray,
    fast: Geometry,
    routine: Geometry,
) -> np.ndarray:
    """How the head lies in the fast scan against the routine scan: (6,).

    Displacement along the patient's left, back and head in mm, then turns about these axes in
    degrees, about the world's origin; a point of the head at ``h`` in the routine scan lies at
    ``R h + t`` in the fast scan, as in :mod:`qsr_jax.simulate.motion`.

    Args:
        fast_t1_ms: (z, y, x).
        routine_t1_ms: (z, y, x) on a grid of a whole multiple of the matrix.
        mask: (z, y, x) bool, the routine scan's tissue.
        fast: where the fast voxels lie.
        routine: where the routine voxels lie.

    Raises:
        MissingRegistrationError: SimpleITK is not installed.
    """
    sitk = _simpleitk()
    fixed, inside = (
        _image(sitk, array, routine) for array in (_rate(routine_t1_ms), mask.astype(np.float32))
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMeanSquares()
    method.SetMetricFixedMask(sitk.Cast(inside > 0.5, sitk.sitkUInt8))
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        0.5, SHORTEST_STEP_MM, ITERATIONS, gradientMagnitudeTolerance=1e-10
    )
    method.SetOptimizerScales([LEVER_MM**2] * 3 + [1.0] * 3)
    method.SetNumberOfThreads(1)  # the order of its sums decides the last digits
    method.SetInitialTransform(sitk.Euler3DTransform(), inPlace=False)
    moving = _image(sitk, _rate(fast_t1_ms), fast)
    matrix = np.eye(4)
    found = method.Execute(fixed, moving)
    origin = np.array(found.TransformPoint((0.0, 0.0, 0.0)))
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.array(found.TransformPoint(unit.tolist())) - origin
    turns = np.rad2deg([matrix[2, 1], matrix[0, 2], matrix[1, 0]])
    return np.round(np.concatenate([origin, turns]), 4)


def on_fast_head(
    maps: np.ndarray, geometry: Geometry, pose: np.ndarray, *, order: int = 3
) -> np.ndarray:
    """Routine maps as they would lie had the head lain as in the fast scan, on their own grid.

    Args:
        maps: (z, y, x, c), any unit; (z, y, x) of a mask.
        geometry: where their voxels lie.
        pose: (6,) from :func:`rigid_pose`.
        order: of the splines; 0 for labels.

    Returns:
        float32 between the extremes of ``maps``; what was not scanned repeats the edge.
    """
    about = np.deg2rad(pose[3:])
    turn = np.array(
        [[1.0, -about[2], about[1]], [about[2], 1.0, -about[0]], [-about[1], about[0], 1.0]]
    )
    back = np.eye(4)
    back[:3, :3] = np.linalg.inv(turn)
    back[:3, 3] = -back[:3, :3] @ pose[:3]
    affine = geometry.affine_lps()
    index = np.linalg.inv(affine) @ back @ affine
    channels = maps[..., None] if maps.ndim == 3 else maps
    moved = [
        ndimage.affine_transform(
            channels[..., i].astype(np.float32), index[:3, :3], index[:3, 3], order=order,
            mode="nearest",
        )
        for i in range(channels.shape[-1])
    ]  # fmt: skip
    stacked = np.clip(np.stack(moved, axis=-1), channels.min(), channels.max())
    return stacked[..., 0] if maps.ndim == 3 else stacked


def _rate(t1_ms: np.ndarray) -> np.ndarray:
    """R1 in 1/s, 0 where there is none."""
    rate = np.where(t1_ms > 0, 1000.0 / np.maximum(t1_ms, 1.0), 0.0)
    return np.clip(rate, *RATE_RANGE).astype(np.float32)


def _image(sitk: Any, array: np.ndarray, geometry: Geometry) -> Any:
    """A SimpleITK image, averaged in the plane to about :data:`SAMPLE_MM`."""
    slices, rows, columns = array.shape
    step = max(1, round(SAMPLE_MM / geometry.spacing_mm[1]))
    while rows % step or columns % step:
        step -= 1
    coarse = array.reshape(slices, rows // step, step, columns // step, step).mean(axis=(2, 4))
    image = sitk.GetImageFromArray(coarse.astype(np.float32))
    slice_mm, down, across = geometry.spacing_mm
    middle = (step - 1) / 2
    first = geometry.affine_lps() @ [0.0, middle, middle, 1.0]
    image.SetSpacing((across * step, down * step, slice_mm))
    image.SetOrigin(first[:3].tolist())
    axes = np.stack([geometry.row_dir, geometry.col_dir, geometry.normal], axis=1)
    image.SetDirection(axes.ravel().tolist())
    return image


def _simpleitk() -> Any:
    try:
        return importlib.import_module("SimpleITK")
    except ImportError as error:
        raise MissingRegistrationError(
            'registration of pairs needs SimpleITK: pip install "qsr_jax[register]"'
        ) from error
