"""A simulated subject: where every tissue lies, what it measures, cut into slices on any grid.

A subject is drawn on 1 mm planes as log-odds of the tissues. A slice is sharpened on a fine in-plane
grid and its planes are averaged there, so a voxel holds true partial volumes and the routine scan
sees detail that the fast one cannot.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from qsr_jax.anatomy.regions import GREY, REGION_NAMES, WHITE, label_regions
from qsr_jax.phantom.anatomy import Anatomy, Body
from qsr_jax.phantom.grid import Planes, box_profile
from qsr_jax.phantom.lesions import Lesion, LesionPlan
from qsr_jax.phantom.pathology import Sickness, make_sick
from qsr_jax.phantom.random_fields import draw_b1, draw_texture
from qsr_jax.phantom.tissue_values import NUCLEI, TISSUES, draw_subject
from qsr_jax.types import Geometry

CLASSES = ("csf", "cortex", "white", "lesion", "fat", "muscle", "skin")
"""Order of the tissue fractions; "cortex" is all grey matter. Tissue code = index + 1, 0 is air."""

BONE = 8
"""Tissue code of what is silent inside the skin: cortical bone, and air in the skull base."""

_apart = jax.lax.optimization_barrier
"""Keeps a result from being computed again in every expression it is fused into."""

LESION_EDGE_MM = 0.15
"""Softness of a lesion's edge."""

Labeller = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Template points (..., 3) and tissue codes (...) to labels of regions (...)."""


@dataclasses.dataclass(frozen=True)
class Phantom:
    """A subject on the truth grid ``planes.geometry``; (m, m) is the 1 mm grid in its plane.

    Attributes:
        planes: the grids.
        log_odds: (planes, 6, m, m) of :data:`qsr_jax.phantom.anatomy.BODY_CLASSES` against silence.
        depth: (planes, m, m) mm below the surface of the nearest lesion; None in healthy subjects.
        fractions: (z, 7, y, x) of :data:`CLASSES`; their sum is 1 in tissue, 0 in bone and air.
        tissue: (z, y, x) uint8 code of the largest share, :data:`BONE` for silence in the head.
        regions: (z, y, x) uint8, see :data:`qsr_jax.anatomy.regions.REGION_NAMES`.
        lesion_labels: (z, y, x) uint8, i + 1 where most of the voxel is ``lesions[i]``.
        lesion_boxes: (z, m, m) uint8, i + 1 where the values of ``lesions[i]`` apply.
        lesions: kind, place and values of each lesion; empty in healthy subjects.
        values: this subject's mean (T1 ms, T2 ms, PD %) of every tissue.
        nuclei: (z, 5, m, m) membership in :data:`qsr_jax.phantom.tissue_values.NUCLEI`.
        texture: (z, 3, m, m) unit variance, one field per quantity, correlated.
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


def tissue_codes(fractions: np.ndarray) -> np.ndarray:
    """(z, k, y, x) to (z, y, x) uint8: 1 + index of the largest share, 0 where silence is most."""
    code = np.argmax(fractions, axis=1) + 1
    return np.where(fractions.sum(axis=1) >= 0.5, code, 0).astype(np.uint8)


