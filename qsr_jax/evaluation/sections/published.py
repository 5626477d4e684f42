"""The paper's numbers, to stand beside ours: tables 1-5 and what the text says of figures 3 and 4.

Liu Y et al., "Two-Minute Deep Learning-Powered Brain Quantitative Mapping", JMIR Med Inform
2026;14:e79389 (CC BY 4.0). Maps in the order T1 (ms), T2 (ms), PD (%). The test set: 31 healthy
subjects, 7 patients. P values are text, as printed. What cannot be right is in :data:`ERRATA`.
"""

from dataclasses import dataclass

CITATION = (
    "Liu Y et al. Two-Minute Deep Learning-Powered Brain Quantitative Mapping. "
    "JMIR Med Inform 2026;14:e79389"
)
URL = "https://medinform.jmir.org/2026/1/e79389"
N_HEALTHY, N_PATIENTS = 31, 7
MARGIN_PERCENT = 5.0


@dataclass(frozen=True)
class MeanSD:
    """Mean and standard deviation over subjects."""

    mean: float
    sd: float


@dataclass(frozen=True)
class PublishedTissue:
    """A row of Table 1, with the TOST interval of the text (None where it is misprinted)."""

    fast: MeanSD
    network: MeanSD
    routine: MeanSD
    p_fast: str
    p_routine: str
    tost_low: float | None
    tost_high: float | None


@dataclass(frozen=True)
class PublishedAgreement:
    """Regression and Bland-Altman (percent) of GM and WM pooled; limits None where not given."""

    r_squared: float
    slope: float
    bias_percent: float
    low_percent: float | None
    high_percent: float | None


@dataclass(frozen=True)
class PublishedVariation:
    """A row of Table 2 for one map: coefficients of variation in percent."""

    network: float
    routine: float
    between: float
    p: str


@dataclass(frozen=True)
class PublishedLesion:
    """A row of Table 3: (network, routine) per map."""

    kind: str
    t1: tuple[float, float]
    t2: tuple[float, float]
    pd: tuple[float, float]


@dataclass(frozen=True)
class Quality:
    """A row of Table 4: whole frame, stored values, L = 65 535."""

    psnr_db: MeanSD
    ssim: MeanSD


_TABLE_1 = """
GM t1 1200.03 36.01  1230.17 34.12  1232.65 34.98  <.001   .66  -11.88  6.91
GM t2   97.87  2.07    91.36  2.60    93.33  3.50  <.001 <.001   -2.48 -1.46
GM pd   79.69  2.35    80.29  1.51    80.11  1.23   .002   .18   -0.04  0.41
WM t1  814.88 35.78   855.06 32.12   837.86 35.88  <.001 <.001   10.94 23.46
WM t2   84.57  2.17    80.23  1.61    79.92  2.05  <.001   .11       -     -
WM pd   67.55  1.94    68.49  1.44    68.21  1.29  <.001   .01    0.10  0.45
"""
# tissue, map, mean and SD of fast, network and routine, P (network vs fast), P (network vs
# routine), 90 % TOST interval of network - routine


def _tissue(cells: list[str]) -> PublishedTissue:
    fast, network, routine = (MeanSD(float(cells[i]), float(cells[i + 1])) for i in (0, 2, 4))
    tost = (None if cell == "-" else float(cell) for cell in cells[8:])
    return PublishedTissue(fast, network, routine, cells[6], cells[7], *tost)


TABLE_1: dict[tuple[str, str], PublishedTissue] = {
    (tissue, name): _tissue(cells)
    for tissue, name, *cells in (line.split() for line in _TABLE_1.strip().splitlines())
}

FIGURE_3: dict[str, PublishedAgreement] = {  # network vs routine
    "t1": PublishedAgreement(0.98, 0.9418, 0.93, -4.34, 6.20),
    "t2": PublishedAgreement(0.97, 0.8057, -0.85, -4.70, 3.00),
    "pd": PublishedAgreement(0.99, 0.9946, 0.31, -1.35, 1.98),
}

FIGURE_4: dict[str, PublishedAgreement] = {  # network vs fast
    "t1": PublishedAgreement(0.99, 0.9680, 3.66, None, None),
    "t2": PublishedAgreement(0.80, 0.7755, -6.32, None, None),
    "pd": PublishedAgreement(0.98, 0.9381, 1.09, None, None),
}

