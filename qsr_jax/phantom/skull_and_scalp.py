"""What surrounds the brain: water, skull with marrow, muscle, fat and skin, as layers.

Layers are told by two distances: ``d`` outside the smooth wrap of the brain (the inner table of the
skull follows it) and ``p`` below the surface of the scalp. Above the ears the scalp runs parallel
to the skull; below, it falls straight down from the widest level, and what lies between skull base
and scalp is muscle mottled with fat and bone. Thicknesses are drawn for every subject within usual
ranges of adults (skull 5 to 8 mm, scalp 4 to 9 mm). Cortical bone and air are signal voids:
their T2 is far below any echo time here.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from qsr_jax.ops.resample import sample_linear
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.random_fields import smooth_field

COARSE_MM = 2.0
"""Grid of the distances around the template's brain."""

WRAP_MM, ROOM_MM = 12.0, 24.0
"""Fissures narrower than twice this are wrapped over; room kept around the brain."""

GAP_MM = (0.5, 2.5)
"""Water between the wrap and the skull in the youngest and the oldest."""

SKULL_MM, TABLE_FRACTION = (5.0, 8.0), 0.3
"""Least and greatest thickness of the skull; fraction of it that each of its two tables takes, with
marrow between."""

FAT_MM, SKIN_MM, TEMPLE_MM = (2.0, 5.5), (1.8, 2.6), (4.0, 9.0)
"""Subcutaneous fat, skin, and the temporal muscle at its thickest."""

UNEVEN, UNEVEN_MM = 0.15, 40.0
"""Relative spread of skull and fat thickness over the head, and its length."""

MOTTLE_MM, MOTTLE_SHIFT_MM = 6.0, (2.5, 3.5)
"""Grain of the tissue below the skull; the higher the shift, the less fat and bone in it."""

SLOPE, DEEPEST_MM = 3.0, 3.0
"""Log-odds per mm of depth in a layer; greatest depth in muscle, against fat and bone within."""

_NOTHING = -9.0


