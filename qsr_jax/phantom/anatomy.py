"""A subject's anatomy on the 1 mm planes, whatever it was made from."""

import dataclasses
from typing import Protocol

import numpy as np

from qsr_jax.phantom.grid import Planes

BODY_CLASSES = ("csf", "cortex", "white", "fat", "muscle", "skin")
"""Classes of :attr:`Body.log_odds`; "cortex" is all grey matter."""


@dataclasses.dataclass(frozen=True)
class Body:
    """Where a subject's tissues lie, before they have values and lesions.

    Attributes:
        log_odds: (6, planes, m, m) float32 of :data:`BODY_CLASSES` against signal voids.
        inside: (planes, m, m) bool, inside the skin.
        mni_mm: (planes, m, m, 3) template coordinates, RAS.
        nuclei: (z, 5, m, m) membership in :data:`qsr_jax.phantom.tissue_values.NUCLEI`.
        traits: what was drawn for this subject, for the record.
        maps: (z, 3, m, m) measured T1 (ms), T2 (ms), PD (%) that replace the tissues' values, or
            None.
        own_nuclei: whether ``nuclei`` come from the subject's own labels and so name the regions.
    """

    log_odds: np.ndarray
    inside: np.ndarray
    mni_mm: np.ndarray
    nuclei: np.ndarray
    traits: dict[str, float]
    maps: np.ndarray | None = None
    own_nuclei: bool = False


class Anatomy(Protocol):
    """Everything that subjects can be made from."""

    def body(self, rng: np.random.Generator, planes: Planes) -> Body:
        """Draws one subject, a pure function of ``rng``."""
        ...
