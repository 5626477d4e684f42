"""Subjects from label maps: segmented heads, in BrainWeb's or FreeSurfer's codes.

Every code becomes one of our tissues, one of the deep nuclei, or a signal void. Borders between
labels are drawn as smooth surfaces, so that a voxel of the scan holds true partial volumes although
the labels have none.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from qsr_jax.ops.resample import sample_linear
from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.deformation import draw_warp
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.mni_template import nuclei_membership
from qsr_jax.phantom.skull_and_scalp import (
    COARSE_MM,
    GAP_MM,
    WRAP_MM,
    signed_distance,
    wrap_around,
)
from qsr_jax.phantom.tissue_values import NUCLEI

SIGNAL_VOID = "signal void"
"""What gives no signal: air, cortical bone, flowing blood."""

BRAINWEB: dict[int, str] = {
    0: SIGNAL_VOID, 1: "csf", 2: "cortex", 3: "white", 4: "fat", 5: "muscle", 6: "skin",
    7: SIGNAL_VOID, 8: SIGNAL_VOID, 9: "fat", 10: "skin", 11: "fat",
}  # fmt: skip
"""BrainWeb's discrete anatomical models (Aubert-Broche 2006, doi:10.1109/TMI.2006.883453): skull
(7) and vessels (8, flowing blood in a black-blood sequence) are signal voids, dura (10) is taken as
connective tissue like skin, marrow (11) as fat."""


def _freesurfer() -> dict[int, str]:
    both = {
        "white": (2, 7, 25, 28), "cortex": (3, 8, 18, 26), "csf": (4, 5, 31), "thalamus": (10,),
        "caudate": (11,), "putamen": (12,), "pallidum": (13,), "hippocampus": (17,),
        SIGNAL_VOID: (30,),
    }  # fmt: skip
    right = {2: 41, 3: 42, 4: 43, 5: 44, 7: 46, 8: 47, 10: 49, 11: 50, 12: 51, 13: 52, 17: 53,
             18: 54, 25: 57, 26: 58, 28: 60, 30: 62, 31: 63}  # fmt: skip
    table = {0: SIGNAL_VOID}
    for tissue, codes in both.items():
        table |= dict.fromkeys((*codes, *(right[code] for code in codes)), tissue)
    table |= dict.fromkeys((14, 15, 24, 72, 136, 137, 163, 164, 506, 520), "csf")
    table |= dict.fromkeys((16, 77, 78, 79, 85, *range(251, 256), 512, 530), "white")
    table |= dict.fromkeys((80, 81, 82, *range(1000, 1036), *range(2000, 2036)), "cortex")
    table |= dict.fromkeys((501, 502, 514, 515), SIGNAL_VOID)
    return table | {507: "fat", 508: "muscle", 509: "muscle", 511: "skin", 516: "fat"}


FREESURFER: dict[int, str] = _freesurfer()
"""FreeSurfer's codes and those of SynthSeg's training maps outside the brain: 502 and 514 vessels,
506 eyes (as water), 507 other soft tissue (fat, as most of it is near the brain), 508 eye muscle,
509 mucosa, 511 skin, 512 spinal cord, 515 and 516 cortical and cancellous bone, 530 optic nerve.
Amygdala and accumbens count as cortex, brain stem and ventral diencephalon as white matter."""

TABLES: dict[str, dict[int, str]] = {"brainweb": BRAINWEB, "freesurfer": FREESURFER}

TARGET_MM, BLUR_MM = 1.0, 0.6
"""Grid on which borders are smoothed, and by how much (sigma)."""

SHARPNESS, FLOOR = 3.0, 1e-3
"""Exponent that makes smoothed labels sharp again, and the least fraction of a class."""

WATER_LOGIT = 0.6
"""Greatest weight, either way, that water gets before its border is made sharp: sulci of one label
map are up to 0.2 mm wider or narrower on each side from subject to subject."""


@dataclasses.dataclass(frozen=True)
class LabelMap:
    """A segmented head.

    Attributes:
        tissue: (i, j, k) uint8, 0 signal void, else 1 + index in BODY_CLASSES.
        nuclei: (i, j, k) uint8, 0 none, else 1 + index in NUCLEI.
        affine: (4, 4) from index to RAS mm.
        to_mni: (4, 4) from RAS mm to MNI RAS mm, fitted to the brain's box.
    """

    tissue: np.ndarray
    nuclei: np.ndarray
    affine: np.ndarray
    to_mni: np.ndarray

    def body(self, rng: np.random.Generator, planes: Planes) -> Body:
        """This head resized, bent, and mirrored or not, so that one map makes many heads.

        Regions are told by fitted MNI coordinates.

        Raises:
            ValueError: the deformation folds.
        """
        warp = draw_warp(rng, half_mm=planes.half_mm)
        mni_mm = warp(planes.z_mm, planes.axis_mm, planes.axis_mm)
        side = float(rng.choice([-1.0, 1.0]))
        water_logit = float(rng.uniform(-WATER_LOGIT, WATER_LOGIT))
        index_of = np.linalg.inv(self.affine) @ np.linalg.inv(self.to_mni)
        index_of = index_of @ np.diag([side, 1.0, 1.0, 1.0])
        index = mni_mm @ index_of[:3, :3].T.astype(np.float32) + index_of[:3, 3].astype(np.float32)
        log_odds, inside = self._log_odds(index)
        log_odds[BODY_CLASSES.index("csf")] += SHARPNESS * water_logit
        own = bool(self.nuclei.any())
        middle = index[planes.middles]
        nuclei = (
            np.stack([_smooth(self.nuclei == i + 1, middle) for i in range(len(NUCLEI))], axis=1)
            if own
            else np.moveaxis(nuclei_membership(mni_mm[planes.middles]), 0, 1)
        )
        traits = {"head_size": warp.head_size, "mirrored": side, "water_logit": water_logit}
        return Body(log_odds, inside, mni_mm, nuclei, traits, own_nuclei=own)

    def _log_odds(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        void = np.log(_smooth(self.tissue == 0, index) + FLOOR)
        odds = np.empty((len(BODY_CLASSES), *void.shape), np.float32)
        for i in range(len(BODY_CLASSES)):
            odds[i] = np.log(_smooth(self.tissue == i + 1, index) + FLOOR) - void
        head = ndimage.binary_fill_holes(self.tissue > 0)
        return SHARPNESS * odds, _smooth(head, index) > 0.5


def _smooth(inside: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Fraction of a class at points (..., 3); nothing lies beyond the map."""
    soft = ndimage.gaussian_filter(inside.astype(np.float32), BLUR_MM / TARGET_MM, mode="nearest")
    return sample_linear(soft[..., None], index)[..., 0]


