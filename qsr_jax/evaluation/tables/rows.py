"""The rows of the report's tables; what could not be computed is None, and every row has its n.

Each opens with ``row``, its name in ``tables.csv``. Dictionaries are keyed by method, or by
"method-reference". ``paper`` is what the paper has in that place.
"""

import dataclasses

from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.tables.findings import (
    CalibrationRow,
    DetailRow,
    LabelRow,
    NaturalnessRow,
    PointRow,
    ReadingRow,
    ReadingSummary,
    RunRow,
    SliceRow,
    SpreadRow,
    SubjectRow,
    WeightedRow,
)
from qsr_jax.statistics import (
    BlandAltman,
    Equivalence,
    PairedT,
    ProportionalBias,
    Regression,
    Sample,
    Variation,
)


@dataclasses.dataclass(frozen=True)
class TissueRow:
    """Table 1: one tissue and map; tests by "method-reference".

    ``equivalence`` is in the unit of the map, against a margin of some percent of the mean of
    routine; ``percent`` is that of every subject's own difference in percent of their routine.
    """

    row: str
    map: str
    tissue: str
    unit: str
    n: int
    means: dict[str, Sample]
    tests: dict[str, PairedT | None]
    equivalence: dict[str, Equivalence | None]
    percent: dict[str, Equivalence | None]
    paper: published.PublishedTissue


@dataclasses.dataclass(frozen=True)
class AgreementRow:
    """Figures 3 and 4 in numbers: ``test`` against ``reference`` in one tissue or both.

    ``proportional`` is the line of the difference on the mean of both, in the unit of the map.
    """

    row: str
    map: str
    unit: str
    tissue: str
    test: str
    reference: str
    n: int
    regression: Regression | None
    percent: BlandAltman | None
    units: BlandAltman | None
    proportional: ProportionalBias | None
    paper: published.PublishedAgreement | None


@dataclasses.dataclass(frozen=True)
class RegionRow:
    """Table 2: one region and map.

    ``percent`` is the equivalence of each method with routine; ``p_holm`` the P of ``test``
    corrected for all regions and maps (Holm).
    """

    row: str
    map: str
    region: str
    n: int
    variation: Variation | None
    test: PairedT | None
    percent: dict[str, Equivalence | None]
    p_holm: float | None
    paper: published.PublishedVariation | None


@dataclasses.dataclass(frozen=True)
class LesionRow:
    """Table 3: one lesion and map; ``means`` by method."""

    row: str
    map: str
    unit: str
    subject: str
    lesion: str
    means: dict[str, float]


@dataclasses.dataclass(frozen=True)
class LesionTest:
    """Paired t over lesions, ``method`` against routine, with the mean percent difference."""

    row: str
    map: str
    unit: str
    method: str
    n_lesions: int
    n_subjects: int
    test: PairedT | None
    percent: float
    lower: int
    paper_p: float


@dataclasses.dataclass(frozen=True)
class QualityRow:
    """Table 4: image metrics of one map against routine; ``by_method[method][quantity]``."""

    row: str
    map: str
    unit: str
    place: str
    convention: str
    n: int
    by_method: dict[str, dict[str, Sample]]
    paper: published.Quality | None


@dataclasses.dataclass(frozen=True)
class VerdictRow:
    """Is the trained model nearer to routine than bicubic? One map.

    ``gain_db`` is trained minus bicubic in brain-masked PSNR, ``wins`` the subjects in whom it is
    positive. ``bias_size_percent`` is the mean size of the biases of GM and WM, so that opposite
    ones do not cancel; ``bias_percent`` and the regression pool both tissues as the paper does.
    These are empty, and ``nearer_bias`` None, without tissue labels or with fewer than 3 subjects.
    """

    row: str
    map: str
    convention: str
    n: int
    psnr: dict[str, Sample]
    gain_db: float
    gain: PairedT | None
    wins: int
    bias_size_percent: dict[str, float]
    bias_percent: dict[str, float]
    r_squared: dict[str, float]
    slope: dict[str, float]
    nearer_psnr: bool
    nearer_bias: bool | None
    paper: published.PublishedAgreement


@dataclasses.dataclass(frozen=True)
class Tables:
    """Everything computed from the values."""

    verdict: list[VerdictRow]
    runs: list[RunRow]
    spread: list[SpreadRow]
    tissue: list[TissueRow]
    agreement: list[AgreementRow]
    points: list[PointRow]
    regions: list[RegionRow]
    calibration: list[CalibrationRow]
    lesions: list[LesionRow]
    lesion_tests: list[LesionTest]
    readings: list[ReadingRow]
    reading_summaries: list[ReadingSummary]
    quality: list[QualityRow]
    subjects: list[SubjectRow]
    slices: list[SliceRow]
    weighted: list[WeightedRow]
    naturalness: list[NaturalnessRow]
    detail: list[DetailRow]
    labels: list[LabelRow]
