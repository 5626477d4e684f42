"""Rows of the tables that the paper does not have; its own are in :mod:`.rows`."""

import dataclasses

from qsr_jax.evaluation.sections import published
from qsr_jax.statistics import Interval, PairedT, Sample


@dataclasses.dataclass(frozen=True)
class PointRow:
    """One subject's tissue mean by two methods, as the scatter and Bland-Altman plots show it."""

    row: str
    map: str
    unit: str
    tissue: str
    subject: str
    test: str
    reference: str
    test_value: float
    reference_value: float
    mean: float
    percent: float


@dataclasses.dataclass(frozen=True)
class SubjectRow:
    """Brain-masked PSNR against routine of one subject and map, dB, by method."""

    row: str
    map: str
    subject: str
    group: str
    psnr: dict[str, float]


@dataclasses.dataclass(frozen=True)
class CalibrationRow:
    """Mean test minus reference where the reference lies in a bin: one map, method and bin."""

    row: str
    map: str
    unit: str
    method: str
    reference: str
    low: float
    high: float
    n: int
    difference: Sample
    interval: Interval | None


@dataclasses.dataclass(frozen=True)
class ReadingRow:
    """Is one lesion to be seen in one map, by method? See :mod:`..measure.reading`."""

    row: str
    map: str
    unit: str
    subject: str
    lesion: str
    contrast: dict[str, float]
    contrast_to_noise: dict[str, float]
    present: dict[str, bool]


@dataclasses.dataclass(frozen=True)
class ReadingSummary:
    """All lesions of one map read by one method, and the sham places.

    ``lost`` and ``gained`` are against routine; ``recovered_percent`` is the mean contrast in
    percent of the mean contrast of the truth; ``sham_percent`` the share of sham places that read
    as present and ``sham_contrast`` the largest contrast at one.
    """

    row: str
    map: str
    unit: str
    method: str
    n_lesions: int
    present: int
    lost: int
    gained: int
    recovered_percent: float | None
    n_subjects: int
    sham_places: int
    sham_percent: float | None
    sham_contrast: float | None


@dataclasses.dataclass(frozen=True)
class WeightedRow:
    """Weighted images from a method's maps against those from routine, one contrast."""

    row: str
    contrast: str
    unit: str
    convention: str
    n: int
    by_method: dict[str, dict[str, Sample]]
    gain: PairedT | None


@dataclasses.dataclass(frozen=True)
class SliceRow:
    """One of the slices where the trained model errs most, by masked RMSE."""

    row: str
    map: str
    unit: str
    rank: int
    subject: str
    group: str
    slice: int
    rmse: dict[str, float]
    bias: dict[str, float]


@dataclasses.dataclass(frozen=True)
class NaturalnessRow:
    """Table 5: NIQE of one map by method."""

    row: str
    map: str
    convention: str
    n: int
    by_method: dict[str, Sample]
    paper: tuple[published.MeanSD, published.MeanSD, published.MeanSD] | None


@dataclasses.dataclass(frozen=True)
class DetailRow:
    """Noise or resolution of one map by method, over the subjects who have it."""

    row: str
    map: str
    quantity: str
    unit: str
    convention: dict[str, str]
    by_method: dict[str, Sample]


@dataclasses.dataclass(frozen=True)
class LabelRow:
    """One place: labels found in the maps against the truth's, over n subjects.

    ``dice`` and ``centroid_mm`` are of the labels; ``shift_percent`` says by how much the mean of
    the routine map moves, by map. ``largest_mm`` is the worst subject's.
    """

    row: str
    place: str
    n: int
    dice: Sample
    centroid_mm: Sample | None
    largest_mm: float | None
    shift_percent: dict[str, Sample]


@dataclasses.dataclass(frozen=True)
class RunRow:
    """One training (fold and seed) and map, over the subjects it tests."""

    row: str
    run: str
    fold: str
    seed: int | None
    map: str
    n: int
    psnr_db: float
    bicubic_psnr_db: float
    gain_db: float
    bias_size_percent: float | None


@dataclasses.dataclass(frozen=True)
class SpreadRow:
    """A number of :class:`RunRow` over all runs: between folds (means over seeds) and seeds.

    ``sd_seeds`` is the standard deviation of the seeds of one fold, pooled over folds.
    """

    row: str
    map: str
    quantity: str
    unit: str
    runs: int
    folds: int
    mean: float
    low: float
    high: float
    sd_folds: float | None
    sd_seeds: float | None
