"""What tissues are worth at 3 T on the MDME scale, and how people differ.

The numbers are ours, chosen between published ones: MDME at 3 T reads GM 1143/78 and WM 701/64 ms
(Konar 2022, PMC9179589), the paper's own cohort 1233/93 and 838/80; inversion recovery reads longer
T1, so values of another method must never be mixed in.
"""

import dataclasses

import numpy as np

PERSON_SPREAD = np.array([0.03, 0.03, 0.02])
"""Relative standard deviation between people of T1, T2, PD."""

SHARED = 0.7
"""Correlation with what all tissues of a person, or all quantities of a voxel, have in common."""


@dataclasses.dataclass(frozen=True)
class Tissue:
    """Mean of (T1 ms, T2 ms, PD %) and its standard deviation from place to place."""

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


TISSUES: dict[str, Tissue] = {
    "csf": Tissue((4200, 1500, 100), (250, 200, 2)),
    "cortex": Tissue((1200, 82, 83), (90, 5, 3)),
    "white": Tissue((760, 67, 66), (35, 3, 1.5)),
    "thalamus": Tissue((930, 72, 77), (50, 3, 2)),
    "putamen": Tissue((1060, 70, 82), (45, 3, 2)),
    "caudate": Tissue((1150, 77, 84), (50, 3, 2)),
    "pallidum": Tissue((850, 58, 73), (50, 4, 2)),
}

NUCLEI = ("thalamus", "putamen", "caudate", "pallidum")
"""Grey matter that is not cortex; names of regions as well as of tissues."""

LESIONS: dict[str, Tissue] = {
    "WMH": Tissue((1150, 110, 76), (150, 20, 5)),
    "infarct": Tissue((1500, 140, 85), (150, 25, 4)),
    "encephalomalacia": Tissue((3400, 320, 98), (250, 50, 3)),
}
"""The paper's three kinds; infarct is the subacute row, encephalomalacia lies in the row's range
where the paper's Table 3 finds it. The spread is that between lesions."""


def draw_person(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """This person's mean (T1 ms, T2 ms, PD %) of every tissue."""
    common = rng.standard_normal(3)
    own = {name: rng.standard_normal(3) for name in TISSUES}
    return {
        name: np.asarray(tissue.mean)
        * (1 + PERSON_SPREAD * (SHARED * common + np.sqrt(1 - SHARED**2) * own[name]))
        for name, tissue in TISSUES.items()
    }


def draw_value(rng: np.random.Generator, tissue: Tissue) -> np.ndarray:
    """One lesion's (T1 ms, T2 ms, PD %); the three rise and fall together."""
    common = rng.standard_normal()
    own = rng.standard_normal(3)
    deviation = SHARED * common + np.sqrt(1 - SHARED**2) * own
    return np.asarray(tissue.mean) + np.asarray(tissue.spread) * np.clip(deviation, -2, 2)
