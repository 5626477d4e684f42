"""The average head that subjects are bent, refolded and dressed from."""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.anatomy.regions import ELLIPSOIDS
from qsr_jax.ops.resample import sample_linear
from qsr_jax.phantom.anatomy import Body
from qsr_jax.phantom.deformation import draw_warp
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.skull_and_scalp import HeadShape, add_head, draw_build, head_shape
from qsr_jax.phantom.tissue_values import NUCLEI

SHARPNESS = 5.0
"""Exponent on the template's fractions: the average of many heads becomes one head."""

FOLD_LOGIT, FOLD_MM = 0.5, 1.3
"""Own folding: a random field of this size on the logits before sharpening, and its sigma."""

SULCUS_LOGIT = (0.5, 1.1)
"""Weight given to water in the youngest and the oldest subjects."""

WHITE_LOGIT = 0.3
"""Weight given to white matter, against the thick cortex of an average over subjects."""

FLOOR = 2e-3
"""Smallest fraction of the template, so that its logarithm exists."""

NUCLEUS_EDGE = 0.06
"""Softness of a nucleus's edge, as a fraction of its radius."""

NUCLEI_BOX_MM = ((-45.0, 45.0), (-50.0, 45.0), (-40.0, 40.0))
"""Part of the template (RAS) that holds all nuclei."""


@dataclasses.dataclass(frozen=True)
class Template:
    """Tissue fractions of an average head, with the matrix from index to MNI RAS mm.

    Attributes:
        tissue: (x, y, z, 2) fractions of grey and white matter, 0 to 1; 0 at the edges.
        affine: (4, 4), diagonal.
        head: distances that the layers around the brain follow.
    """

    tissue: np.ndarray
    affine: np.ndarray
    head: HeadShape

    def sample(self, mni_mm: np.ndarray) -> np.ndarray:
        """Fractions of water, grey and white at points (..., 3): (3, ...) float32, sum 1.

        All that is not brain tissue is water here; the head's layers end it.
        """
        origin, step = self.affine[:3, 3], np.diag(self.affine)[:3]
        index = (mni_mm - origin.astype(np.float32)) / step.astype(np.float32)
        tissue = np.moveaxis(sample_linear(self.tissue, index), -1, 0)
        return np.stack([np.maximum(1.0 - tissue[0] - tissue[1], 0.0), *tissue])

    def body(self, rng: np.random.Generator, planes: Planes) -> Body:
        """One subject bent, refolded and dressed from this average.

        Raises:
            ValueError: the deformation folds.
        """
        warp = draw_warp(rng, half_mm=planes.half_mm)
        atrophy = float(rng.uniform())
        mni_mm = warp(planes.z_mm, planes.axis_mm, planes.axis_mm)
        logits = fold(rng, self.sample(mni_mm), atrophy=atrophy)
        build = draw_build(rng, atrophy=atrophy)
        log_odds, inside = add_head(rng, self.head, build, planes, mni_mm, logits)
        return Body(
            log_odds=log_odds,
            inside=inside,
            mni_mm=mni_mm,
            nuclei=np.moveaxis(nuclei_membership(mni_mm[planes.middles]), 0, 1),
            traits={"head_size": warp.head_size, "atrophy": atrophy, **dataclasses.asdict(build)},
        )


def nuclei_membership(mni_mm: np.ndarray) -> np.ndarray:
    """Soft membership 0..1 of points (..., 3) in :data:`NUCLEI`: (5, ...) float32, one non-zero."""
    radius = np.stack([part.radius(mni_mm) for part in ELLIPSOIDS if part.region in NUCLEI])
    member = 1.0 / (1.0 + np.exp(np.clip((radius - 1.0) / NUCLEUS_EDGE, -30, 30)))
    return np.where(radius == radius.min(axis=0), member, 0.0).astype(np.float32)


def fold(rng: np.random.Generator, fractions: np.ndarray, *, atrophy: float) -> np.ndarray:
    """One subject's sharpened logits from the template's fractions of water, grey and white.

    Random fields on water and white give every subject gyri of their own; they matter only where
    the template is in doubt. The more atrophy, the more weight has water, so that sulci and
    ventricles widen.

    Args:
        rng: source of randomness.
        fractions: (3, z, y, x).
        atrophy: 0 (youngest) to 1 (oldest).

    Returns:
        (3, z, y, x) float32.
    """
    logits = np.log(fractions + np.float32(FLOOR))
    water = SULCUS_LOGIT[0] + atrophy * (SULCUS_LOGIT[1] - SULCUS_LOGIT[0])
    for tissue, weight in ((0, water), (2, WHITE_LOGIT)):
        noise = rng.standard_normal(fractions.shape[1:], np.float32)
        noise = ndimage.gaussian_filter(noise, FOLD_MM)
        noise *= FOLD_LOGIT / noise.std()
        logits[tissue] += noise + np.float32(weight)
    return logits * np.float32(SHARPNESS)


def make_template(
    grey: np.ndarray, white: np.ndarray, brain: np.ndarray, affine: np.ndarray
) -> Template:
    """A template with deep nuclei and a head around it.

    Args:
        grey: (x, y, z) fraction of grey matter, 0 to 1.
        white: fraction of white matter.
        brain: 1 inside the brain, else 0; nothing outside it is taken from the fractions.
        affine: (4, 4) from index to MNI RAS mm, diagonal.
    """
    tissue = np.stack([grey, white], axis=-1) * (brain > 0)[..., None]
    for axis in range(3):  # what lies beyond the template is no tissue
        np.moveaxis(tissue, axis, 0)[[0, -1]] = 0.0
    return Template(with_nuclei(tissue, affine), affine, head_shape(brain, affine))


def with_nuclei(tissue: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Makes the deep nuclei grey: the template calls the pallidum and half the thalamus white."""
    step, origin = np.diag(affine)[:3], affine[:3, 3]
    corners = (np.array(NUCLEI_BOX_MM).T - origin) / step
    low, high = np.clip(np.sort(corners.round().astype(int), axis=0), 0, tissue.shape[:3])
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"), -1)
    member = nuclei_membership(index * step + origin).max(axis=0)
    tissue = tissue.copy()
    tissue[box][..., 0] += tissue[box][..., 1] * member
    tissue[box][..., 1] *= 1.0 - member
    return tissue
