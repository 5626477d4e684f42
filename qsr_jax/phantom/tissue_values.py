"""What tissues are worth at 3 T on the MDME scale, and how subjects differ.

MDME reads shorter T1 than inversion recovery, so values of another method must never be mixed in.
The published routine scans (JMIR Med Inform 2026;14:e79389, Table 1) measure, over whole tissues
with their partial volumes, GM 1233 ms / 93 ms / 80.1 % and WM 838 ms / 80 ms / 68.2 %. Cortex and
white matter are chosen so that simulated routine scans of healthy subjects measure that: partial
volume raises T1 by 4 % and T2 of GM by 10 % over all voxels that are mostly grey or mostly white,
and hardly at all away from their borders; the routine scan's clock, echo train and fit add 3 to 4 %
to T1 and take 1 to 3 % from PD. Nobody knows how close to the border the paper's segmentation
went, so the values lie between what the two ways of measuring ask for.
"""

import dataclasses

import numpy as np

SUBJECT_SPREAD = np.array([0.03, 0.035, 0.02])
"""Relative standard deviation between subjects of T1, T2, PD: 2 to 8 % in Warntjes 2008
(doi:10.1002/mrm.21635); 2.8 to 4.3 %, 2.6 to 3.8 % and 1.5 to 1.9 % in the paper's Table 1."""

POPULATION, WIDE = "population", "wide"
VALUES = (POPULATION, WIDE)
"""Whose values subjects have: healthy people's on this scanner, or so many kinds of heads' that a
network cannot know them by heart (:mod:`qsr_jax.phantom.wide_draws`)."""

SHARED = 0.7
"""Correlation with what all tissues of a subject, or all quantities of a voxel, have in common."""


@dataclasses.dataclass(frozen=True)
class Tissue:
    """Mean of (T1 ms, T2 ms, PD %) and its standard deviation from place to place."""

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]


TISSUES: dict[str, Tissue] = {
    "csf": Tissue((4200, 1500, 100), (250, 200, 2)),
    "cortex": Tissue((1186, 90, 82.5), (90, 5, 3)),
    "white": Tissue((803, 77.4, 68.2), (35, 3, 1.5)),
    "thalamus": Tissue((943, 80.5, 77), (50, 3, 2)),
    "putamen": Tissue((1052, 80, 81), (45, 3, 2)),
    "caudate": Tissue((1129, 84, 82), (50, 3, 2)),
    "pallidum": Tissue((875, 68.5, 73.5), (50, 4, 2)),
    "hippocampus": Tissue((1191, 90, 83), (60, 4, 2)),
    "fat": Tissue((380, 68, 90), (15, 4, 3)),
    "muscle": Tissue((1420, 34, 78), (60, 2, 3)),
    "skin": Tissue((1000, 40, 75), (80, 4, 5)),
}
"""Cortex and white matter: see above. CSF: Warntjes 2008 and the scanner's limits (4300, 2000 ms,
160 %). Deep nuclei: between white matter and cortex where MDME finds them (Warntjes 2008, Table 1:
thalamus 738/76, putamen 832/75, caudate 917/82 between WM 575/75 and cortex 1048/94 ms at 1.5 T);
pallidum below the putamen for its iron; hippocampus a little above cortex. Fat: 382 and 68 ms of
subcutaneous fat at 3 T (de Bazelaire 2004, doi:10.1148/radiol.2303021331), its PD our choice, below
water's. Muscle: T1 1420 ms at 3 T (Gold 2004, doi:10.2214/ajr.183.2.1830343), T2 34 ms (Pai 2008,
doi:10.1016/j.mri.2008.02.017). Skin: our choice between muscle and fat; no 3 T source found."""

NUCLEI = ("thalamus", "putamen", "caudate", "pallidum", "hippocampus")
"""Grey matter that is not cortex; names of regions as well as of tissues."""

LESIONS: dict[str, Tissue] = {
    "WMH": Tissue((1150, 115, 78), (150, 18, 4)),
    "infarct": Tissue((1500, 140, 85), (150, 20, 4)),
    "encephalomalacia": Tissue((3840, 510, 98), (250, 50, 2)),
    "mild MS plaque": Tissue((1000, 98, 73), (60, 6, 2)),
    "severe MS plaque": Tissue((1800, 180, 90), (250, 30, 4)),
    "oedema": Tissue((1350, 115, 82), (120, 12, 3)),
    "tumour": Tissue((1450, 110, 84), (180, 16, 4)),
    "punctate": Tissue((1600, 155, 86), (100, 12, 2)),
}
"""Mean and spread between lesions. The first three are the paper's kinds; a scan of them reads near
its Table 3, in which long T2 reads short (WMH
1013-1517/97-182 ms, infarct 1398-1679/134-150 ms, encephalomalacia 3469-3893/272-296 ms). Plaques:
Warntjes 2008 at 1.5 T (early 650/95, destroyed 1650/170 ms) moved to 3 T. Oedema and tumour:
perilesional oedema 1333/101 ms (Pol J Radiol 2025;90:e198) and our choice. "punctate": as
between an infarct and a severe plaque, but so small that the fast scan hardly shows it."""


def draw_subject(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """This subject's mean (T1 ms, T2 ms, PD %) of every tissue."""
    common = rng.standard_normal(3)
    own = {name: rng.standard_normal(3) for name in TISSUES}
    return {
        name: np.asarray(tissue.mean)
        * (1 + SUBJECT_SPREAD * (SHARED * common + np.sqrt(1 - SHARED**2) * own[name]))
        for name, tissue in TISSUES.items()
    }


def draw_value(rng: np.random.Generator, tissue: Tissue) -> np.ndarray:
    """One lesion's (T1 ms, T2 ms, PD %); the three rise and fall together."""
    common = rng.standard_normal()
    own = rng.standard_normal(3)
    deviation = SHARED * common + np.sqrt(1 - SHARED**2) * own
    return np.asarray(tissue.mean) + np.asarray(tissue.spread) * np.clip(deviation, -2, 2)
