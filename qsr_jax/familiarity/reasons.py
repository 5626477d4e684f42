"""What is unlike training, in words."""

from collections.abc import Sequence

import numpy as np

from qsr_jax.familiarity.features import (
    BACKGROUND,
    DETAIL,
    DETAIL_PERCENTILES,
    LAGS,
    VALUES,
)
from qsr_jax.maps import MAPS

MOST_TOLD = 5
"""Slices that are named."""


def reason_of(kind: str, apart: np.ndarray, *, maps: int, slices: Sequence[int]) -> str:
    """One kind in words.

    Args:
        kind: of features, or places.
        apart: features minus their mean in training; empty for places.
        maps: of the model.
        slices: in which places lie, from 0.
    """
    for name, spec in MAPS.items():
        if kind == VALUES.format(name):
            return f"values of {spec.label}: {_percent(apart)} than in training on the whole"
    if kind == DETAIL:
        return _detail(apart.reshape(maps, 2, len(LAGS), len(DETAIL_PERCENTILES)))
    if kind == BACKGROUND:
        times = float(np.exp(np.mean(apart)))
        return (
            f"signal outside the head: {times:.2g} times training's (ghosts of motion, noise, "
            "or a scanner that masks the air)"
        )
    told = ", ".join(str(index + 1) for index in slices[:MOST_TOLD])
    more = f" and {len(slices) - MOST_TOLD} more" if len(slices) > MOST_TOLD else ""
    return f"places like none in training, in slice {told}{more}"


def _percent(apart: np.ndarray) -> str:
    percent = 100.0 * (float(np.exp(np.mean(apart))) - 1.0)
    return f"{abs(percent):.0f} % {'higher' if percent > 0 else 'lower'}"


def _detail(apart: np.ndarray) -> str:
    """The finest detail against the coarsest tells noise from resolution."""
    finest = float(np.exp(apart[:, :, 0, :2].mean()))
    told = "noise, motion or sharper images" if finest > 1.0 else "coarser or smoothed images"
    return f"finest detail: {finest:.2g} times training's ({told})"
