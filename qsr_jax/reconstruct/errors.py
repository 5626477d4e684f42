"""How far maps lie from what a scan was simulated from."""

from typing import NamedTuple

import numpy as np

from qsr_jax.maps import MAPS

SOLID_MS = {"t1": 1900.0, "t2": 200.0}
"""Parenchyma is the brain below these: no fluid."""


class PercentError(NamedTuple):
    """Of one map over one place.

    Attributes:
        absolute: mean of ``|found / truth - 1|``, percent.
        bias: mean of ``found / truth - 1``, percent.
    """

    absolute: float
    bias: float


def percent_errors(
    found: np.ndarray, truth: np.ndarray, brain: np.ndarray
) -> dict[str, dict[str, PercentError]]:
    """Errors by place and map; PD is compared as it is, in one unit.

    Args:
        found: (..., 3) T1 ms, T2 ms and PD.
        truth: (..., 3) the same.
        brain: (...) bool.

    Raises:
        ValueError: other shapes, or no brain.
    """
    if not found.shape == truth.shape == (*brain.shape, 3):
        raise ValueError(
            f"maps of {found.shape}, truth of {truth.shape}, brain of {brain.shape}; expected one "
            "grid, and T1, T2 and PD along the last axis"
        )
    places = {"parenchyma": brain.copy(), "brain": brain}
    for channel, name in enumerate(MAPS):
        if name in SOLID_MS:
            places["parenchyma"] &= truth[..., channel] < SOLID_MS[name]
    if not places["parenchyma"].any():
        raise ValueError("no parenchyma in the truth; expected a brain")
    errors = {}
    for place, where in places.items():
        share = 100.0 * (found[where].astype(np.float64) / truth[where] - 1.0)
        columns = zip(np.abs(share).mean(axis=0), share.mean(axis=0), strict=True)
        errors[place] = {
            name: PercentError(float(size), float(bias))
            for name, (size, bias) in zip(MAPS, columns, strict=True)
        }
    return errors
