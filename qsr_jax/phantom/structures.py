"""Vessels, perivascular spaces and choroid plexus of a subject, drawn into its anatomy.

Blood in the arteries and veins of the cerebrospinal fluid flows too fast to be refocused and gives
no signal. Perivascular spaces are thin tubes of water in white matter that run from its depth to
the cortex, as the perforating vessels do. The choroid plexus, villi in water, is drawn as water and
grey matter mixed, always mostly water, so that no label of grey matter lies in a ventricle.

Not drawn: the venous sinuses, veins inside the tissue, and branching.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from scipy import ndimage
from scipy.special import expit

from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.tubes import OUTSIDE, draw_tubes, lines, volume_ml, walks

PERIVASCULAR_FRACTION, PERIVASCULAR_SPREAD = 0.008, 0.39
"""Median part of white matter that is perivascular space, and the standard deviation of its
logarithm over subjects: 1.3 to 14.5 cm3 in the white matter of 897 healthy adults, 3 T at 0.7 mm
(Barisano 2021, doi:10.1177/0271678X20972856)."""

AGE_TREND = (0.7, 1.3)
"""Factor on it in the youngest and the oldest (more and wider from 8 to 90
years: PMC10185227); the middle where a head has no age."""

PERIVASCULAR_MM, PERIVASCULAR_WIDEST_MM = (0.35, 0.3), 0.9
"""Median radius and the standard deviation of its logarithm; none is wider. Visible ones are mostly
below 2 mm across, all below 3 (Wardlaw 2020, doi:10.1038/s41582-020-0312-z)."""

PERIVASCULAR_LENGTH_MM, PERIVASCULAR_BEND = (6.0, 24.0), 0.01
"""Least and greatest length, and the standard deviation of the curvature, per mm."""

VENTRICLE_MM = ((18.0, 30.0, 14.0), (22.0, -45.0, 16.0))
"""Ends (magnitude of x, y, z MNI) of the line, along a lateral ventricle, from which white
matter's vessels radiate."""

VESSEL_FRACTION, VESSEL_SPREAD = 0.025, 0.3
"""Median part of the water around the brain that is flowing blood, and the standard deviation of
its logarithm over subjects. Our choice: 5 to 12 ml, between the arteries that angiography at 3 T
shows and all blood in the subarachnoid space; no source gives arteries and veins together."""

VESSEL_MM, VESSEL_WIDEST_MM, VESSEL_STEPS = (0.45, 0.4), 1.6, 120
"""Median radius, the standard deviation of its logarithm, and the greatest; greatest number of
steps. Veins seen at 7 T are 0.84 +- 0.33 mm across (Huck 2019, doi:10.1007/s00429-019-01919-4),
pial arteries 0.05 to 0.3 mm (Bollmann 2022, doi:10.7554/eLife.71186), the largest about 3 mm."""

VENTRICLES_MM = ((-34.0, 34.0), (-56.0, 32.0), (-14.0, 32.0))
"""Box (x, y, z MNI) of the lateral ventricles, whose water holds no vessels."""

CHOROID_MNI = ((5, -6, 14, 1.5), (10, -18, 19, 2.2), (16, -30, 15, 2.8), (22, -39, 9, 4.5),
               (27, -34, -3, 2.3), (32, -24, -11, 1.8), (31, -15, -17, 1.2))  # fmt: skip
"""Magnitude of x, y, z (MNI) and radius in mm along the choroid plexus: from the foramen of Monro
over the thalamus to its glomus in the atrium, and into the temporal horn."""

CHOROID_ML, CHOROID_SPREAD, CHOROID_SIZE = 1.5, 0.3, (0.7, 2.0)
"""Median volume of both sides and the standard deviation of its logarithm over subjects (2.1 ml,
Baledent, ISMRM 2012 #0969; 1.1 to 2.4 ml by FreeSurfer at 3 and 7 T, J Army Med Univ 2024); factors
on its radii between which one is sought that gives it, as far as the ventricles have room."""

CHOROID_TISSUE = (0.25, 0.47)
"""Least and greatest part of it that is tissue."""

