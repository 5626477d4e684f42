"""The average head that people are bent from."""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.physics.regions import ELLIPSOIDS
from qsr_jax.physics.tissues import NUCLEI

NUCLEUS_EDGE = 0.06
"""Softness of a nucleus's edge, as a share of its radius."""

NUCLEI_BOX_MM = ((-45.0, 45.0), (-45.0, 45.0), (-25.0, 40.0))
"""Part of the template (RAS) that holds all nuclei."""


@dataclasses.dataclass(frozen=True)
class Template:
    """Tissue fractions of an average head, (x, y, z), with the matrix from index to MNI RAS mm.

    Attributes:
        grey: fraction of grey matter, 0 to 1.
        white: fraction of white matter.
        brain: 1 inside the brain, else 0; what is neither grey nor white inside is CSF.
        affine: (4, 4), diagonal.
    """

    grey: np.ndarray
    white: np.ndarray
    brain: np.ndarray
    affine: np.ndarray

    def sample(self, mni_mm: np.ndarray) -> np.ndarray:
        """Fractions of air, CSF, grey and white at points (..., 3): (4, ...) float32, sum 1."""
        index = np.moveaxis((mni_mm - self.affine[:3, 3]) / np.diag(self.affine)[:3], -1, 0)
        brain = _interpolate(self.brain, index)
        inside = brain > 0
        fractions = np.zeros((4, *brain.shape), np.float32)
        fractions[2, inside] = _interpolate(self.grey, index[:, inside])
        fractions[3, inside] = _interpolate(self.white, index[:, inside])
        fractions[1] = np.maximum(brain - fractions[2] - fractions[3], 0.0)
        fractions[0] = np.maximum(1.0 - fractions[1:].sum(axis=0), 0.0)
        return fractions


def _interpolate(volume: np.ndarray, index: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(volume, index, np.float32, order=1)


def nuclei_membership(mni_mm: np.ndarray) -> np.ndarray:
    """Soft membership 0..1 of points (..., 3) in :data:`NUCLEI`: (4, ...) float32, one non-zero."""
    radius = np.stack([part.radius(mni_mm) for part in ELLIPSOIDS if part.region in NUCLEI])
    member = 1.0 / (1.0 + np.exp(np.clip((radius - 1.0) / NUCLEUS_EDGE, -30, 30)))
    return np.where(radius == radius.min(axis=0), member, 0.0).astype(np.float32)


def with_nuclei(template: Template) -> Template:
    """Makes the deep nuclei grey: the template calls the pallidum and half the thalamus white."""
    step, origin = np.diag(template.affine)[:3], template.affine[:3, 3]
    corners = (np.array(NUCLEI_BOX_MM).T - origin) / step
    low, high = np.clip(np.sort(corners.round().astype(int), axis=0), 0, template.white.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), -1)
    member = nuclei_membership(index * step + origin).max(axis=0)
    grey, white = template.grey.copy(), template.white.copy()
    grey[box] += white[box] * member
    white[box] *= 1.0 - member
    return dataclasses.replace(template, grey=grey, white=white)
