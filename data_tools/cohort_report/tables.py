"""The tables of the cohort report, as rows of text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_tools.cohort_report.numbers import FAST, ROUTINE, TISSUES, TRUE, Sums
from qsr_jax.evaluation.sections.published import TABLE_1
from qsr_jax.maps import MAPS
from qsr_jax.phantom.tissue_values import TISSUES as TISSUE_VALUES
from qsr_jax.physics.installation import DRAWS
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.point_spread import full_width_mm, point_spread
from qsr_jax.simulate.acquisition import image_noise

LEAST_DICE = 0.95
"""Of the brain mask told from the maps against the true brain, for the cohort to be trusted."""
PSF_POINTS = 4096
"""Samples of a point-spread function over the field of view."""
WHITE_T2_MS = TISSUE_VALUES["white"].mean[1]
"""What the point-spread functions are drawn for."""


def checks(sums: Sums) -> list[dict[str, Any]]:
    """Few lines that say whether to trust the data."""
    rows = []
    for (tissue, name), paper in TABLE_1.items():
        mine = sums.means.get((tissue, name, ROUTINE))
        if mine is not None:
            mean, unit = float(np.mean(mine)), MAPS[name].unit
            rows.append(
                {
                    "what": f"{tissue} {MAPS[name].label} of the routine scan",
                    "found": f"{mean:.1f} {unit}",
                    "expected": f"{paper.routine.mean:.1f} ± {paper.routine.sd:.1f} {unit}",
                    "holds": abs(mean - paper.routine.mean) <= paper.routine.sd,
                }
            )
    least = min(sums.dice)
    rows.append(
        {
            "what": "brain mask told from the routine maps against the true brain, least Dice",
            "found": f"{least:.3f}",
            "expected": f"≥ {LEAST_DICE}",
            "holds": least >= LEAST_DICE,
        }
    )
    return rows


def tissue_rows(sums: Sums, methods: Sequence[str]) -> list[dict[str, Any]]:
    """Means and spreads of tissues beside the paper's Table 1."""
    rows = []
    for tissue in TISSUES.values():
        for name, spec in MAPS.items():
            if (tissue, name, ROUTINE) not in sums.means:
                continue
            mine = {m: np.array(sums.means[tissue, name, m]) for m in methods}
            paper = TABLE_1.get((tissue, name))
            change = 100 * (mine[FAST] / mine[ROUTINE] - 1).mean()
            theirs = paper and 100 * (paper.fast.mean / paper.routine.mean - 1)
            rows.append(
                {
                    "tissue": tissue,
                    "map": f"{spec.label} ({spec.unit})",
                    "ours": [_mean_sd(mine[m]) for m in methods],
                    "paper": f"{paper.routine.mean:.1f} ({paper.routine.sd:.1f})" if paper else "–",
                    "difference": f"{change:+.1f} %",
                    "paper_difference": f"{theirs:+.1f} %" if paper else "–",
                }
            )
    return rows


def _mean_sd(values: np.ndarray) -> str:
    return f"{values.mean():.1f}" + (f" ({values.std(ddof=1):.1f})" if len(values) > 1 else "")


def calibration_table(calibration: Mapping[str, Any] | None) -> dict[str, Any]:
    """The calibration table, where there is one."""
    if calibration is None:
        return {"calibration": None, "calibration_note": None}
    score = calibration.get("score", "")
    note = f"{score}. {len(calibration['subjects'])} subjects; labels eroded by "
    return {
        "calibration": [_calibration_row(row) for row in calibration["rows"]],
        "calibration_note": f"{note}{calibration['erode_px']} px.",
    }


def _calibration_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "quantity": row["quantity"],
        "place": f"{row['tissue']} {MAPS[row['map']].label}",
        "paper": f"{row['paper']:.2f} {row['unit']}",
        "ours": f"{row['ours']:.2f} {row['unit']}",
        "residue": f"{row['residue']:+.2f}",
        "reach": f"{row['reach']:.2f}",
        "reached": row["reached"],
    }


def noise_rows(sums: Sums) -> list[dict[str, Any]]:
    """Noise of the routine maps in every tissue."""
    return [
        {
            "tissue": tissue,
            "noise": [f"{np.mean(sums.noise[tissue, name]):.2f}" for name in MAPS],
        }
        for tissue in TISSUES.values()
        if (tissue, "t1") in sums.noise
    ]