MOTTLE_MM, CLEAR_MM = 1.0, 1.5
"""Grain of the plexus; room that perivascular spaces leave around a lesion."""


def add_structures(
    rng: np.random.Generator, body: Body, *, depth: np.ndarray | None = None
) -> Body:
    """A body with vessels, perivascular spaces and choroid plexus; measured heads have their own.

    Args:
        rng: source of randomness.
        body: on 1 mm planes.
        depth: (planes, m, m) mm below the surface of the nearest lesion, which perivascular spaces
            stay out of; None in healthy subjects. What is drawn does not depend on it: the same
            subject without the lesion has the same spaces elsewhere.
    """
    if body.maps is not None:
        return body
    choroid, perivascular, vessels = rng.spawn(3)
    odds = body.log_odds.copy()
    best = np.where(odds.max(axis=0) > 0, odds.argmax(axis=0), -1)
    is_water, is_white = (best == BODY_CLASSES.index(name) for name in ("csf", "white"))
    atrophy = body.traits.get("atrophy", 0.5)
    traits = {"choroid_ml": _add_choroid(choroid, odds, body.mni_mm, is_water)}
    near = np.zeros(is_white.shape, bool) if depth is None else depth >= -CLEAR_MM
    before = odds[:, near]
    spaces_ml = _add_perivascular(perivascular, odds, body.mni_mm, is_white, atrophy)
    odds[:, near] = before
    around = is_water & ~_in_box(body.mni_mm, VENTRICLES_MM)
    traits |= {"perivascular_ml": spaces_ml, "vessels_ml": _add_vessels(vessels, odds, around)}
    return dataclasses.replace(body, log_odds=odds, traits=body.traits | traits)


def _add_vessels(rng: np.random.Generator, odds: np.ndarray, is_water: np.ndarray) -> float:
    """Turns tubes in water into signal voids, in place; ml that were drawn."""
    room_mm = ndimage.distance_transform_edt(is_water)
    wanted = is_water.sum() / 1000 * VESSEL_FRACTION * np.exp(VESSEL_SPREAD * rng.normal())
    places = np.argwhere(is_water)
    points, radius_mm = np.zeros((0, 3)), np.zeros(0)
    while len(places) and volume_ml(radius_mm) < wanted:
        start = places[rng.integers(len(places), size=50)]
        new, owner = walks(rng, start, room_mm, steps=VESSEL_STEPS)
        # No wider than the room at its start: the large ones run in the cisterns and fissures.
        room = room_mm[tuple(start.T)]
        wide = np.minimum(VESSEL_MM[0] * np.exp(VESSEL_MM[1] * rng.normal(size=len(start))), room)
        points = np.concatenate([points, new])
        radius_mm = np.concatenate([radius_mm, np.minimum(wide, VESSEL_WIDEST_MM)[owner]])
    inside = draw_tubes(is_water.shape, points, radius_mm)
    here = inside > OUTSIDE
    total = np.logaddexp.reduce(odds[:, here], axis=0)
    odds[:, here] += np.minimum(total, -inside[here]) - total
    return volume_ml(radius_mm)


def _add_perivascular(
    rng: np.random.Generator,
    odds: np.ndarray,
    mni_mm: np.ndarray,
    is_white: np.ndarray,
    atrophy: float,
) -> float:
    """Turns tubes in white matter into water, in place; ml that were drawn."""
    trend = AGE_TREND[0] + atrophy * (AGE_TREND[1] - AGE_TREND[0])
    share = PERIVASCULAR_FRACTION * trend * np.exp(PERIVASCULAR_SPREAD * rng.normal())
    wanted, places = is_white.sum() / 1000 * share, np.argwhere(is_white)
    points, radius_mm = np.zeros((0, 3)), np.zeros(0)
    while len(places) and volume_ml(radius_mm) < wanted:
        start = places[rng.integers(len(places), size=50)]
        outward = _from_ventricle(mni_mm[tuple(start.T)])
        bend = PERIVASCULAR_BEND * rng.standard_normal(start.shape)
        new, owner = lines(start, outward, bend, rng.uniform(*PERIVASCULAR_LENGTH_MM, len(start)))
        median, spread = PERIVASCULAR_MM
        wide = median * np.exp(spread * rng.normal(size=len(start)))
        kept = _holds(is_white, new)
        points = np.concatenate([points, new[kept]])
        wide = np.minimum(wide, PERIVASCULAR_WIDEST_MM)[owner[kept]]
        radius_mm = np.concatenate([radius_mm, wide])
    inside = draw_tubes(is_white.shape, points, radius_mm)
    here = inside > OUTSIDE
    water, brain = BODY_CLASSES.index("csf"), np.logaddexp(odds[1, here], odds[2, here])
    odds[water, here] = np.maximum(odds[water, here], brain + inside[here])
    return volume_ml(radius_mm)


