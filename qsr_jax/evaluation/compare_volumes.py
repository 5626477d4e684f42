"""Two volumes on one grid, compared slice by slice. Units are converted, nothing is registered."""

import dataclasses
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from qsr_jax.evaluation.compared_grid import read_mask, stored_like
from qsr_jax.evaluation.compared_image import Image, read_image
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN, METRICS, PAPER
from qsr_jax.metrics.niqe import load_model, niqe, to_grey
from qsr_jax.metrics.resolution import (
    FRC_THRESHOLD,
    LEAST_SIDE,
    TRANSFER_HALF,
    resolution_mm,
    ring_sums,
)
from qsr_jax.metrics.sharpness import gradient_strength, noise_level
from qsr_jax.metrics.ssim import WINDOWS

PAPER_RANGE = "paper"
"""Name of the paper's data range, 65 535 stored units."""
ALONE = {"noise": noise_level, "gradient": gradient_strength}
"""What is measured of each volume by itself, in the unit of the map (gradient: per pixel)."""
RESOLUTIONS = {
    "resolution_transfer": (
        f"resolution (fraction of the reference's detail {TRANSFER_HALF:g})",
        TRANSFER_HALF,
    ),
    "resolution_frc": ("resolution (Fourier-ring correlation 1/7)", FRC_THRESHOLD),
}
"""Label and threshold. The first takes the reference for noise-free; the second takes both for
scans of one subject with noise of their own, and says nothing of an image made from the other."""


@dataclasses.dataclass(frozen=True)
class MetricRow:
    """One quantity: its unit, and one value per slice, NaN where a slice has nothing to count."""

    name: str
    label: str
    unit: str
    per_slice: tuple[float, ...]

    def summary(self) -> dict[str, float]:
        """n, mean, SD, smallest and largest over the slices that have a value."""
        values = np.array([v for v in self.per_slice if not math.isnan(v)])
        if not values.size:
            return {"n": 0, **dict.fromkeys(("mean", "sd", "min", "max"), math.nan)}
        spread = float(values.std(ddof=1)) if np.isfinite(values).all() and values.size > 1 else 0.0
        return {
            "n": int(values.size),
            "mean": float(values.mean()),
            "sd": spread,
            "min": float(values.min()),
            "max": float(values.max()),
        }


@dataclasses.dataclass(frozen=True)
class VolumeComparison:
    """All rows, and what the numbers mean."""

    test: str
    reference: str
    map: str | None
    unit: str
    mask: str
    data_range: float
    shape: tuple[int, int, int]
    rows: tuple[MetricRow, ...]


def as_json(result: VolumeComparison) -> dict[str, object]:
    """The comparison as JSON: NaN becomes null, an infinite PSNR "inf"."""
    document = dataclasses.asdict(result)
    for row, entry in zip(result.rows, document["rows"], strict=True):
        entry["per_slice"] = [_plain(v) for v in row.per_slice]
        entry["summary"] = {key: _plain(v) for key, v in row.summary().items()}
    return document


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)


def compare(
    test: Path,
    reference: Path,
    *,
    mask: Path | None = None,
    data_range: float | str | None = None,
    map_name: str | None = None,
    units: str | None = None,
    niqe_model: Path | None = None,
) -> VolumeComparison:
    """Reads two volumes and measures the first against the second.

    Args:
        test: NIfTI file, or folder of one DICOM map series.
        reference: likewise, on the same grid; the order and direction in which a file stores its
            axes do not matter, slices are those of this one.
        mask: NIfTI file, not 0 where voxels count; None for the whole frame.
        data_range: L of PSNR and SSIM, unit of the map; :data:`PAPER_RANGE` for the paper's; None
            for what a scanner writes at most.
        map_name: what NIfTI files hold; None where their BIDS suffix says it, or nobody knows.
        units: unit of NIfTI files without a side-car that says it, of
            :data:`qsr_jax.evaluation.compared_image.UNITS`.
        niqe_model: file of the natural-image model; None leaves NIQE out.

    Raises:
        ValueError: a file cannot be read, its unit is in doubt, grids or maps differ, values
            inside the mask are not finite, or the data range is not known.
    """
    first, second = (read_image(path, map_name, units=units) for path in (test, reference))
    first = stored_like(second, first)
    _check_kind(first, second)
    name = first.map_name
    data_range = _range_of(data_range, name)
    inside = read_mask(mask, second)
    for image in (first, second):
        if not np.isfinite(image.values[inside]).all():
            raise ValueError(f"{image.path}: values inside the mask are not finite")
    unit = first.unit
    rows = [*_pair_rows(first, second, inside, data_range, unit)]
    rows += _single_rows(first, second, inside, unit)
    if min(inside.shape[1:]) >= LEAST_SIDE:
        rows += _resolution_rows(first, second, inside)
    if niqe_model is not None:
        rows += _niqe_rows(first, second, inside, niqe_model, data_range)
    where = "whole frame" if mask is None else str(mask)
    return VolumeComparison(
        str(test), str(reference), name, unit, where, data_range, inside.shape, tuple(rows)
    )


