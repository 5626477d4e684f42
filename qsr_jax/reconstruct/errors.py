"""How far maps lie from what a scan was simulated from."""

from typing import NamedTuple

import numpy as np

from qsr_jax.maps import MAPS
from qsr_jax.ops.mask import WATER_T2_MS, WHITE_BELOW_MS

SOLID_MS = {"t1": 1900.0, "t2": WATER_T2_MS}
"""Parenchyma is the brain below these: no fluid. Its part below :data:`WHITE_BELOW_MS` is called
white matter, the rest grey; lesions are neither."""
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
        found: (..., 3) T1 ms, T2 ms and PD.
        truth: (..., 3) the same.
        brain: (...) bool.
        lesions: (...) number of the lesion, 0 elsewhere; None where there is none.

    Raises:
        ValueError: other shapes, or no brain.
    """
    if not found.shape == truth.shape == (*brain.shape, 3):
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
    """Where each of :data:`PLACES` is, (...) bool."""
    marked = np.zeros_like(brain) if lesions is None else lesions > 0
    parenchyma = brain.copy()
    for channel, name in enumerate(MAPS):
        if name in SOLID_MS:
            parenchyma &= truth[..., channel] < SOLID_MS[name]
    short = truth[..., 0] < WHITE_BELOW_MS
    healthy = parenchyma & ~marked
    return dict(
        zip(PLACES, (parenchyma, brain, healthy & short, healthy & ~short, marked), strict=True)
    )


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
