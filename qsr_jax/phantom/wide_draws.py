"""Subjects far from the population, so that a network trained on them knows no value by heart.

Domain randomisation (SynthSeg, Billot 2023, doi:10.1016/j.media.2023.102789) where the physics is:
values are drawn before the scan, so both scans see the same subject. Every range is our choice;
they are wide enough for fingerprinting heads at 3 T (WM near 790/55, GM near 1420/80 ms, CSF near
2600 ms) and were chosen on four of them, see docs/transfer.md.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from qsr_jax.maps import MAPS
from qsr_jax.phantom.grid import Planes
from qsr_jax.phantom.random_fields import texture_of

REFERENCE = np.array([1000.0, 80.0, 75.0])
"""T1 (ms), T2 (ms), PD (%) that a power law leaves where they are."""

SCALE, POWER, OWN = np.array([[0.25, 0.45, 0.20], [0.40, 0.50, 0.35], [0.08, 0.25, 0.06]])
"""Largest size of the logarithms, for T1, T2 and PD, of: the factor on all tissues of a subject;
the power law, which widens or narrows contrasts; the factor on one tissue."""

WATER = np.array([0.5, 1.2, 0.1])
"""Likewise of what CSF falls short of pure water."""

LEAST, MOST = np.array([550.0, 55.0, 45.0]), np.array([2200.0, 200.0, 130.0])
"""Range of a tissue other than CSF, fat, muscle and skin: beyond it the scanner's reader and the
brain mask would not take it for brain."""

OUTSIDE = ("fat", "muscle", "skin")
"""Tissues that keep the population's values: the brain mask is told by them."""

TEXTURE_SCALES_MM = (0.8, 2.5, 6.0, 14.0)
"""Correlation lengths (sigma) between which texture is shared at random."""

LEAST_TEXTURE, MOST_TEXTURE = 0.6, np.array([2.2, 4.0, 2.0])
"""Least and largest spread within a tissue, over the population's, of T1, T2, PD."""

TEXTURE_CUT = 3.0
"""Standard deviations."""

MOST_SHARED = 0.8
"""Largest part of the texture's variance that the three quantities have in common."""


@dataclasses.dataclass(frozen=True)
class Remap:
    """One subject's change of values: ``r s (v / r)^p``, r = :data:`REFERENCE`; both (3,)."""

    scale: np.ndarray
    power: np.ndarray

    def __call__(self, value: np.ndarray) -> np.ndarray:
        """(T1 ms, T2 ms, PD %) of brain or lesion, changed, within the scanner's range."""
        most = np.array([spec.scanner_max for spec in MAPS.values()])
        return np.minimum(REFERENCE * self.scale * (value / REFERENCE) ** self.power, most)


def draw_remap(rng: np.random.Generator) -> Remap:
    """Factor and power of one subject."""
    return Remap(np.exp(rng.uniform(-SCALE, SCALE)), np.exp(rng.uniform(-POWER, POWER)))


def widen_values(
    rng: np.random.Generator, values: Mapping[str, np.ndarray], remap: Remap
) -> dict[str, np.ndarray]:
    """A subject's mean (T1 ms, T2 ms, PD %) of every tissue, from the population's."""
    wide = {}
    for name, value in values.items():
        own = np.exp(rng.uniform(-OWN, OWN))
        if name == "csf":
            wide[name] = value * np.exp(-rng.uniform(0.0, WATER))
        elif name in OUTSIDE:
            wide[name] = value
        else:
            wide[name] = np.clip(remap(value) * own, LEAST, MOST)
    return wide


def draw_wide_texture(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    """Texture (z, 6, m, m) as :func:`qsr_jax.phantom.random_fields.draw_texture` gives it.

    The population's has one length, one correlation and unit variance; here each is drawn, for the
    white matter apart from the other tissues.
    """
    fields = []
    for _ in ("all tissues", "white matter"):
        shared = rng.uniform(0.0, MOST_SHARED)
        common = _mixed_scales(rng, planes)
        for most in MOST_TEXTURE:
            own = _mixed_scales(rng, planes)
            field = np.sqrt(shared) * common + np.sqrt(1.0 - shared) * own
            amount = np.exp(rng.uniform(np.log(LEAST_TEXTURE), np.log(most)))
            fields.append(np.float32(amount) * np.clip(field, -TEXTURE_CUT, TEXTURE_CUT))
    return np.stack(fields, axis=1).astype(np.float32)


def _mixed_scales(rng: np.random.Generator, planes: Planes) -> np.ndarray:
    """A field (z, m, m) of unit variance, that is shared between the scales at random."""
    parts = np.sqrt(rng.dirichlet(np.ones(len(TEXTURE_SCALES_MM)))).astype(np.float32)
    fields = [texture_of(rng, planes, sigma_mm=sigma) for sigma in TEXTURE_SCALES_MM]
    return np.tensordot(parts, np.stack(fields), axes=1)