def _from_ventricle(mni_mm: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3) along (z, y, x) LPS away from the nearest lateral ventricle's line."""
    front, back = np.array(VENTRICLE_MM)
    side = np.where(mni_mm[:, :1] < 0, -1.0, 1.0) * (1, 0, 0) + (0, 1, 1)
    along = (back - front) * side
    part = np.sum((mni_mm - front * side) * along, axis=1) / np.sum(along**2, axis=1)
    away = mni_mm - front * side - np.clip(part, 0, 1)[:, None] * along
    away = away[:, ::-1] * (1, -1, -1)  # RAS (x, y, z) to LPS (z, y, x)
    return away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-3)


def _in_box(mni_mm: np.ndarray, box: Sequence[tuple[float, float]]) -> np.ndarray:
    """Whether points (..., 3) lie between the ends of ``box`` along every axis."""
    inside = np.ones(mni_mm.shape[:-1], bool)
    for axis, (low, high) in enumerate(box):
        inside &= (mni_mm[..., axis] > low) & (mni_mm[..., axis] < high)
    return inside


def _holds(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether ``mask`` is true at the voxels of ``points`` (n, 3)."""
    index = np.round(points).astype(int)
    inside = np.all((index >= 0) & (index < np.array(mask.shape)), axis=1)
    index[~inside] = 0
    return inside & mask[tuple(index.T)]


def _add_choroid(
    rng: np.random.Generator, odds: np.ndarray, mni_mm: np.ndarray, is_water: np.ndarray
) -> float:
    """Mixes grey matter into the ventricles' water, in place; ml of plexus that were drawn."""
    wanted_ml = CHOROID_ML * np.exp(CHOROID_SPREAD * rng.normal())
    mottle = ndimage.gaussian_filter(rng.standard_normal(is_water.shape, np.float32), MOTTLE_MM)
    knots = np.array(CHOROID_MNI, float)
    steps = np.linspace(0, len(knots) - 1, 60)
    line = np.stack([np.interp(steps, range(len(knots)), column) for column in knots.T], axis=-1)
    low, high = knots.min(axis=0)[:3] - 8, knots.max(axis=0)[:3] + 8
    low[0] = -high[0]
    here = is_water & _in_box(mni_mm, tuple(zip(low, high, strict=True)))
    folded = np.abs(mni_mm[here] * (1, 0, 0)) + mni_mm[here] * (0, 1, 1)
    distance = np.linalg.norm(folded[:, None] - line[:, :3], axis=-1)
    sizes = [
        expit(4.0 * (size * line[:, 3] - distance).max(axis=1))
        for size in np.geomspace(*CHOROID_SIZE, 9)
    ]
    inside = min(sizes, key=lambda one: abs(one.sum() / 1000 - wanted_ml))
    least, most = CHOROID_TISSUE
    tissue = inside * (least + (most - least) * expit(2.0 * mottle[here] / mottle.std()))
    water, grey = BODY_CLASSES.index("csf"), BODY_CLASSES.index("cortex")
    odds[grey, here] = np.logaddexp(odds[grey, here], odds[water, here] + np.log(tissue + 1e-9))
    odds[water, here] += np.log1p(-tissue)
    return float(inside.sum() / 1000.0)
