"""How far maps of test slices are from the truth: voxels, regions, images, intervals."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from data_tools.weighted_cases import CSF, GREY, WHITE, Slices
from qsr_jax.maps import MAPS
from qsr_jax.metrics.ssim import ssim
from qsr_jax.tasks.spread import WIDTH

PSNR_TOPS = np.array([4500.0, 500.0, 100.0])
"""Data ranges of PSNR and SSIM, ms, ms, percent; values beyond are clipped."""

TISSUES = {"CSF": CSF, "GM": GREY, "WM": WHITE}
LEAST_PIXELS = 12
"""Of a lesion in a slice: 9 mm2 of 0.86 mm pixels."""
FLOORS = np.array([spec.measured_min for spec in MAPS.values()])


def relative(mean: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Signed error in percent of the truth, (..., 3)."""
    return 100.0 * (mean - truth) / np.maximum(truth, FLOORS)


def mean_percentage_error(mean: np.ndarray, slices: Slices) -> list[float]:
    """Of the voxels of grey and white matter, T1, T2, PD."""
    inside = np.isin(slices.tissue, (GREY, WHITE)) & slices.brain
    return rounded(np.abs(relative(mean[inside], slices.truth[inside])).mean(0))


def accuracy(mean: np.ndarray, std: np.ndarray | None, slices: Slices) -> dict[str, Any]:
    """Everything about maps whose truth is known."""
    inside = np.isin(slices.tissue, (GREY, WHITE)) & slices.brain
    signed = relative(mean[inside], slices.truth[inside])
    found: dict[str, Any] = {
        "slices": len(slices),
        "subjects": len(set(slices.subject)),
        "mpe": mean_percentage_error(mean, slices),
        "bias": rounded(signed.mean(0)),
        "roi": {name: roi_errors(mean, slices, TISSUES[name]) for name in ("WM", "GM")},
        "psnr_db": rounded(_psnr(mean, slices)),
        "ssim": rounded(_ssim(mean, slices), 4),
    }
    fluid = (slices.tissue == CSF) & slices.brain
    found["csf_mpe"] = rounded(np.abs(relative(mean[fluid], slices.truth[fluid])).mean(0))
    if std is not None:
        for share, width in (("68", 1.0), ("95", WIDTH)):
            rows = {n: covered(mean, width * std, slices, t) for n, t in TISSUES.items()}
            found[f"covered_{share}"] = rows
        part = 100.0 * std[fluid] / np.maximum(mean[fluid], FLOORS)
        found["csf_std_percent"] = rounded(np.median(part, 0))
    return found


def roi_errors(mean: np.ndarray, slices: Slices, label: int) -> dict[str, list[float]]:
    """Error of the median over a tissue of every subject and study: mean size, and mean."""
    rows = []
    for study in studies_of(slices):
        inside = (slices.tissue == label) & slices.brain & study[:, None, None]
        if inside.sum() < 20:
            continue
        told, true = np.median(mean[inside], 0), np.median(slices.truth[inside], 0)
        rows.append(relative(told, true))
    if not rows:
        return {"error": [float("nan")] * 3, "bias": [float("nan")] * 3}
    return {
        "error": rounded(np.abs(rows).mean(0)),
        "bias": rounded(np.mean(rows, 0)),
    }


def studies_of(slices: Slices) -> list[np.ndarray]:
    """(n,) flags of the slices of every study: one subject, one set of times."""
    names = [f"{s}{t.tobytes()!r}" for s, t in
             zip(slices.subject, slices.acquisition_ms, strict=True)]  # fmt: skip
    held = np.array(names)
    return [held == name for name in dict.fromkeys(names)]


def study_numbers(slices: Slices) -> np.ndarray:
    """(n,) number of the study of every slice."""
    return np.argmax(studies_of(slices), axis=0)


def covered(mean: np.ndarray, std: np.ndarray, slices: Slices, label: int) -> list[float]:
    """Percent of a tissue's voxels that err no more than their standard deviation."""
    inside = (slices.tissue == label) & slices.brain
    off = np.abs(mean[inside] - slices.truth[inside])
    return rounded(100.0 * (off <= std[inside]).mean(0))


def lesion_bias(mean: np.ndarray, slices: Slices) -> dict[str, Any]:
    """Signed error of the median of every lesion of :data:`LEAST_PIXELS`: mean and mean size."""
    rows = []
    for index, numbers in enumerate(slices.lesion):
        for number in np.unique(numbers[numbers > 0]):
            inside = numbers == number
            if inside.sum() >= LEAST_PIXELS:
                told = np.median(mean[index][inside], 0)
                rows.append(relative(told, np.median(slices.truth[index][inside], 0)))
    if not rows:
        return {"lesions": 0}
    return {
        "lesions": len(rows),
        "bias": rounded(np.mean(rows, 0)),
        "error": rounded(np.abs(rows).mean(0)),
    }


def _psnr(mean: np.ndarray, slices: Slices) -> np.ndarray:
    """Mean over slices, inside the brain, fluid included, dB."""
    rows = []
    for made, truth, brain in zip(mean, slices.truth, slices.brain, strict=True):
        a, b = (np.clip(x[brain], 0.0, PSNR_TOPS) for x in (made, truth))
        rows.append(10.0 * np.log10(PSNR_TOPS**2 / np.maximum(np.square(a - b).mean(0), 1e-12)))
    return np.mean(rows, 0)


def _ssim(mean: np.ndarray, slices: Slices) -> np.ndarray:
    """Mean over slices, inside the brain."""
    tops = jnp.asarray(PSNR_TOPS, jnp.float32)
    made, truth = (jnp.clip(jnp.asarray(x), 0.0, tops) for x in (mean, slices.truth))
    rows = [
        np.asarray(ssim(a[None], b[None], jnp.asarray(m)[None], data_range=tops))[0]
        for a, b, m in zip(made, truth, slices.brain, strict=True)
    ]
    return np.nanmean(rows, 0)


def rounded(values: np.ndarray, digits: int = 2) -> list[float]:
    """Plain floats for JSON."""
    return [round(float(value), digits) for value in np.atleast_1d(values)]