def _check_kind(first: Image, second: Image) -> None:
    """Raises ValueError unless both are the same map in the same unit."""
    if first.map_name != second.map_name:
        kinds = (f"{i.path} is {i.map_name or 'not known (give --map)'}" for i in (first, second))
        raise ValueError(", ".join(kinds))
    if first.unit != second.unit:
        units = (f"{image.path} is in {image.unit or 'no unit'}" for image in (first, second))
        raise ValueError(f"{', '.join(units)}; say which map they hold (--map)")


def _range_of(given: float | str | None, name: str | None) -> float:
    """L in the unit of the map; raises ValueError where that is not known."""
    if given is None or isinstance(given, str):
        if given not in (None, PAPER_RANGE):
            raise ValueError(f"data range {given!r}; expected a number or {PAPER_RANGE!r}")
        if name is None:
            raise ValueError("PSNR and SSIM need a range: give --data-range or --map")
        return (BRAIN if given is None else PAPER).data_range(spec_of(name))
    if not given > 0.0:
        raise ValueError(f"--data-range {given:g} must be positive")
    return given


def _pair_rows(
    test: Image, reference: Image, mask: np.ndarray, data_range: float, unit: str
) -> list[MetricRow]:
    pair = test.values[..., None], reference.values[..., None], mask
    rows = []
    for name, metric in METRICS.items():
        if name.startswith("ssim") and not _fits(name, mask):
            continue
        options = {"data_range": data_range} if metric.ranged else {}
        values = np.asarray(metric.compute(*pair, **options), float)[:, 0]
        mine = unit if metric.unit == "map" else metric.unit
        rows.append(MetricRow(name, metric.label, mine, tuple(values.tolist())))
    return rows


def _fits(name: str, mask: np.ndarray) -> bool:
    """Whether the window of an SSIM fits into the frame."""
    window = "uniform" if name.endswith("uniform") else "gaussian"
    return min(mask.shape[1:]) >= len(WINDOWS[window].weights)


def _single_rows(test: Image, reference: Image, mask: np.ndarray, unit: str) -> list[MetricRow]:
    return [
        MetricRow(f"{name}_{who}", f"{name} of {who}", unit, tuple(values.tolist()))
        for name, compute in ALONE.items()
        for who, image in (("test", test), ("reference", reference))
        for values in [np.asarray(compute(image.values[..., None], mask), float)[:, 0]]
    ]


def _resolution_rows(test: Image, reference: Image, mask: np.ndarray) -> list[MetricRow]:
    """Period in mm, within the slices; NaN where a slice has no mask or no detail."""
    spacing_mm = np.linalg.norm(reference.affine[:3, 1:3], axis=0)
    there = np.flatnonzero(mask.any((1, 2)))
    first, second = (image.values[there][..., None] for image in (test, reference))
    down, across = spacing_mm.tolist()
    sums = ring_sums(first, second, mask[there], spacing_mm=(down, across))
    with np.errstate(invalid="ignore", divide="ignore"):  # a constant slice has no detail
        curves = sums.transfer(), sums.correlation()
    rows = []
    for (name, (label, threshold)), curve in zip(RESOLUTIONS.items(), curves, strict=True):
        values = np.full(len(mask), np.nan)
        found = resolution_mm(curve, sums.frequency_per_mm, threshold=threshold)
        values[there] = found[:, 0]
        rows.append(MetricRow(name, label, "mm", tuple(values.tolist())))
    return rows


def _niqe_rows(
    test: Image, reference: Image, mask: np.ndarray, path: Path, data_range: float
) -> list[MetricRow]:
    model = load_model(path)
    name = test.map_name
    grey_max = data_range if name is None else spec_of(name).niqe_grey_max
    unit = "" if name is None else spec_of(name).unit
    crop = "whole frame" if mask.all() else "blocks inside the mask"
    text = model.text(crop=crop, grey_max=grey_max, unit=unit).strip()
    return [
        MetricRow(f"niqe_{who}", f"{who}: {text}", "", tuple(niqe(grey, mask, model).tolist()))
        for who, image in (("test", test), ("reference", reference))
        for grey in [np.asarray(to_grey(jnp.asarray(image.values), grey_max=grey_max))]
    ]
