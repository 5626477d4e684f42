"""A simulated head: the template bent and refolded into a person, cut into slices.

A person is drawn on a 1 mm grid as log-odds of the tissues. Each slice is sharpened on a fine
in-plane grid and its 1 mm planes are averaged, so a voxel holds true partial volumes and the
routine scan sees detail that the fast one cannot.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qsr_jax.physics.fields import draw_b1, draw_texture
from qsr_jax.physics.lesions import Lesion, draw_shapes, place_lesions
from qsr_jax.physics.planes import Planes
from qsr_jax.physics.regions import GREY, WHITE, label_regions
from qsr_jax.physics.template import Template, nuclei_membership
from qsr_jax.physics.tissues import NUCLEI, TISSUES, draw_person
from qsr_jax.physics.warp import draw_warp
from qsr_jax.types import Geometry

CLASSES = ("csf", "cortex", "white", "lesion")
"""Order of the tissue fractions; "cortex" is all grey matter. Tissue code = index + 1, 0 is air."""

SHARPNESS = 5.0
"""Exponent on the template's fractions: the average of many heads becomes one head."""

FOLD_LOGIT, FOLD_MM = 0.5, 1.3
"""Own folding: a random field of this size on the log-odds before sharpening, and its sigma."""

SULCUS_LOGIT = (0.8, 0.15)
"""Mean and spread between people of the weight given to CSF; more is more atrophy."""

WHITE_LOGIT = 0.3
"""Weight given to white matter, against the thick cortex of an average over people."""

FLOOR = 2e-3
"""Smallest fraction of the template, so that its logarithm exists."""

FINEST_MM, LESION_EDGE_MM = 0.5, 0.5
"""In-plane spacing at which tissues are told apart; blur of a lesion's edge."""


@dataclasses.dataclass(frozen=True)
class Phantom:
    """A person on the truth grid ``planes.geometry``; (m, m) is the 1 mm grid in its plane.

    Attributes:
        planes: the grids.
        fractions: (z, 4, y, x) of :data:`CLASSES`; they sum to 1 in the brain and to 0 in air.
        regions: (z, y, x) uint8, see :data:`qsr_jax.physics.regions.REGION_NAMES`.
        lesion_labels: (z, y, x) uint8, i + 1 where most of the voxel is ``lesions[i]``.
        lesion_boxes: (z, m, m) uint8, i + 1 where the values of ``lesions[i]`` apply.
        lesions: kind, place and values of each lesion; empty in healthy people.
        values: this person's mean (T1 ms, T2 ms, PD %) of every tissue.
        nuclei: (z, 4, m, m) membership in :data:`qsr_jax.physics.tissues.NUCLEI`.
        texture: (z, 3, m, m) unit variance, one field per quantity, correlated.
        b1: (z, m, m) transmit field, 1 = nominal.
    """

    planes: Planes
    fractions: np.ndarray
    regions: np.ndarray
    lesion_labels: np.ndarray
    lesion_boxes: np.ndarray
    lesions: tuple[Lesion, ...]
    values: dict[str, np.ndarray]
    nuclei: np.ndarray
    texture: np.ndarray
    b1: np.ndarray


def tissue_codes(fractions: np.ndarray) -> np.ndarray:
    """(z, 4, y, x) to (z, y, x) uint8: 1 + index of the largest share, 0 where air is the most."""
    code = np.argmax(fractions, axis=1) + 1
    return np.where(fractions.sum(axis=1) >= 0.5, code, 0).astype(np.uint8)


def draw_phantom(
    rng: np.random.Generator, template: Template, geometry: Geometry, *, patient: bool
) -> Phantom:
    """Draws a person, a pure function of ``rng``.

    Args:
        rng: source of randomness.
        template: from :func:`qsr_jax.physics.template.with_nuclei`.
        geometry: truth grid.
        patient: whether the person has lesions.

    Raises:
        ValueError: the grid cannot be filled with 1 mm planes, the deformation folds, or there is
            no place for a lesion.
    """
    planes = Planes(geometry)
    warp = draw_warp(rng, half_mm=planes.half_mm)
    mni_mm = warp(planes.z_mm, planes.axis_mm, planes.axis_mm)
    log_odds = fold(rng, template.sample(mni_mm))
    values, texture = draw_person(rng), draw_texture(rng, planes)
    b1 = draw_b1(rng, planes)

    lesions, shape = [], log_odds.shape[1:]
    depth, boxes = None, np.zeros(shape, np.uint8)
    if patient:
        white = (log_odds.argmax(axis=0) == 2) & (log_odds[2] > 0)
        deep_white = ndimage.binary_erosion(white, iterations=2)
        lesions = place_lesions(rng, deep_white, slices_at=np.arange(shape[0])[planes.middles])
        depth, boxes = draw_shapes(rng, lesions, shape)

    fractions = slice_fractions(planes, log_odds, depth)
    middle_mm, boxes = mni_mm[planes.middles], planes.by_slice(boxes).max(axis=1)
    return Phantom(
        planes=planes,
        fractions=fractions,
        regions=regions_on(planes, middle_mm, tissue_codes(fractions)),
        lesion_labels=np.where(fractions[:, 3] >= 0.5, planes.nearest(boxes), 0),
        lesion_boxes=boxes,
        lesions=tuple(lesions),
        values=values,
        nuclei=np.moveaxis(nuclei_membership(middle_mm), 0, 1),
        texture=texture,
        b1=b1,
    )


