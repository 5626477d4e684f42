"""What is kept of a cell: the numbers of its evaluation that the study compares, map by map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qsr_jax.data.studies.manifest import ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure import error_by_place, noise_and_resolution
from qsr_jax.evaluation.measure.repeated_scan import REPEAT
from qsr_jax.evaluation.sections.agreement import agreement_rows
from qsr_jax.evaluation.sections.lesion_contrast import contrast_rows
from qsr_jax.evaluation.sections.lesion_twin import twin_rows
from qsr_jax.evaluation.sections.lesion_visibility import ALL, RocRow, roc_rows
from qsr_jax.evaluation.sections.lesions import lesion_rows
from qsr_jax.evaluation.sections.lesions_kept import LARGE_VOXELS
from qsr_jax.evaluation.sections.noise_and_resolution import resolution_rows
from qsr_jax.evaluation.sections.repeatability import repeatability_rows
from qsr_jax.evaluation.values import BICUBIC, TRAINED, TRUTH
from qsr_jax.statistics import MIN_SUBJECTS, paired_t, repeatability

TISSUES = ("GM", "WM")
METHODS = (TRAINED, ROUTINE, BICUBIC)
RESOLUTION = {
    noise_and_resolution.NOISE: "noise",
    noise_and_resolution.CHECKERBOARD: "checkerboard",
    noise_and_resolution.SHARPNESS: "edge_sharpness",
    noise_and_resolution.OF_TRUTH: "resolution_mm",
}

Numbers = dict[str, Any]


def numbers_of(cohort: Cohort) -> dict[str, Numbers]:
    """Map to what the study compares; plain values for json, None for what cannot be told."""
    return {
        name: {
            "rmse": _errors(cohort, name),
            "share": _shares(cohort, name),
            "bias_percent": _tissue_biases(cohort, name),
            "lesions": _lesions(cohort, name),
            "fidelity": _fidelity(cohort, name),
            "gain_db": _gain(cohort, name),
            "slope": _slope(cohort, name),
            "repeatability_percent": _repeatability(cohort, name),
        }
        for name in cohort.maps
    }


def spread_over_subjects(values: Sequence[float]) -> dict[str, float | int | None]:
    """Mean with its 95 % interval over subjects; no interval below three, or where all are one."""
    v = np.asarray(values, np.float64)
    found: dict[str, float | int | None] = {"mean": float(v.mean()), "n": len(v)}
    if len(v) < MIN_SUBJECTS or not v.std() > 0.0:
        return found | {"low": None, "high": None}
    ends = paired_t(v, np.zeros_like(v)).interval
    return found | {"low": ends.low, "high": ends.high}


def _rmse(cohort: Cohort, name: str, method: str) -> dict[str, float]:
    quantity = error_by_place.against(error_by_place.RMSE, TRUTH)
    return cohort.of(error_by_place.KIND, error_by_place.PARENCHYMA, name, quantity, method)


def _errors(cohort: Cohort, name: str) -> Numbers:
    """Method to its parenchymal error against the truth, in the unit of the map."""
    found = {method: _rmse(cohort, name, method) for method in METHODS}
    return {m: spread_over_subjects([*by.values()]) for m, by in found.items() if by}


def _shares(cohort: Cohort, name: str) -> Numbers:
    """The network's error in parts of routine's and of bicubic's, geometric mean."""
    own, shares = _rmse(cohort, name, TRAINED), {}
    for method in (ROUTINE, BICUBIC):
        other = _rmse(cohort, name, method)
        logs = [np.log(own[s] / other[s]) for s in own if s in other and own[s] and other[s]]
        if logs:
            found = spread_over_subjects(logs)
            ends = {k: v if v is None else float(np.exp(v)) for k, v in found.items() if k != "n"}
            shares[method] = ends | {"n": len(logs)}
    return shares


def _percent(test: Mapping[str, float], reference: Mapping[str, float]) -> list[float]:
    return [100.0 * (test[s] / reference[s] - 1.0) for s in test if s in reference]


