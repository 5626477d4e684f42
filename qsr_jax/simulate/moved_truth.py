"""The truth of a head that lay elsewhere: cut there from the 1 mm planes, not moved afterwards.

Slices of 5 mm that were averaged already cannot be moved through the plane: their interpolation
leaves half of the error of the movement, as much as a scan's own error.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.ndimage import map_coordinates

from qsr_jax.phantom.grid import box_profile
from qsr_jax.phantom.mixing import maps_of, sums_of
from qsr_jax.phantom.phantom import BONE, Phantom, lesion_labels
from qsr_jax.phantom.slices import properties, slice_fractions
from qsr_jax.phantom.volume_fractions import CLASSES, tissue_codes
from qsr_jax.simulate.motion import in_plane, tilt_of
from qsr_jax.simulate.simulate import LEAST_PD, mixed_truth


class MovedTruth(NamedTuple):
    """What is true at the voxels of the truth grid of a head that took a pose.

    Attributes:
        maps: (z, y, x, 3) float32 T1 ms, T2 ms, PD percent.
        tissue: (z, y, x) uint8, as :attr:`qsr_jax.phantom.phantom.Phantom.tissue`.
        regions: (z, y, x) uint8.
        lesions: (z, y, x) uint8.
    """

    maps: np.ndarray
    tissue: np.ndarray
    regions: np.ndarray
    lesions: np.ndarray


def moved_truth(phantom: Phantom, pose: np.ndarray) -> MovedTruth:
    """The truth of a head that took a pose.

    The volume fractions are those of the slice that is cut there, as when it is scanned
    (:mod:`qsr_jax.simulate.motion`); in the plane they are interpolated linearly, which is how
    pixels share what lies between them. Values of tissues and regions are those of the same slice.

    Args:
        phantom: the head.
        pose: (6,), see :data:`qsr_jax.simulate.motion.POSE`.
    """
    planes = phantom.planes
    size, profile = planes.geometry.shape[1], box_profile(planes)
    maps: list[np.ndarray] = []
    fractions: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for index, z_mm in enumerate(planes.geometry.slice_positions_mm()[:, 2].tolist()):
        cut = slice_fractions(phantom, index, size=size, weights=profile, tilt=tilt_of(pose))
        by = in_plane(pose, z_mm=z_mm, fov_mm=planes.fov_mm).astype(np.float32)
        here = jnp.stack([phantom.tissue[index], phantom.regions[index]])
        parts = _in_its_plane(cut, mixed_truth(cut, properties(phantom, index)), here, by)
        for found, part in zip((maps, fractions, labels), parts, strict=True):
            found.append(np.asarray(part))
    fraction = np.stack(fractions)
    before, regions = np.moveaxis(np.stack(labels), 1, 0)
    code = tissue_codes(fraction)
    tissue = np.where((code == 0) & (before > 0), np.uint8(BONE), code)
    return MovedTruth(
        maps=np.stack(maps),
        tissue=tissue,
        regions=np.where(tissue == before, regions, 0).astype(np.uint8),
        lesions=lesion_labels(
            planes,
            fraction[:, CLASSES.index("lesion")],
            phantom.lesion_boxes,
            count=len(phantom.lesions),
        ),
    )


@jax.jit
def _in_its_plane(
    fraction: jax.Array, maps: jax.Array, labels: jax.Array, by: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Maps (y, x, 3), fractions (k, y, x) and labels (l, y, x) after :func:`in_plane`'s rest.

    What adds up when pixels are mixed is interpolated: volumes, protons, and protons times rates.
    """
    at = _places(fraction.shape[-2:], by)
    read = jax.vmap(lambda image: map_coordinates(image, at, order=1, mode="nearest"))
    fraction = read(fraction)
    moved = maps_of(jnp.moveaxis(read(jnp.moveaxis(sums_of(maps), -1, 0)), 0, -1))
    nearest = jax.vmap(lambda image: map_coordinates(image, at, order=0, mode="nearest"))
    return jnp.where(moved[..., 2:] < LEAST_PD, 0.0, moved), fraction, nearest(labels)


def _places(shape: tuple[int, ...], by: jax.Array) -> list[jax.Array]:
    """Where pixels (y, x) of a moved slice lay before, in pixels."""
    rows, columns = shape
    dy, dx, angle = by
    middle_y, middle_x = (rows - 1) / 2, (columns - 1) / 2
    y = jnp.arange(rows)[:, None] - middle_y - dy * rows
    x = jnp.arange(columns) - middle_x - dx * columns
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return [middle_y + cos * y - sin * x, middle_x + sin * y + cos * x]
