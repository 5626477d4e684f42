"""How far maps lie from what a scan was simulated from."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import WATER_T2_MS, WHITE_BELOW_MS

SOLID_MS = {"t1": 1900.0, "t2": WATER_T2_MS}
"""Parenchyma is the brain below these: no fluid. A voxel of it is called white matter where the
mean T1 of those around it is below :data:`WHITE_BELOW_MS`, else grey; lesions are neither. Its own
T1 does not tell: where truth has noise, what is below a bound is low by chance as well, and maps
without that noise would look biased."""
PARENCHYMA, BRAIN, WHITE, GREY, LESIONS = PLACES = (
    "parenchyma",
    "brain",
    "white matter",
    "grey matter",
    "lesions",
)


class PercentError(NamedTuple):
    """Of one map over one place.

    Attributes:
        absolute: mean of ``|found / truth - 1|``, percent.
        bias: mean of ``found / truth - 1``, percent.
    """

    absolute: float
    bias: float


Errors = dict[str, dict[str, PercentError]]
"""By place and map."""


def percent_errors(
    found: np.ndarray, truth: np.ndarray, brain: np.ndarray, lesions: np.ndarray | None = None
) -> Errors:
    """Errors by place and map; PD is compared as it is, in one unit.

    Tissues are told from the truth. Of lesions it is the means that are compared, each lesion
    counting once; elsewhere every voxel counts.

    Args:
        found: (..., y, x, 3) T1 ms, T2 ms and PD.
        truth: (..., y, x, 3) the same.
        brain: (..., y, x) bool.
        lesions: (..., y, x) number of the lesion, 0 elsewhere; None where there is none.

    Raises:
        ValueError: other shapes, or no brain.
    """
    if brain.ndim < 2 or not found.shape == truth.shape == (*brain.shape, 3):
        raise ValueError(
            f"maps of {found.shape}, truth of {truth.shape}, brain of {brain.shape}; expected one "
            "grid, and T1, T2 and PD along the last axis"
        )
    places = places_of(truth, brain, lesions)
    if not places[PARENCHYMA].any():
        raise ValueError("no parenchyma in the truth; expected a brain")
    pairs = {
        place: (found[where].astype(np.float64), truth[where])
        for place, where in places.items()
        if place != LESIONS and where.any()
    }
    if lesions is not None and lesions.any():
        pairs[LESIONS] = _means(found, lesions), _means(truth, lesions)
    return {place: _errors(*pair) for place, pair in pairs.items()}


def places_of(
    truth: np.ndarray, brain: np.ndarray, lesions: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Where each of :data:`PLACES` is, (..., y, x) bool."""
    marked = np.zeros_like(brain) if lesions is None else lesions > 0
    parenchyma = brain.copy()
    for channel, name in enumerate(MAPS):
        if name in SOLID_MS:
            parenchyma &= truth[..., channel] < SOLID_MS[name]
    healthy = parenchyma & ~marked
    short = _around(truth[..., 0], healthy) < WHITE_BELOW_MS
    return dict(
        zip(PLACES, (parenchyma, brain, healthy & short, healthy & ~short, marked), strict=True)
    )


def _around(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mean of the up to eight neighbours in the plane (..., y, x) that count; without any, itself.

    Args:
        values: (..., y, x).
        where: (..., y, x) bool, which ones count.
    """
    square = np.ones((*(1,) * (values.ndim - 2), 3, 3))
    square[..., 1, 1] = 0.0
    total, count = (
        ndimage.correlate(part.astype(np.float64), square, mode="constant")
        for part in (np.where(where, values, 0.0), where)
    )
    return np.where(count > 0, total / np.maximum(count, 1.0), values)


def _errors(found: np.ndarray, truth: np.ndarray) -> dict[str, PercentError]:
    share = 100.0 * (found / truth - 1.0)
    columns = zip(np.abs(share).mean(axis=0), share.mean(axis=0), strict=True)
    return {
        name: PercentError(float(size), float(bias))
        for name, (size, bias) in zip(MAPS, columns, strict=True)
    }


def _means(maps: np.ndarray, lesions: np.ndarray) -> np.ndarray:
    """(lesion, 3) means over every lesion."""
    numbers = np.unique(lesions[lesions > 0])
    return np.stack([maps[lesions == n].mean(axis=0, dtype=np.float64) for n in numbers])
