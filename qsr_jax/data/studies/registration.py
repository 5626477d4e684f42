"""How far a head moved between its two scans, and the routine maps brought to the fast scan.

Rigid, by SimpleITK (the extra ``register``): least squares of smoothed R1 = 1/T1 inside the
routine scan's tissue mask, linear between voxels, regular-step gradient descent. The routine maps
are moved and not the fast ones: whoever predicts has a fast scan only, and as it was scanned.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from qsr_jax.maps import spec_of
from qsr_jax.types import Geometry

NONE, RIGID, KNOWN = "none", "rigid", "known"
METHODS = (NONE, RIGID, KNOWN)
"""Scans are taken as they lie, brought together by what is found in T1, or by the poses that the
simulator wrote down (scanned subjects are then taken as they lie)."""

SAMPLE_MM = 1.7
"""Spacing in the plane of the voxels that are compared."""

RATE_RANGE = (0.2, 1.6)
"""1/s; R1 of fluid and tissue. What lies outside is noise or fat."""

SMOOTH_MM, INSET_MM = 1.5, 4.0
"""Standard deviation in the plane of the filter that both scans pass, and how far voxels that count
lie from the edge of the tissue. Linear interpolation smooths noise, and least squares would choose
the pose that smooths most: without either, poses of noisy heads came out 1 mm off."""

LEVER_MM = 70.0
"""A turn by one radian moves the head by so much: the scale between turns and displacements."""

ITERATIONS, SHORTEST_STEP_MM = 200, 1e-4

MUTUAL_BINS = 50
"""Of the joint histogram of two contrasts."""

MOST_MM, MOST_DEG = 10.0, 5.0
"""Farthest that a head is believed to have moved between two scans of one session. Turns are taken
as small here: at 5 degrees a point 80 mm from the axis is off by 0.3 mm."""


class RegistrationError(ValueError):
    """Two scans that cannot be brought together."""


class MissingRegistrationError(RegistrationError):
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
        RegistrationError: the scans do not overlap, or what was found is farther than any head
            moves (:data:`MOST_MM`, :data:`MOST_DEG`).
    """
    sitk = _simpleitk()
    mask = _inset(mask, routine)
    if not mask.any():
        raise RegistrationError("the routine scan has no tissue to register; look at its maps")
    fixed, inside = (
        _image(sitk, array, routine)
        for array in (_rate(routine_t1_ms, routine), mask.astype(np.float32))
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
    moving = _image(sitk, _rate(fast_t1_ms, fast), fast)
    found = method.Execute(fixed, moving)
    if method.GetMetricValue() > np.ptp(RATE_RANGE) ** 2:  # what it says where no voxel is shared
        raise RegistrationError(
            "fast and routine scan share no tissue; expected two scans of one head that overlap"
        )
    matrix = _matrix_of(found)
    turns = np.rad2deg([matrix[2, 1], matrix[0, 2], matrix[1, 0]])
    pose = np.round(np.concatenate([matrix[:3, 3], turns]), 4)
    check_believable(pose)
    return pose


def rigid_between_contrasts(
    fixed: np.ndarray, moving: np.ndarray, fixed_at: Geometry, moving_at: Geometry
) -> np.ndarray:
    """Where points of one image lie in another of a different contrast: (4, 4), LPS mm.

    Mattes' mutual information from coarse to fine, from the places that both headers say.

    Args:
        fixed: (z, y, x) magnitude.
        moving: (z, y, x) magnitude.
        fixed_at: where the voxels of ``fixed`` lie.
        moving_at: likewise.

    Raises:
        MissingRegistrationError: SimpleITK is not installed.
        RegistrationError: no overlap, or farther than any head moves.
    """
    sitk = _simpleitk()
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(MUTUAL_BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, ITERATIONS)
    method.SetOptimizerScales([LEVER_MM**2] * 3 + [1.0] * 3)
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([2.0, 0.0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetNumberOfThreads(1)  # the order of its sums decides the last digits
    still, images = (_image(sitk, one, at) for one, at in ((fixed, fixed_at), (moving, moving_at)))
    about = still.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in still.GetSize()])
    start = sitk.Euler3DTransform()
    start.SetCenter(about)
    method.SetInitialTransform(start, inPlace=False)
    try:
        found = method.Execute(still, images)
    except RuntimeError as error:  # what ITK says where nothing overlaps
        raise RegistrationError(
            "two contrasts cannot be brought together; expected images of one head that overlap "
            f"({str(error).strip().splitlines()[-1].strip()})"
        ) from None
    matrix = _matrix_of(found)
    turns = np.rad2deg([matrix[2, 1], matrix[0, 2], matrix[1, 0]])
    moved = matrix[:3, :3] @ about + matrix[:3, 3] - about
    check_believable(np.concatenate([moved, turns]))
    return matrix


def _matrix_of(transform: Any) -> np.ndarray:
    """(4, 4) of a linear SimpleITK transform."""
    matrix = np.eye(4)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    for axis, unit in enumerate(np.eye(3)):
        matrix[:3, axis] = np.array(transform.TransformPoint(unit.tolist())) - matrix[:3, 3]
    return matrix


def check_believable(pose: np.ndarray) -> None:
    """Refuses a pose (6,) of :func:`rigid_pose` beyond what a head does; raises RegistrationError.

    >>> check_believable(np.array([0.4, 0.0, -0.3, 0.5, 0.0, 0.0]))
    """
    mm, deg = (float(np.linalg.norm(part)) for part in (pose[:3], pose[3:]))
    if mm > MOST_MM or deg > MOST_DEG:
        raise RegistrationError(
            f"the head would have moved by {mm:.1f} mm and {deg:.1f} degrees between the scans; "
            f"expected at most {MOST_MM:g} mm and {MOST_DEG:g} degrees. Look whether both are "
            "scans of one head, or take them as they lie (--register none)"
        )


def turn_of(pose: np.ndarray) -> np.ndarray:
    """R (3, 3) of a pose (6,), its turns taken as small.

    >>> turn_of(np.zeros(6)).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    x, y, z = np.deg2rad(pose[3:]).tolist()
    return np.array([[1.0, -z, y], [z, 1.0, -x], [-y, x, 1.0]])


def on_fast_head(
    maps: np.ndarray,
    geometry: Geometry,
    pose: np.ndarray,
    *,
    names: Sequence[str] = (),
    order: int = 3,
) -> np.ndarray:
    """Routine maps as they would lie had the head lain as in the fast scan, on their own grid.

    Relaxation times are interpolated by their logarithms: between tissue and fluid of ten times
    its T2 the times themselves swing far off (T2 of a head moved by 0.4 mm and degrees: 2 to 3
    times the error).

    Args:
        maps: (z, y, x, c), any unit; (z, y, x) of a mask.
        geometry: where their voxels lie.
        pose: (6,) from :func:`rigid_pose`.
        names: of the c maps, keys of :data:`qsr_jax.maps.MAPS`; empty for anything else.
        order: of the splines; 0 for labels.

    Returns:
        float32 between the extremes of every channel; what was not scanned repeats the edge.
    """
    back = np.eye(4)
    back[:3, :3] = np.linalg.inv(turn_of(pose))
    back[:3, 3] = -back[:3, :3] @ pose[:3]
    affine = geometry.affine_lps()
    index = np.linalg.inv(affine) @ back @ affine
    channels = maps[..., None] if maps.ndim == 3 else maps
    floors = [s.measured_min if s.unit == "ms" else None for s in map(spec_of, names)]
    floors = floors or [None] * channels.shape[-1]
    parts = (_moved(channels[..., i], index, floor, order=order) for i, floor in enumerate(floors))
    stacked = np.stack(list(parts), axis=-1)
    return stacked[..., 0] if maps.ndim == 3 else stacked


def _moved(image: np.ndarray, index: np.ndarray, floor: float | None, *, order: int) -> np.ndarray:
    """(z, y, x) read at other indices; with a floor by the logarithm of what lies above 0."""
    values = image.astype(np.float32)
    if floor is not None:
        values = np.log(np.maximum(values, 0.0) + np.float32(floor))
    found = ndimage.affine_transform(
        values, index[:3, :3], index[:3, 3], order=order, mode="nearest"
    )
    found = np.clip(found, values.min(), values.max())
    return found if floor is None else np.maximum(np.exp(found) - np.float32(floor), 0.0)


def _inset(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    """What lies :data:`INSET_MM` inside a mask (z, y, x), slice by slice."""
    inside = [ndimage.distance_transform_edt(part, geometry.spacing_mm[1:]) for part in mask]
    return np.stack(inside) > INSET_MM


def _rate(t1_ms: np.ndarray, geometry: Geometry) -> np.ndarray:
    """R1 in 1/s, smoothed in the plane."""
    rate = np.where(t1_ms > 0, 1000.0 / np.maximum(t1_ms, 1.0), 0.0)
    sigma = (0.0, *(SMOOTH_MM / step for step in geometry.spacing_mm[1:]))
    return ndimage.gaussian_filter(np.clip(rate, *RATE_RANGE), sigma).astype(np.float32)


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