_TABLE_2 = """
frontal                    7.41/7.28/3.62     8.20/7.14/3.44     2.07/5.17/0.61  .29/.001/.94
temporal                   5.10/8.00/3.31     5.50/8.62/3.27     1.65/4.98/0.40  .38/.003/.83
parietal                   9.32/14.40/3.02    9.08/15.90/2.97    1.30/8.11/0.45  .38/<.001/.42
occipital                  7.43/11.07/2.15    7.19/13.32/2.41    1.72/5.10/0.47  .60/.005/.55
insula                     9.03/15.23/2.39    9.86/13.44/2.53    1.80/7.12/0.72  .95/.02/.36
hippocampus                8.95/11.43/2.53    9.02/14.30/2.71    2.62/6.08/0.72  .22/.005/.34
caudate                    13.69/16.20/5.29   14.65/17.14/5.37   2.60/5.32/0.76  .70/.35/.92
putamen                    13.48/12.37/2.62   14.48/17.33/3.47   2.04/5.44/0.73  .99/.11/.92
pallidum                   18.77/16.33/2.26   17.25/17.00/2.61   3.54/3.37/0.85  .51/.56/.50
thalamus                   13.37/12.39/2.38   13.99/13.96/3.00   1.69/4.05/0.88  .77/.27/.67
middle_cerebellar_peduncle 7.28/7.04/1.72     5.89/8.13/1.64     1.67/2.79/0.51  .50/.08/.28
genu_corpus_callosum       15.33/9.77/5.84    15.22/9.11/6.44    1.99/2.89/0.76  .87/.52/.55
splenium_corpus_callosum   6.44/3.70/1.98     6.00/4.64/1.94     1.74/1.71/0.63  .19/.05/.13
cerebral_peduncle          10.16/7.81/4.77    9.62/7.54/5.01     2.73/2.55/1.08  .41/.14/.55
internal_capsule           9.55/4.29/3.95     9.63/4.52/4.20     1.30/1.74/0.68  .83/.21/.45
anterior_corona_radiata    9.01/5.62/2.94     9.78/6.91/3.86     1.97/1.34/0.91  .92/.97/.98
superior_corona_radiata    9.95/4.68/3.73     8.35/4.95/3.07     2.16/1.31/1.03  .27/.14/.28
posterior_corona_radiata   14.19/3.72/4.25    12.20/4.59/3.69    2.60/2.49/0.96  .42/.03/.23
external_capsule           11.32/5.02/2.82    11.23/4.89/3.36    1.38/0.92/0.95  .65/.69/.21
"""
# region, then T1/T2/PD of: network and routine (among subjects), between the two, P

TABLE_2: dict[tuple[str, str], PublishedVariation] = {
    (region, name): PublishedVariation(float(network), float(routine), float(between), p)
    for region, *cells in (line.split() for line in _TABLE_2.strip().splitlines())
    for name, network, routine, between, p in zip(
        ("t1", "t2", "pd"), *(cell.split("/") for cell in cells), strict=True
    )
}

TABLE_3: tuple[PublishedLesion, ...] = (
    PublishedLesion("WMH", (1019.68, 1052.20), (100.84, 112.9), (80.70, 79.16)),
    PublishedLesion("WMH", (1034.41, 1052.78), (96.32, 96.71), (75.21, 77.09)),
    PublishedLesion("WMH", (955.68, 1013.20), (94.78, 104.52), (70.77, 72.97)),
    PublishedLesion("infarct", (1217.30, 1398.16), (126.53, 149.71), (80.00, 81.26)),
    PublishedLesion("encephalomalacia", (3597.26, 3683.45), (310.67, 276.99), (102.83, 106.59)),
    PublishedLesion("WMH", (1088.41, 1214.51), (109.50, 121.23), (82.11, 84.70)),
    PublishedLesion("infarct", (1832.00, 1679.00), (136.10, 133.80), (90.50, 90.90)),
    PublishedLesion("encephalomalacia", (3719.04, 3892.54), (292.16, 272.32), (101.31, 104.98)),
    PublishedLesion("WMH", (1734.53, 1517.03), (163.45, 182.01), (85.14, 86.37)),
    PublishedLesion("WMH", (1171.00, 1238.00), (110.60, 124.70), (80.70, 81.10)),
    PublishedLesion("encephalomalacia", (3666.00, 3469.00), (350.20, 295.80), (107.80, 106.30)),
    PublishedLesion("WMH", (1253.00, 1285.00), (113.20, 105.20), (78.70, 83.00)),
)
TABLE_3_P = {"t1": ".67", "t2": ".73", "pd": ".75"}
TABLE_3_P_PAIRED = {"t1": 0.669, "t2": 0.731, "pd": 0.0168}
"""The paired t-tests recomputed from the table; for PD the paper printed the unpaired one."""

TABLE_4: dict[str, Quality] = {
    "t1": Quality(MeanSD(21.94, 2.36), MeanSD(0.82, 0.08)),
    "t2": Quality(MeanSD(29.14, 1.81), MeanSD(0.93, 0.03)),
    "pd": Quality(MeanSD(58.01, 3.15), MeanSD(0.99, 0.01)),
}

TABLE_5: dict[str, tuple[MeanSD, MeanSD, MeanSD]] = {  # NIQE of fast, network, routine
    "t1": (MeanSD(29.46, 6.42), MeanSD(13.36, 1.88), MeanSD(10.90, 1.84)),
    "t2": (MeanSD(30.56, 5.57), MeanSD(18.79, 1.46), MeanSD(15.21, 1.78)),
    "pd": (MeanSD(34.66, 2.99), MeanSD(11.74, 2.17), MeanSD(10.85, 2.53)),
}

ERRATA: tuple[str, ...] = (
    "PSNR: equation 5 is printed as 20 log(L²/MSE), which counts the decibels twice; "
    "10 log10(L²/MSE) is used here.",
    "Table 3, PD: the printed P = .75 is that of an unpaired test; the paired one is .0168.",
    "TOST of T2 in white matter: the printed interval (−0.01 to 0.03) does not hold the mean "
    "difference of its own Table 1, 0.31 ms; it is left out here.",
)
