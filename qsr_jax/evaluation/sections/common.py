"""What every table needs: computing under a name, and refusing to compute from too few."""

from collections.abc import Callable
from typing import Any

import numpy as np

from qsr_jax.maps import spec_of
from qsr_jax.statistics import MIN_SUBJECTS

POOLED = "GM + WM"


def named(row: str, compute: Callable[..., Any], *data: np.ndarray, **options: Any) -> Any:
    """Computes; what is degenerate gets the name of its row."""
    try:
        return compute(*data, **options)
    except ValueError as error:
        raise ValueError(f"{row}: {error}") from error


def if_enough(row: str, compute: Callable[..., Any], *data: np.ndarray, **options: Any) -> Any:
    """None below three subjects; any other degenerate input still raises."""
    enough = min(len(values) for values in data) >= MIN_SUBJECTS
    return named(row, compute, *data, **options) if enough else None


def title(place: str, name: str) -> str:
    """A place and a map with its unit, "GM T1 (ms)"."""
    spec = spec_of(name)
    return f"{place} {spec.label} ({spec.unit})"