def fold(rng: np.random.Generator, fractions: np.ndarray) -> np.ndarray:
    """One person's sharpened log-odds from template fractions of air, CSF, grey and white.

    Random fields on CSF and white give everybody gyri of their own; they matter only where the
    template is in doubt.

    Args:
        rng: source of randomness.
        fractions: (4, z, y, x).

    Returns:
        (3, z, y, x) log-odds of CSF, grey and white against air.
    """
    log_odds = np.log(fractions + FLOOR)
    for tissue, weight in ((1, rng.normal(*SULCUS_LOGIT)), (3, WHITE_LOGIT)):
        noise = rng.standard_normal(fractions.shape[1:], np.float32)
        noise = ndimage.gaussian_filter(noise, FOLD_MM)
        log_odds[tissue] += weight + FOLD_LOGIT / noise.std() * noise
    return SHARPNESS * (log_odds[1:] - log_odds[:1])


def slice_fractions(planes: Planes, log_odds: np.ndarray, depth: np.ndarray | None) -> np.ndarray:
    """Fractions (z, 4, y, x) of :data:`CLASSES`.

    Args:
        planes: the grids.
        log_odds: (3, planes, m, m) of CSF, grey and white against air, on the 1 mm grid.
        depth: (planes, m, m) mm below the surface of the nearest lesion, negative outside; None in
            healthy people.
    """
    odds_of = planes.by_slice(np.moveaxis(log_odds, 0, 1))
    depth_of = [None] * len(odds_of) if depth is None else planes.by_slice(depth)
    pairs = zip(odds_of, depth_of, strict=True)
    return np.stack([np.asarray(_one_slice(planes, *pair)) for pair in pairs])


@functools.partial(jax.jit, static_argnums=0)
def _one_slice(planes: Planes, log_odds: jax.Array, depth: jax.Array | None) -> jax.Array:
    """(planes, 3, m, m) and (planes, m, m) to (4, y, x). Lesions replace grey and white only."""
    pixel_mm, n = planes.geometry.spacing_mm[1], planes.geometry.shape[1]
    finer = int(np.ceil(pixel_mm / FINEST_MM))
    odds = jnp.exp(planes.enlarge(log_odds, finer=finer, method="cubic"))
    csf, grey, white = jnp.moveaxis(odds / (1.0 + odds.sum(axis=1, keepdims=True)), 1, 0)
    sick = 0.0
    if depth is not None:
        sick = jax.nn.sigmoid(planes.enlarge(depth, finer=finer) / LESION_EDGE_MM)
    parts = (csf, grey * (1 - sick), white * (1 - sick), (grey + white) * sick)
    fine = jnp.stack([part.mean(axis=0) for part in parts])
    return fine.reshape(len(CLASSES), n, finer, n, finer).mean(axis=(2, 4))


def regions_on(planes: Planes, mni_mm: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Region labels (z, y, x) from the template points (z, m, m, 3) of the slices' middles.

    A point of the 1 mm grid gets the labels it would have as grey and as white; the tissue of the
    finer voxel decides.
    """
    labels = np.zeros(tissue.shape, np.uint8)
    for code in (GREY, WHITE):
        coarse = label_regions(mni_mm, np.full(mni_mm.shape[:-1], code))
        labels = np.where(tissue == code, planes.nearest(coarse), labels)
    return labels


def properties(phantom: Phantom, index: int) -> jax.Array:
    """T1 (ms), T2 (ms), PD (%) of every class in slice ``index``: (4, 3, y, x)."""
    names = (*CLASSES[:3], *NUCLEI)
    mean = np.stack([phantom.values[name] for name in names]).astype(np.float32)
    spread = np.array([TISSUES[name].spread for name in names], np.float32)
    lesions = np.stack([phantom.values["white"], *(one.value for one in phantom.lesions)])
    lesion = np.moveaxis(lesions[phantom.lesion_boxes[index]], -1, 0).astype(np.float32)
    return _properties(
        phantom.planes, phantom.nuclei[index], phantom.texture[index], lesion, mean, spread
    )


@functools.partial(jax.jit, static_argnums=0)
def _properties(
    planes: Planes,
    nuclei: jax.Array,
    texture: jax.Array,
    lesion: jax.Array,
    mean: jax.Array,
    spread: jax.Array,
) -> jax.Array:
    def with_texture(which: jax.Array | slice, weights: jax.Array) -> jax.Array:
        level = jnp.einsum("kyx,kc->cyx", weights, mean[which])
        return level + jnp.einsum("kyx,kc->cyx", weights, spread[which]) * texture

    one = jnp.ones((1, *nuclei.shape[1:]))
    cortex = 1.0 - nuclei.sum(axis=0, keepdims=True)
    grey = jnp.concatenate([cortex, nuclei])
    classes = [
        with_texture(slice(0, 1), one),
        with_texture(jnp.array([1, 3, 4, 5, 6]), grey),
        with_texture(slice(2, 3), one),
    ]
    return planes.enlarge(jnp.stack([*classes, lesion]))