def _tissue_biases(cohort: Cohort, name: str) -> Numbers:
    """Reference to method to tissue to the mean difference of the subjects' tissue means."""
    means = {
        (tissue, method): cohort.of("tissue", tissue, name, "mean", method)
        for tissue in TISSUES
        for method in (*METHODS, TRUTH)
    }
    return {
        reference: {
            method: {
                tissue: spread_over_subjects(of)
                for tissue in TISSUES
                if (of := _percent(means[tissue, method], means[tissue, reference]))
            }
            for method in METHODS
            if method != reference
        }
        for reference in (TRUTH, ROUTINE)
    }


def _large(cohort: Cohort, name: str) -> list[dict[str, float]]:
    """Method to mean of every lesion that is large enough to be read."""
    rows = [row for row in cohort.rows(lesion_rows) if row.map == name]
    whole = [row for row in rows if set(METHODS) <= row.means.keys()]
    return [row.means for row in whole if row.voxels and row.voxels >= LARGE_VOXELS]


def _lesions(cohort: Cohort, name: str) -> Numbers:
    """Their error by reference and method, and what is kept, left out and made up."""
    means = _large(cohort, name)
    error = {
        reference: {
            method: float(np.median([100.0 * (m[method] / m[reference] - 1.0) for m in means]))
            for method in METHODS
            if method != reference and means and all(reference in m for m in means)
        }
        for reference in (TRUTH, ROUTINE)
    }
    seen = [row.present for row in cohort.rows(contrast_rows) if row.map == name]
    shown = [present for present in seen if present.get(ROUTINE) and TRAINED in present]
    sites = {
        row.method: row
        for row in cohort.rows(roc_rows)
        if (row.map, row.lesions) == (name, ALL) and row.method in METHODS
    }
    return {
        "n": len(means),
        "median_error_percent": error,
        "shown_by_routine": len(shown),
        "kept": sum(present[TRAINED] for present in shown),
        "omitted": sum(not present[TRAINED] for present in shown),
        "invented_sites": {
            m: round(r.false_percent * r.n_controls / 100) for m, r in sites.items()
        },
        "sites": max((row.n_controls for row in sites.values()), default=0),
        "planted": _planted(cohort, name),
    }


def _present_sites(row: RocRow) -> int:
    return round(row.false_percent * row.n_controls / 100.0)


def _planted(cohort: Cohort, name: str) -> Numbers:
    """Method to what it shows of planted lesions; empty without twins."""
    return {
        row.method: {
            "n": row.n_lesions,
            "omitted": row.omitted,
            "shown_percent": row.sensitivity_percent.difference,
            "false_percent": row.false_percent,
        }
        for row in cohort.rows(twin_rows)
        if (row.map, row.lesions) == (name, ALL) and row.method in METHODS
    }


def _fidelity(cohort: Cohort, name: str) -> Numbers:
    """Noise and resolution of the network, routine and bicubic."""
    return {
        RESOLUTION[row.quantity]: {
            method: row.by_method[method].mean for method in METHODS if method in row.by_method
        }
        for row in cohort.rows(resolution_rows)
        if row.map == name and row.quantity in RESOLUTION
    }


def _gain(cohort: Cohort, name: str) -> Numbers:
    """PSNR in the brain against routine, network minus bicubic, dB."""
    own, other = (cohort.everybody("image", "brain", name, "psnr", m) for m in (TRAINED, BICUBIC))
    return spread_over_subjects(own - other)


def _slope(cohort: Cohort, name: str) -> float | None:
    """Of grey and white matter means on routine's, healthy subjects."""
    rows = cohort.rows(agreement_rows)
    fits = [r.regression for r in rows if (r.map, r.test, r.reference) == (name, TRAINED, ROUTINE)]
    return fits[0].slope if fits and fits[0] else None


def _repeatability(cohort: Cohort, name: str) -> Numbers:
    """Coefficient of routine's tissue means and of a lesion's mean; empty without a second scan."""
    found: Numbers = {
        row.tissue: row.mean.percent
        for row in cohort.rows(repeatability_rows)
        if row.map == name and row.mean and row.tissue in TISSUES
    }
    pairs = [(m[ROUTINE], m[REPEAT]) for m in _large(cohort, name) if REPEAT in m]
    if len(pairs) >= MIN_SUBJECTS:
        first, second = np.array(pairs).T
        whole = np.full(len(first), 100.0)
        found["lesions"] = repeatability(whole, whole * second / first).percent
    return found