def draw_phantom(
    rng: np.random.Generator,
    anatomy: Anatomy,
    geometry: Geometry,
    *,
    patient: bool,
    plan: LesionPlan | None = None,
    labeller: Labeller = label_regions,
) -> Phantom:
    """Draws a subject, a pure function of ``rng``.

    Args:
        rng: source of randomness.
        anatomy: what subjects are made from, as :func:`qsr_jax.phantom.mni_template.make_template` gives.
        geometry: truth grid.
        patient: whether the subject has lesions.
        plan: which lesions; None is the default plan.
        labeller: tells the regions.

    Raises:
        ValueError: the grid cannot be filled with 1 mm planes, the deformation folds, or there is
            no place for a lesion.
    """
    planes = Planes(geometry)
    body = anatomy.body(rng, planes)
    values, texture = draw_subject(rng), draw_texture(rng, planes)
    b1 = draw_b1(rng, planes)
    sick = make_sick(rng, body, planes, plan or LesionPlan()) if patient else Sickness.none(planes)

    log_odds = np.ascontiguousarray(np.moveaxis(body.log_odds, 0, 1))
    fractions = _on_truth_grid(planes, log_odds, sick.depth)
    tissue = tissue_codes(fractions)
    silent_inside = (tissue == 0) & planes.nearest(body.inside[planes.middles])
    return Phantom(
        planes=planes,
        log_odds=log_odds,
        depth=sick.depth,
        fractions=fractions,
        tissue=np.where(silent_inside, np.uint8(BONE), tissue),
        regions=regions_on(planes, body, tissue, labeller),
        lesion_labels=_lesion_labels(planes, fractions[:, CLASSES.index("lesion")], sick),
        lesion_boxes=sick.boxes,
        lesions=sick.lesions,
        values=values,
        nuclei=body.nuclei,
        texture=texture,
        b1=b1,
        maps=body.maps,
        traits=body.traits,
    )


def slice_shares(phantom: Phantom, index: int, *, size: int, weights: Sequence[float]) -> jax.Array:
    """Fractions (7, size, size) of :data:`CLASSES` in one slice, on ``planes.grid(size)``.

    Args:
        phantom: the subject.
        index: number of the slice.
        size: pixels along each side of the field of view. Small pixels are points, larger ones
            averages of such points.
        weights: of the 1 mm planes about the slice's middle one, an odd number. They are used as
            given: a slice profile should sum to 1.

    Raises:
        ValueError: the number of weights is even, or they reach beyond the planes.
    """
    grid = phantom.planes.grid(size)
    return _shares(phantom.planes, grid, phantom.log_odds, phantom.depth, index, weights)


def _on_truth_grid(planes: Planes, log_odds: np.ndarray, depth: np.ndarray | None) -> np.ndarray:
    """Fractions (z, 7, y, x) of all slices, box averages over the slices' thickness."""
    slices, profile = range(planes.geometry.shape[0]), box_profile(planes)
    cut = functools.partial(_shares, planes, planes.geometry, log_odds, depth)
    return np.stack([np.asarray(cut(index, profile)) for index in slices])


def _shares(
    planes: Planes,
    grid: Geometry,
    log_odds: np.ndarray,
    depth: np.ndarray | None,
    index: int,
    weights: Sequence[float],
) -> jax.Array:
    part = planes.around(index, len(weights))
    below = None if depth is None else depth[part]
    return _sharpen(
        log_odds[part], below, np.asarray(weights, np.float32), planes=planes, grid=grid
    )


@functools.partial(jax.jit, static_argnames=("planes", "grid"))
def _sharpen(
    log_odds: jax.Array,
    depth: jax.Array | None,
    weights: jax.Array,
    *,
    planes: Planes,
    grid: Geometry,
) -> jax.Array:
    """(p, 6, m, m) and (p, m, m) to (7, n, n). Lesions replace grey and white only."""
    finer, n = planes.finer(grid), grid.shape[1]

    def add(
        total: jax.Array, plane: tuple[jax.Array, jax.Array | None, jax.Array]
    ) -> tuple[jax.Array, None]:
        odds, below, weight = plane
        odds = _apart(jnp.exp(planes.enlarge_on(odds, grid, finer=finer, method="cubic")))
        share = odds * _apart(weight / (1.0 + sum(odds)))
        brain, sick = share[1:3], jnp.zeros_like(share[:1])
        if below is not None:
            ill = jax.nn.sigmoid(planes.enlarge_on(below, grid, finer=finer) / LESION_EDGE_MM)
            sick = ((brain[0] + brain[1]) * ill)[None]
            brain = brain * (1 - ill)
        return total + jnp.concatenate([share[:1], brain, sick, share[3:]]), None

    zero = jnp.zeros((len(CLASSES), finer * n, finer * n), jnp.float32)
    fine, _ = jax.lax.scan(add, zero, (log_odds, depth, weights))
    return fine.reshape(len(CLASSES), n, finer, n, finer).mean(axis=(2, 4))


