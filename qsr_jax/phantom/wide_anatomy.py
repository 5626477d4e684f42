"""Anatomies far from the template's, so that a network does not add what heads do not have.

The average head has a rim of water around every brain and cortex that is smooth where people
differ. A network trained on it paints the rim onto measured heads and rounds their folds away. Here
the water's width and the folds are drawn wide. Every range is our choice, made on four measured
heads: docs/transfer.md.
"""

import dataclasses

import numpy as np
from scipy import ndimage

from qsr_jax.phantom.anatomy import BODY_CLASSES, Body
from qsr_jax.phantom.mni_template import SHARPNESS

CSF, GREY, WHITE = (BODY_CLASSES.index(name) for name in ("csf", "cortex", "white"))

VARIED_SHARE = 0.5
"""Part of the wide subjects whose anatomy is varied; the others keep the template's."""

WATER_LOGIT = (-2.0, 0.3)
"""Least and greatest weight that water gets before borders are made sharp: narrow or wide sulci."""

FOLD_LOGIT, FOLD_MM = (0.5, 3.0), (1.6, 3.2)
"""Least and greatest weight of the field that folds the cortex, before borders are made sharp, and
of its finer correlation length (sigma); the coarser is twice that, so gyri are six wide."""

SULCUS_BELOW = (1.2, 2.4)
"""Standard deviations below its mean at which the field is a sulcus with water in it."""

SULCUS_SLOPE = 10.0
"""Log-odds of a sulcus's border per standard deviation of the field."""

BELT_MM = (8.0, 25.0)
"""Depth below the brain's outline at which folds fade, least and greatest."""

RIM_MM = (-0.5, 3.0)
"""Least and greatest width of the water between the brain's outline and the skull."""

CLOSED_MM = 8.0
"""Sulci narrower than twice this lie inside the outline."""

RIM_SLOPE, RIM_MOST = 5.0, 60.0
"""Log-odds per mm by which water ends at the rim, and in all: more than any water has."""


def vary_anatomy(rng: np.random.Generator, body: Body) -> Body:
    """The same head with sulci, folds and rim of its own; what was drawn is in its traits.

    Args:
        rng: source of randomness.
        body: on 1 mm planes.
    """
    ranges = {
        "water_weight": WATER_LOGIT,
        "fold_weight": FOLD_LOGIT,
        "fold_mm": FOLD_MM,
        "sulcus_below": SULCUS_BELOW,
        "belt_mm": BELT_MM,
        "rim_mm": RIM_MM,
    }
    drawn = {name: float(rng.uniform(*limits)) for name, limits in ranges.items()}
    odds = body.log_odds.copy()
    odds[CSF] += np.float32(SHARPNESS * drawn["water_weight"])
    rest = np.delete(odds, [GREY, WHITE], axis=0).max(axis=0)
    brain = np.maximum(odds[GREY], odds[WHITE]) > np.maximum(rest, 0.0)
    outside_mm = np.stack([_outside_outline(plane) for plane in brain])
    field = _fold_field(rng, brain.shape, drawn["fold_mm"])
    belt = np.exp(np.minimum(outside_mm, 0.0) / np.float32(drawn["belt_mm"]))
    _fold(odds, belt * field, drawn["fold_weight"], drawn["sulcus_below"])
    beyond = np.clip(RIM_SLOPE * (outside_mm - drawn["rim_mm"]), 0.0, RIM_MOST)
    odds[CSF] -= np.where((outside_mm > 0.0) & ~brain, beyond, 0.0)
    return dataclasses.replace(body, log_odds=odds, traits=body.traits | drawn)


def _fold_field(rng: np.random.Generator, shape: tuple[int, ...], sigma_mm: float) -> np.ndarray:
    """Noise of one band, unit variance: its levels are a labyrinth, as gyri are."""
    noise = rng.standard_normal(shape, np.float32)
    fine = ndimage.gaussian_filter(noise, sigma_mm)
    field = fine - ndimage.gaussian_filter(fine, 3**0.5 * sigma_mm)
    return field / field.std()


def _fold(odds: np.ndarray, field: np.ndarray, weight: float, sulcus_below: float) -> None:
    """Trades white for grey by ``field``, and both for water where it is lowest; in place."""
    tissue = np.logaddexp(odds[GREY], odds[WHITE])
    step = np.float32(SHARPNESS * weight / 2) * field
    odds[WHITE] += step
    odds[GREY] -= step
    odds[[GREY, WHITE]] += tissue - np.logaddexp(odds[GREY], odds[WHITE])
    sulci = tissue + np.float32(SULCUS_SLOPE) * (-field - np.float32(sulcus_below))
    odds[CSF] = np.where(tissue > 0.0, np.maximum(odds[CSF], sulci), odds[CSF])


def _outside_outline(brain: np.ndarray) -> np.ndarray:
    """Distance (y, x) in mm outside the closed outline of a plane's brain, negative inside."""
    if not brain.any():
        return np.zeros(brain.shape, np.float32)
    grown = ndimage.distance_transform_edt(~brain) <= CLOSED_MM
    outline = (ndimage.distance_transform_edt(grown) > CLOSED_MM) | brain
    outside, inside = (ndimage.distance_transform_edt(part) for part in (~outline, outline))
    return (outside - inside).astype(np.float32)
