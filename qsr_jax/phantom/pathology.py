"""The pathology of a subject: lesions placed, shaped, and given the values they measure."""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.ops.resample import sample_linear
from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.grid import MARGIN, Planes
from qsr_jax.phantom.lesions import (
    MARGIN_MM,
    OUTSIDE_MM,
    Lesion,
    LesionMask,
    LesionPlan,
    draw_shapes,
    place_lesions,
)
from qsr_jax.phantom.tissue_values import LESIONS, draw_value

LEAST_MM3, MOST_FROM_MASK = 60, 20
"""Parts of a lesion mask that are smaller are left out; most lesions taken from one mask."""

MASK_KINDS = ("mild MS plaque", "severe MS plaque")
"""What a lesion of a mask may be."""


@dataclasses.dataclass(frozen=True)
class Pathology:
    """Lesions of a subject.

    Attributes:
        lesions: what they are.
        depth: (planes, m, m) float32 mm below the nearest surface, negative outside; None in
            healthy subjects.
        boxes: (z, m, m) uint8, i + 1 where the values of ``lesions[i]`` apply.
    """

    lesions: tuple[Lesion, ...]
    depth: np.ndarray | None
    boxes: np.ndarray

    @classmethod
    def none(cls, planes: Planes) -> "Pathology":
        """Of healthy subjects."""
        return cls(
            (), None, np.zeros((planes.geometry.shape[0], planes.size, planes.size), np.uint8)
        )


def add_pathology(
    rng: np.random.Generator, body: Body, planes: Planes, plan: LesionPlan
) -> Pathology:
    """Lesions in the white matter of a body: from a mask if the plan has any, else drawn.

    Raises:
        ValueError: there is no place for a lesion.
    """
    white = BODY_CLASSES.index("white")
    is_white = (body.log_odds.argmax(axis=0) == white) & (body.log_odds[white] > 0)
    deep_white = ndimage.binary_erosion(is_white, iterations=2)
    middles = np.arange(len(planes.z_mm))[planes.middles]
    real: list[Lesion] = []
    taken = None
    if plan.masks:
        mask = plan.masks[rng.integers(len(plan.masks))]
        real, real_depth, real_boxes = lesions_of_mask(rng, mask, body, planes)
        taken = real_boxes > 0
    drawn = place_lesions(rng, deep_white, slices_at=middles, plan=plan, taken=taken)
    depth, boxes = draw_shapes(rng, drawn, deep_white.shape)
    if real:
        depth = np.maximum(depth, real_depth)
        boxes = np.where(boxes > 0, boxes + np.uint8(len(real)), real_boxes)
    reach = 2 * (MARGIN + planes.per_slice // 2) + 1
    by_slice = [boxes[planes.around(i, reach)].max(axis=0) for i in range(len(middles))]
    return Pathology((*real, *drawn), depth, np.stack(by_slice))


def lesions_of_mask(
    rng: np.random.Generator, mask: LesionMask, body: Body, planes: Planes
) -> tuple[list[Lesion], np.ndarray, np.ndarray]:
    """The lesions of a mask, carried to a subject by the subject's own deformation.

    Kept are the largest parts, of :data:`LEAST_MM3` or more in brain tissue, that fill the middle
    plane of a slice.

    Returns:
        Lesions; depth (planes, m, m) mm; boxes (planes, m, m) uint8, the part to which a point is
        nearest up to 3 mm away.
    """
    inverse = np.linalg.inv(mask.affine)
    index = body.mni_mm @ inverse[:3, :3].T.astype(np.float32) + inverse[:3, 3].astype(np.float32)
    soft = sample_linear(mask.inside.astype(np.float32)[..., None], index)[..., 0]
    brain = body.log_odds[1:3].max(axis=0) > 0
    labels, count = ndimage.label((soft > 0.5) & brain)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    seen = np.zeros(count + 1, bool)
    seen[np.unique(labels[planes.middles])] = True
    order = [
        i for i in np.argsort(-sizes[1:], kind="stable") + 1 if sizes[i] >= LEAST_MM3 and seen[i]
    ]
    kept = np.zeros(count + 1, np.uint8)
    kept[order[:MOST_FROM_MASK]] = np.arange(1, len(order[:MOST_FROM_MASK]) + 1)
    labels = kept[labels]
    lesions = []
    for number in range(1, int(kept.max()) + 1):
        z, y, x = (int(round(v)) for v in ndimage.center_of_mass(labels == number))
        kind = str(rng.choice(MASK_KINDS))
        radius = float((3 * sizes[order[number - 1]] / (4 * np.pi)) ** (1 / 3))
        lesions.append(Lesion(kind, (z, y, x), radius, draw_value(rng, LESIONS[kind])))
    if not lesions:
        return [], np.full(labels.shape, OUTSIDE_MM, np.float32), labels
    outside, nearest = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    inside = ndimage.distance_transform_edt(labels > 0)
    boxes = np.where(outside <= MARGIN_MM, labels[tuple(nearest)], 0).astype(np.uint8)
    depth = np.where(labels > 0, inside - 0.5, 0.5 - outside).astype(np.float32)
    return lesions, depth, boxes
