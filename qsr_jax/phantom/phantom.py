"""A simulated subject: where every tissue lies and what it measures.

A subject is drawn on 1 mm planes as log-odds of the tissues; :mod:`qsr_jax.phantom.slices` cuts it
into slices on any grid, so the routine scan sees detail that the fast one cannot.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE, label_regions
from qsr_jax.phantom.anatomy import Anatomy, Body
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.lesions import Lesion, LesionPlan
from qsr_jax.phantom.pathology import Pathology, add_pathology
from qsr_jax.phantom.random_fields import draw_b1, draw_texture
from qsr_jax.phantom.structures import add_structures
from qsr_jax.phantom.tissue_values import NUCLEI, POPULATION, VALUES, WIDE, draw_subject
from qsr_jax.phantom.volume_fractions import CLASSES, on_truth_grid, tissue_codes
from qsr_jax.phantom.wide_anatomy import VARIED_SHARE, vary_anatomy
from qsr_jax.phantom.wide_draws import draw_remap, draw_wide_texture, widen_values
from qsr_jax.types import Geometry

BONE = 8
"""Tissue code of a signal void inside the skin: cortical bone, air, flowing blood."""

Labeller = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Template points (..., 3) and tissue codes (...) to labels of regions (...)."""


@dataclasses.dataclass(frozen=True)
class Phantom:
    """A subject on the truth grid ``planes.geometry``; (m, m) is the 1 mm grid in its plane.

    Attributes:
        planes: the grids.
        log_odds: (planes, 6, m, m) of :data:`qsr_jax.phantom.anatomy.BODY_CLASSES`, against signal
            voids.
        depth: (planes, m, m) mm below the surface of the nearest lesion; None in healthy subjects.
        fractions: (z, 7, y, x) volume fractions of
            :data:`qsr_jax.phantom.volume_fractions.CLASSES`; their sum is 1 in tissue, 0 in bone
            and air.
        tissue: (z, y, x) uint8 code of the class with the largest volume fraction,
            :data:`BONE` for a signal void in the head.
        regions: (z, y, x) uint8, see :data:`qsr_jax.anatomy.regions.REGION_NAMES`.
        lesion_labels: (z, y, x) uint8, i + 1 where most of the voxel is ``lesions[i]``.
        lesion_boxes: (z, m, m) uint8, i + 1 where the values of ``lesions[i]`` apply.
        lesions: kind, place and values of each lesion; empty in healthy subjects.
        values: this subject's mean (T1 ms, T2 ms, PD %) of every tissue.
        nuclei: (z, 5, m, m) membership in :data:`qsr_jax.phantom.tissue_values.NUCLEI`.
        texture: (z, 6, m, m) of T1, T2 and PD in all tissues, then in white matter, in parts of a
            tissue's spread.
        b1: (z, m, m) transmit field, 1 = nominal.
        maps: (z, 3, m, m) measured maps that stand for the values of all tissues, or None.
        traits: what was drawn for this subject, for the record.
    """

    planes: Planes
    log_odds: np.ndarray
    depth: np.ndarray | None
    fractions: np.ndarray
    tissue: np.ndarray
    regions: np.ndarray
    lesion_labels: np.ndarray
    lesion_boxes: np.ndarray
    lesions: tuple[Lesion, ...]
    values: dict[str, np.ndarray]
    nuclei: np.ndarray
    texture: np.ndarray
    b1: np.ndarray
    maps: np.ndarray | None
    traits: dict[str, float]


def draw_phantom(
    rng: np.random.Generator,
    anatomy: Anatomy,
    geometry: Geometry,
    *,
    patient: bool,
    plan: LesionPlan | None = None,
    labeller: Labeller = label_regions,
    values: str = POPULATION,
) -> Phantom:
    """Draws a subject, a pure function of ``rng``.

    Args:
        rng: source of randomness.
        anatomy: what subjects are made from, such as the average head of
            :func:`qsr_jax.phantom.mni_template.make_template`.
        geometry: truth grid.
        patient: whether the subject has lesions.
        plan: which lesions; None is the default plan.
        labeller: tells the regions.
        values: whose tissue values and textures, one of
            :data:`qsr_jax.phantom.tissue_values.VALUES`; the head's shape is the same with either.

    Raises:
        ValueError: unknown values, the grid cannot be filled with 1 mm planes, the deformation
            folds, or there is no place for a lesion.
    """
    if values not in VALUES:
        raise ValueError(f"values of subjects are {values!r}; known: {', '.join(VALUES)}")
    planes = Planes(geometry)
    body = anatomy.body(rng, planes)
    means, texture = draw_subject(rng), draw_texture(rng, planes)
    b1 = draw_b1(rng, planes)
    pathology = Pathology.none(planes)
    if patient:
        pathology = add_pathology(rng, body, planes, plan or LesionPlan())
    structures, wide = rng.spawn(2)
    if values == WIDE:
        means, texture, pathology, body = _widened(wide, planes, means, pathology, body)
    body = add_structures(structures, body, depth=pathology.depth)
    return _assembled(planes, body, pathology, labeller, values=means, texture=texture, b1=b1)


