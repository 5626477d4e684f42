"""Where every voxel of a subject lies in MNI space: affine, then symmetric diffeomorphic, by dipy.

The subject's T1 map and the template's tissue fractions are brought to one scale of grey (fluid
dark, grey matter middling, white matter bright) on a 2 mm grid; Avants 2008
(doi:10.1016/j.media.2007.06.004) with local cross correlation.
"""

import dataclasses
import logging
from typing import Any

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.optional_dependency import needs_atlas_extra
from qsr_jax.anatomy.regions import WHITE
from qsr_jax.types import Geometry

GRID_MM = 2.0
"""Voxels that the registration sees."""
GREY_LEVELS = (0.2, 0.67, 1.0)
"""Of CSF, grey and white matter; outside the brain 0. Between them R1 is linear."""
FLUID_T1_MS = 4300.0
"""T1 of fluid, where the scale of grey begins."""
_OFFSET_MM = 500.0
"""Added to coordinates while they are warped, so that 0 means "outside the template"."""


@dataclasses.dataclass(frozen=True)
class AtlasTemplate:
    """Grey levels of an average brain in MNI space.

    Attributes:
        image: (z, y, x) float32.
        affine: (4, 4) from index (z, y, x, 1) to LPS mm.
    """

    image: np.ndarray
    affine: np.ndarray


def make_atlas_template(
    csf: np.ndarray, grey: np.ndarray, white: np.ndarray, affine: np.ndarray
) -> AtlasTemplate:
    """The template of three maps of tissue fractions.

    Args:
        csf: (z, y, x), 0 to 1.
        grey: likewise.
        white: likewise.
        affine: (4, 4) from index (z, y, x, 1) to LPS mm.
    """
    dark, middling, bright = (
        np.float32(level) * array.astype(np.float32)
        for level, array in zip(GREY_LEVELS, (csf, grey, white), strict=True)
    )
    return AtlasTemplate(dark + middling + bright, affine)


def mni_coordinates(
    t1_ms: np.ndarray, tissue: np.ndarray, geometry: Geometry, template: AtlasTemplate
) -> np.ndarray:
    """Registers the template to one subject.

    Args:
        t1_ms: (z, y, x) T1 of the subject.
        tissue: (z, y, x) codes of :func:`qsr_jax.anatomy.segmentation.classify_tissue`; 0 outside.
        geometry: of both.
        template: what MNI space looks like.

    Returns:
        (z, y, x, 3) float32, MNI coordinates LPS mm of every voxel; NaN outside the template.

    Raises:
        MissingExtraError: dipy is not installed.
        ValueError: no white matter to set the scale of grey by.
    """
    image, affine = _coarse(_grey_levels(t1_ms, tissue), geometry)
    step = np.linalg.norm(template.affine[:3, :3], axis=0)
    factor = np.maximum(np.rint(GRID_MM / step), 1).astype(int)
    calm = ndimage.gaussian_filter(template.image, 0.4 * factor)
    moving = np.ascontiguousarray(calm[:: factor[0], :: factor[1], :: factor[2]])
    moving_affine = template.affine @ np.diag([*factor, 1.0])
    mapping = _register(image, affine, moving, moving_affine)
    index = np.stack(np.meshgrid(*map(np.arange, moving.shape), indexing="ij"), -1)
    mni = (index @ moving_affine[:3, :3].T + moving_affine[:3, 3]).astype(np.float32)
    warped = np.stack([mapping.transform(mni[..., i] + _OFFSET_MM) for i in range(3)])
    return _at_voxels(warped, np.linalg.inv(affine) @ geometry.affine_lps(), geometry.shape)


def _grey_levels(t1_ms: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """R1 on the scale of :data:`GREY_LEVELS`, 0 outside the brain."""
    white = tissue == WHITE
    if not white.any():
        raise ValueError("no white matter; classify the tissues of this subject first")
    fluid = 1.0 / FLUID_T1_MS
    relative = (1.0 / np.maximum(t1_ms, 300.0) - fluid) / (1.0 / t1_ms[white].mean() - fluid)
    dark, _, bright = GREY_LEVELS
    levels = dark + (bright - dark) * np.clip(relative, 0.0, 1.1)
    return np.where(tissue > 0, levels, 0.0).astype(np.float32)


def _coarse(image: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """The image on an even grid of 2 mm with the same first voxel, and its affine."""
    steps = GRID_MM / np.asarray(geometry.spacing_mm)
    calm = ndimage.gaussian_filter(image, np.where(steps > 1.0, 0.4 * steps, 0.0))
    places = [np.arange(0, n - 1 + 1e-6, s) for n, s in zip(image.shape, steps, strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    coarse = ndimage.map_coordinates(calm, grid, order=1).astype(np.float32)
    return coarse, geometry.affine_lps() @ np.diag([*steps, 1.0])


def _register(
    static: np.ndarray, static_affine: np.ndarray, moving: np.ndarray, moving_affine: np.ndarray
) -> Any:
    """Affine, then diffeomorphic; the mapping warps the template onto the subject."""
    align = needs_atlas_extra("dipy.align")
    warping = needs_atlas_extra("dipy.align.imwarp")
    metrics = needs_atlas_extra("dipy.align.metrics")
    for name in ("dipy", "dipy.align"):  # progress of every level goes to its log otherwise
        logging.getLogger(name).setLevel(logging.WARNING)
    _, start = align.affine_registration(
        moving,
        static,
        moving_affine=moving_affine,
        static_affine=static_affine,
        pipeline=["center_of_mass", "rigid", "affine"],
        level_iters=[200, 50],
        sigmas=[2.0, 1.0],
        factors=[4, 2],
        nbins=32,
    )
    metric = metrics.CCMetric(3, sigma_diff=3.0, radius=4)
    optimiser = warping.SymmetricDiffeomorphicRegistration(metric, level_iters=[30, 30, 10])
    return optimiser.optimize(
        static, moving, static_grid2world=static_affine, moving_grid2world=moving_affine,
        prealign=start,
    )  # fmt: skip


def _at_voxels(warped: np.ndarray, step: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Coordinates (3, ...) of the coarse grid read at every voxel, slice by slice."""
    rows, columns = np.meshgrid(*map(np.arange, shape[1:]), indexing="ij")
    found = np.empty((*shape, 3), np.float32)
    for z in range(shape[0]):
        index = np.stack([np.full(rows.shape, z), rows, columns], -1)
        place = np.moveaxis(index @ step[:3, :3].T + step[:3, 3], -1, 0)
        for i in range(3):
            found[z, ..., i] = ndimage.map_coordinates(warped[i], place, order=1, mode="nearest")
    found[(found < 0.5 * _OFFSET_MM).any(-1)] = np.nan
    return found - _OFFSET_MM