def label_map(
    codes: np.ndarray, affine: np.ndarray, table: Mapping[int, str], *, where: str
) -> LabelMap:
    """A head from label codes.

    Args:
        codes: (i, j, k) integers.
        affine: (4, 4) from index to RAS mm; any orientation, voxels of at most 2 mm.
        table: code to tissue, nucleus or signal void, see :data:`TABLES`.
        where: what the codes belong to; opens the error messages.

    Raises:
        ValueError: a code is not in the table, voxels are too large, or there is no brain.
    """
    if codes.min() < 0:
        raise ValueError(f"{where}: label code {codes.min()} is negative")
    present = np.flatnonzero(np.bincount(codes.ravel()))
    unknown = sorted(set(present.tolist()) - set(table))
    if unknown:
        shown = ", ".join(map(str, unknown[:8]))
        raise ValueError(
            f"{where}: label codes {shown} are not in the table; declare the right --labels, or "
            "relabel them"
        )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.max() > 2.0:
        raise ValueError(f"{where}: voxels of {spacing.max():g} mm; label maps need 2 mm or finer")
    codes, affine = _at_target(codes, affine, spacing)
    tissue, nuclei = _looked_up(codes, table)
    brain = (tissue == 2) | (tissue == 3)
    if not brain.any():
        raise ValueError(f"{where}: no grey or white matter in the labels")
    tissue[(tissue == 1) & ~_around_brain(brain, affine)] = 0
    return LabelMap(tissue, nuclei, affine, _fit_mni(brain, affine))


def _looked_up(codes: np.ndarray, table: Mapping[int, str]) -> tuple[np.ndarray, np.ndarray]:
    """Tissue and nucleus numbers of every voxel; nuclei are grey matter."""
    grey = BODY_CLASSES.index("cortex") + 1
    number = {name: i + 1 for i, name in enumerate(BODY_CLASSES)} | {SIGNAL_VOID: 0}
    tissue, nuclei = np.zeros((2, max(table) + 1), np.uint8)
    for code, name in table.items():
        tissue[code] = grey if name in NUCLEI else number[name]
        nuclei[code] = NUCLEI.index(name) + 1 if name in NUCLEI else 0
    return tissue[codes], nuclei[codes]


def _around_brain(brain: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Mask (i, j, k) of the brain's wrap and the water around it.

    Label maps that were grown outwards from the brain call the skull's inner table, the spinal
    canal and the space around the clivus water; beyond the widest gap of our own heads it is none.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    stride = np.maximum(np.round(COARSE_MM / spacing), 1).astype(int)
    room = np.ceil((WRAP_MM + GAP_MM[1]) / (stride * spacing)).astype(int) + 1
    coarse = np.pad(brain[tuple(slice(None, None, s) for s in stride)], [(n, n) for n in room])
    outside_mm = signed_distance(wrap_around(coarse, stride * spacing), stride * spacing)
    return (
        ndimage.affine_transform(
            outside_mm,
            np.diag(1.0 / stride),  # SciPy 1.15 warns of a vector
            room,
            output_shape=brain.shape,
            order=1,
            mode="nearest",
        )
        < GAP_MM[1]
    )


def _at_target(
    codes: np.ndarray, affine: np.ndarray, spacing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Takes one voxel of every millimetre where the map is finer, with a rim of nothing."""
    stride = np.maximum(np.round(TARGET_MM / spacing), 1).astype(int)
    coarse = affine.copy()
    coarse[:3, :3] = affine[:3, :3] * stride
    coarse[:3, 3] -= coarse[:3, :3].sum(axis=1)
    return np.pad(codes[tuple(slice(None, None, s) for s in stride)], 1), coarse


MNI_BRAIN_MM = ((-72.0, 72.0), (-106.0, 74.0), (-64.0, 82.0))
"""Box of grey and white matter of the MNI152 template, RAS."""


def _fit_mni(brain: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Scales and moves the brain's box (its outer percentiles) onto the template's.

    The lower end is left to the size of the rest: brain stems are cut at any height.
    """
    places = np.argwhere(brain)[::7] @ affine[:3, :3].T + affine[:3, 3]
    low, high = np.percentile(places, [0.05, 99.95], axis=0)
    box = np.array(MNI_BRAIN_MM)
    scale = (box[:, 1] - box[:, 0]) / (high - low)
    scale[2] = np.sqrt(scale[0] * scale[1])
    matrix = np.diag([*scale, 1.0])
    matrix[:2, 3] = box[:2].mean(axis=1) - scale[:2] * (low + high)[:2] / 2
    matrix[2, 3] = box[2, 1] - scale[2] * high[2]
    return matrix