def bias_rows(sums: Sums, method: str) -> list[dict[str, Any]]:
    """What a scan reads against the truth, percent, in every tissue: mean ± SD of subjects."""
    rows = []
    for tissue in TISSUES.values():
        pairs = [
            [np.array(sums.means[tissue, name, m]) for m in (method, TRUE)]
            for name in MAPS
            if (tissue, name, method) in sums.means
        ]
        if pairs:
            bias = [_spread(100.0 * (found / true - 1.0)) for found, true in pairs]
            rows.append({"tissue": tissue, "bias": bias})
    return rows


def _spread(percent: np.ndarray) -> str:
    """Mean and, of several, their standard deviation."""
    several = f" ± {percent.std(ddof=1):.1f}" if percent.size > 1 else ""
    return f"{percent.mean():+.1f}{several} %"


def drawn_rows(settings: Mapping[str, Any]) -> list[dict[str, str]]:
    """What is drawn for a cohort, its subjects or their scans: value, law, meaning and source."""
    rows = []
    for name, law in settings["laws"].items():
        value = settings["drawn"].get(name, "by subject")
        if isinstance(value, list):  # one of each scanner
            value = ", ".join(map(str, value))
        mark = " (fixed)" if name in settings["fixed"] else ""
        value = settings["fixed"].get(name, value)
        said = DRAWS[name].said if name in DRAWS else "–"
        rows.append({"name": name, "value": f"{value}{mark}", "law": law, "said": said})
    return rows + _moving_rows(settings["scanner"])


def _moving_rows(scanner: Mapping[str, Any]) -> list[dict[str, str]]:
    """What differs from scan to scan: the head's pose, its motion, the pulse of its fluid."""
    rows = []
    for name, per, what in (
        ("pose", "scan but the routine one", "how the head lies in the scan; our choice"),
        ("motion", "delay", "how the head lies in the delay, beside its pose; our choice"),
    ):
        mm, deg = scanner[f"{name}_mm"], scanner[f"{name}_deg"]
        if not mm and not deg:
            continue
        law = f"per {per}, normal 0 ± {mm:g} mm along and ± {deg:g}° about each axis"
        rows.append({"name": name, "law": law, "said": what})
    law = f"per slice and delay, uniform within ± {100 * scanner['csf_pulsation']:g} %"
    rows.append({"name": "csf_pulsation", "law": law, "said": "of CSF's signal; our choice"})
    return [row | {"value": "by scan"} for row in rows]


def resolution_rows(protocols: tuple[Protocol, Protocol], snr: float) -> list[dict[str, str]]:
    """What each protocol resolves, and its noise relative to the routine scan's."""
    unit = image_noise(1.0, protocols[0])
    rows = []
    for one in protocols:
        spreads = point_spread(one, WHITE_T2_MS, echo=0, points=PSF_POINTS)
        widths = [full_width_mm(*spreads[axis]) for axis in ("phase", "frequency")]
        acquired = " × ".join(f"{one.fov_mm / n:.2f}" for n in one.matrix)
        rows.append(
            {
                "scan": one.name,
                "acquired": acquired,
                "reconstructed": f"{one.pixel_mm:.2f}",
                "width": " × ".join(f"{width:.2f}" for width in widths),
                "snr": f"{snr * unit / image_noise(1.0, one):.1f}",
            }
        )
    return rows


def lesion_row(row: Mapping[str, Any], methods: Sequence[str]) -> dict[str, Any]:
    """One lesion and its contrast in every map."""
    values = [row.get(method) for method in methods]
    contrast = ["–" if value is None else f"{value:+.0f}" for value in values]
    return {**{key: row[key] for key in ("subject", "kind", "voxels")}, "contrast": contrast}


def subject_table(subjects: Sequence[tuple[str, str, Mapping[str, float]]]) -> dict[str, Any]:
    """The table of subjects and its columns."""
    traits = sorted({key for _, _, mine in subjects for key in mine})
    rows = [
        {
            "name": who,
            "group": group,
            "traits": [f"{mine[key]:.3g}" if key in mine else "–" for key in traits],
        }
        for who, group, mine in subjects
    ]
    return {"traits": traits, "subjects": rows}