@dataclasses.dataclass(frozen=True)
class HeadShape:
    """Distances around an average brain on a coarse grid (x, y, z), in mm.

    Attributes:
        wrap_mm: outside the wrap of the brain, negative inside.
        scalp_mm: outside the wrap and all that lies below it, negative inside.
        origin_mm: RAS of voxel (0, 0, 0).
        step_mm: (3,) spacing, signed.
    """

    wrap_mm: np.ndarray
    scalp_mm: np.ndarray
    origin_mm: np.ndarray
    step_mm: np.ndarray

    def sample(self, mni_mm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Both distances at points (..., 3), float32."""
        index = (mni_mm - self.origin_mm.astype(np.float32)) / self.step_mm.astype(np.float32)
        both = sample_linear(np.stack([self.wrap_mm, self.scalp_mm], axis=-1), index)
        return both[..., 0], both[..., 1]


def head_shape(brain: np.ndarray, affine: np.ndarray) -> HeadShape:
    """Distances around the brain (x, y, z), 1 inside, of a diagonal RAS ``affine``."""
    step = np.diag(affine)[:3]
    stride = np.maximum(np.round(COARSE_MM / np.abs(step)), 1).astype(int)
    coarse_step = step * stride
    room = np.ceil(ROOM_MM / np.abs(coarse_step)).astype(int)
    inside = brain[tuple(slice(None, None, s) for s in stride)] > 0.5
    inside = np.pad(inside, [(n, n) for n in room])
    spacing = np.abs(coarse_step)
    wrap = wrap_around(inside, spacing)
    down = wrap[..., ::-1] if coarse_step[2] > 0 else wrap
    shadow = np.maximum.accumulate(down, axis=2)
    shadow = shadow[..., ::-1] if coarse_step[2] > 0 else shadow
    return HeadShape(
        wrap_mm=signed_distance(wrap, spacing),
        scalp_mm=signed_distance(shadow, spacing),
        origin_mm=affine[:3, 3] - room * coarse_step,
        step_mm=coarse_step,
    )


def wrap_around(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """The brain with all fissures narrower than twice :data:`WRAP_MM` filled.

    Args:
        inside: (x, y, z) bool, with that much room on all sides.
        spacing: (3,) mm.
    """
    grown = ndimage.distance_transform_edt(~inside, spacing) <= WRAP_MM
    return ndimage.distance_transform_edt(grown, spacing) > WRAP_MM


def signed_distance(inside: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance to the border of ``inside`` in mm, negative inside; smooth at the voxel's scale."""
    outer, inner = (ndimage.distance_transform_edt(part, spacing) for part in (~inside, inside))
    half = spacing.mean() / 2  # the border lies between two voxels' centres
    distance = np.where(inside, half - inner, outer - half)
    return ndimage.gaussian_filter(distance, 1.0).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Build:
    """How thick a subject's layers are, in mm."""

    gap_mm: float
    skull_mm: float
    fat_mm: float
    skin_mm: float
    temple_mm: float


def draw_build(rng: np.random.Generator, *, atrophy: float) -> Build:
    """A subject's layers; the water around the brain follows ``atrophy`` (0 to 1)."""
    return Build(
        gap_mm=GAP_MM[0] + atrophy * (GAP_MM[1] - GAP_MM[0]),
        skull_mm=float(rng.uniform(*SKULL_MM)),
        fat_mm=float(rng.uniform(*FAT_MM)),
        skin_mm=float(rng.uniform(*SKIN_MM)),
        temple_mm=float(rng.uniform(*TEMPLE_MM)),
    )


def add_head(
    rng: np.random.Generator,
    shape: HeadShape,
    build: Build,
    planes: Planes,
    mni_mm: np.ndarray,
    brain_logits: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Puts a head around the brain.

    Args:
        rng: source of unevenness and mottle.
        shape: distances of the template.
        build: this subject's thicknesses.
        planes: the 1 mm grid.
        mni_mm: (planes, m, m, 3) template points of the grid.
        brain_logits: (3, planes, m, m) of CSF, grey and white among themselves.

    Returns:
        (6, planes, m, m) float32 log-odds of CSF, grey, white, fat, muscle and skin against signal
        voids; and (planes, m, m) bool, inside the skin.
    """
    uneven = [smooth_field(rng, planes, step_mm=UNEVEN_MM) for _ in range(2)]
    mottle = [smooth_field(rng, planes, step_mm=MOTTLE_MM) for _ in range(2)]
    wrap_mm, scalp_mm = shape.sample(mni_mm)
    temple = build.temple_mm * _temple(mni_mm)
    odds, inside = _layers(
        wrap_mm, scalp_mm, temple, *uneven, *mottle, brain_logits, dataclasses.astuple(build)
    )
    return np.asarray(odds), np.asarray(inside)


def _temple(mni_mm: np.ndarray) -> np.ndarray:
    """0..1: where the temporal muscle lies, thickest at MNI (+-60, 0, -10)."""
    y, z = mni_mm[..., 1] / 38.0, (mni_mm[..., 2] + 10.0) / 38.0
    side = np.clip((np.abs(mni_mm[..., 0]) - 35.0) / 25.0, 0, 1)
    return (side * np.clip(1 - y * y - z * z, 0, 1)).astype(np.float32)


@jax.jit
def _layers(
    d: jax.Array,
    e: jax.Array,
    temple: jax.Array,
    uneven_skull: jax.Array,
    uneven_fat: jax.Array,
    mottle_fat: jax.Array,
    mottle_bone: jax.Array,
    brain_logits: jax.Array,
    build: tuple[float, ...],
) -> tuple[jax.Array, jax.Array]:
    """Log-odds from signed depths: the layer in which a point lies deepest wins."""
    gap, mean_skull, mean_fat, skin, _ = build
    skull = mean_skull * (1 + UNEVEN * jnp.clip(uneven_skull, -2, 2))
    fat = mean_fat * (1 + UNEVEN * jnp.clip(uneven_fat, -2, 2))
    outer, table = gap + skull, TABLE_FRACTION * skull
    p = outer + temple + fat + skin - e  # below the skin's surface
    soft = d - outer  # outside the skull

    brain = gap - d
    marrow = jnp.minimum(d - gap - table, outer - table - d)
    bone = jnp.minimum(jnp.minimum(d - gap, outer - d), -marrow)
    muscle = jnp.minimum(jnp.minimum(soft, p - skin - fat), DEEPEST_MM)
    in_fat = jnp.minimum(jnp.minimum(p - skin, skin + fat - p), soft)
    in_skin = jnp.minimum(p, skin - p)
    in_muscle = [
        jnp.where(muscle > 0.5, muscle + DEEPEST_MM * field - shift, _NOTHING)
        for field, shift in zip((mottle_fat, mottle_bone), MOTTLE_SHIFT_MM, strict=True)
    ]
    fatty = jnp.maximum(jnp.maximum(marrow, in_fat), in_muscle[0])
    void = jnp.maximum(jnp.maximum(bone, -p), in_muscle[1])

    among = brain_logits - jax.nn.logsumexp(brain_logits, axis=0)
    depths = jnp.clip(jnp.stack([brain, fatty, muscle, in_skin, void]), _NOTHING, -_NOTHING)
    odds = SLOPE * (depths[:-1] - depths[-1])
    return jnp.concatenate([odds[:1] + among, odds[1:]]), p > 0