def _assembled(
    planes: Planes,
    body: Body,
    pathology: Pathology,
    labeller: Labeller,
    *,
    values: dict[str, np.ndarray],
    texture: np.ndarray,
    b1: np.ndarray,
) -> Phantom:
    """A subject of its parts, with fractions and labels on the truth grid."""
    log_odds = np.ascontiguousarray(np.moveaxis(body.log_odds, 0, 1))
    fractions = on_truth_grid(planes, log_odds, pathology.depth)
    tissue = tissue_codes(fractions)
    void_inside = (tissue == 0) & planes.nearest(body.inside[planes.middles])
    return Phantom(
        planes=planes,
        log_odds=log_odds,
        depth=pathology.depth,
        fractions=fractions,
        tissue=np.where(void_inside, np.uint8(BONE), tissue),
        regions=regions_on(planes, body, tissue, labeller),
        lesion_labels=lesion_labels(
            planes,
            fractions[:, CLASSES.index("lesion")],
            pathology.boxes,
            count=len(pathology.lesions),
        ),
        lesion_boxes=pathology.boxes,
        lesions=pathology.lesions,
        values=values,
        nuclei=body.nuclei,
        texture=texture,
        b1=b1,
        maps=body.maps,
        traits=body.traits,
    )


def _widened(
    rng: np.random.Generator,
    planes: Planes,
    means: dict[str, np.ndarray],
    pathology: Pathology,
    body: Body,
) -> tuple[dict[str, np.ndarray], np.ndarray, Pathology, Body]:
    """Means, texture, pathology and body of the same subject, drawn wide."""
    remap = draw_remap(rng)
    lesions = tuple(
        dataclasses.replace(lesion, value=remap(lesion.value)) for lesion in pathology.lesions
    )
    values, texture = widen_values(rng, means, remap), draw_wide_texture(rng, planes)
    if body.maps is None and rng.uniform() < VARIED_SHARE:
        body = vary_anatomy(rng, body)
    return values, texture, dataclasses.replace(pathology, lesions=lesions), body


def regions_on(planes: Planes, body: Body, tissue: np.ndarray, labeller: Labeller) -> np.ndarray:
    """Region labels (z, y, x) on the truth grid.

    A point of the 1 mm grid gets the labels it would have as grey and as white; the tissue of the
    finer voxel decides. A subject's own labels of nuclei come before the labeller's.
    """
    mni_mm = body.mni_mm[planes.middles]
    labels = np.zeros(tissue.shape, np.uint8)
    for code in (GREY, WHITE):
        coarse = labeller(mni_mm, np.full(mni_mm.shape[:-1], code))
        if code == GREY and body.own_nuclei:
            numbers = [REGION_NAMES.index(name) + 1 for name in NUCLEI]
            coarse = np.where(np.isin(coarse, numbers), 0, coarse)
            for number, member in zip(numbers, np.moveaxis(body.nuclei, 1, 0), strict=True):
                coarse = np.where(member > 0.5, number, coarse)
        labels = np.where(tissue == code, planes.nearest(coarse), labels)
    return labels.astype(np.uint8)


def lesion_labels(
    planes: Planes, fraction: np.ndarray, boxes: np.ndarray, *, count: int
) -> np.ndarray:
    """Labels (z, y, x): where a lesion fills half a voxel, or half its own fullest one.

    Args:
        planes: the grids.
        fraction: (z, y, x) volume fraction of lesions on the truth grid.
        boxes: (z, m, m), see :class:`Phantom`.
        count: number of lesions.
    """
    owner = planes.nearest(boxes)
    labels = np.zeros(fraction.shape, np.uint8)
    for number in range(1, count + 1):
        mine = np.where(owner == number, fraction, 0.0)
        labels[mine >= max(min(0.5, 0.5 * mine.max()), 1e-3)] = number
    return labels