def slice_b1(phantom: Phantom, index: int, *, size: int) -> jax.Array:
    """Relative transmit field (size, size) of one slice, 1 = nominal."""
    return phantom.planes.enlarge(phantom.b1[index], size=size)


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


def _lesion_labels(planes: Planes, share: np.ndarray, sick: Sickness) -> np.ndarray:
    """Labels (z, y, x): where a lesion fills half a voxel, or half its own fullest one."""
    owner = planes.nearest(sick.boxes)
    labels = np.zeros(share.shape, np.uint8)
    for number in range(1, len(sick.lesions) + 1):
        mine = np.where(owner == number, share, 0.0)
        labels[mine >= max(min(0.5, 0.5 * mine.max()), 1e-3)] = number
    return labels


def properties(phantom: Phantom, index: int) -> jax.Array:
    """T1 (ms), T2 (ms), PD (%) of every class of a slice on the truth grid, (7, 3, y, x)."""
    return _values(phantom, index, phantom.planes.geometry)


def slice_values(phantom: Phantom, index: int, *, size: int) -> jax.Array:
    """T1 (ms), T2 (ms), PD (%) of every class of a slice, (7, 3, size, size)."""
    return _values(phantom, index, phantom.planes.grid(size))


def _values(phantom: Phantom, index: int, grid: Geometry) -> jax.Array:
    planes = phantom.planes
    if phantom.maps is not None:
        return _measured(phantom.maps[index], planes=planes, grid=grid)
    names = (*CLASSES[:3], *CLASSES[4:], *NUCLEI)
    mean = np.stack([phantom.values[name] for name in names]).astype(np.float32)
    spread = np.array([TISSUES[name].spread for name in names], np.float32)
    small = [phantom.texture[index], phantom.nuclei[index]]
    if phantom.lesions:
        known = np.stack([phantom.values["white"], *(one.value for one in phantom.lesions)])
        small.append(np.moveaxis(known[phantom.lesion_boxes[index]], -1, 0).astype(np.float32))
    return _spread(np.concatenate(small), mean, spread, planes=planes, grid=grid)


@functools.partial(jax.jit, static_argnames=("planes", "grid"))
def _measured(maps: jax.Array, *, planes: Planes, grid: Geometry) -> jax.Array:
    fine = planes.enlarge_on(maps, grid)
    return jnp.broadcast_to(fine, (len(CLASSES), *fine.shape))


@functools.partial(jax.jit, static_argnames=("planes", "grid"))
def _spread(
    small: jax.Array, mean: jax.Array, spread: jax.Array, *, planes: Planes, grid: Geometry
) -> jax.Array:
    """Mean plus texture of the classes in the order of ``mean``; grey matter mixes its nuclei.

    ``small`` holds 3 textures, the nuclei and, in patients, 3 lesion maps, (8 or 11, m, m).
    """
    fine = planes.enlarge_on(small, grid)
    texture, nuclei, lesion = fine[:3], fine[3 : 3 + len(NUCLEI)], fine[3 + len(NUCLEI) :]
    plain = mean[:6, :, None, None] + spread[:6, :, None, None] * texture
    change = jnp.einsum("kyx,kc->cyx", nuclei, mean[6:] - mean[1])
    change += jnp.einsum("kyx,kc->cyx", nuclei, spread[6:] - spread[1]) * texture
    sick = lesion if len(lesion) else plain[2]
    return jnp.stack([plain[0], plain[1] + change, plain[2], sick, *plain[3:]])
