"""The cohort report: numbers and figures put into one self-contained HTML file."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from data_tools.cohort_report import figures
from data_tools.cohort_report.numbers import (
    FAST,
    NOISE_FREE,
    ROUTINE,
    SimulatedSubject,
    Sums,
    edges_of,
    flat,
    methods_of,
    noise_map,
)
from data_tools.cohort_report.tables import (
    PSF_POINTS,
    WHITE_T2_MS,
    bias_rows,
    calibration_table,
    checks,
    drawn_rows,
    lesion_row,
    noise_rows,
    resolution_rows,
    subject_table,
    tissue_rows,
)
from qsr_jax import __version__
from qsr_jax.evaluation.sections.published import TABLE_1
from qsr_jax.formats.pages import templates_of
from qsr_jax.maps import MAPS
from qsr_jax.physics.mdme_protocol import Protocol
from qsr_jax.physics.point_spread import point_spread


def render(context: Mapping[str, Any]) -> str:
    """The page as text."""
    return templates_of(Path(__file__).parent).get_template("report.html").render(context)


def context_of(
    name: str,
    settings: Mapping[str, Any],
    examples: Sequence[SimulatedSubject],
    subjects: Sequence[tuple[str, str, Mapping[str, float]]],
    sums: Sums,
    protocols: tuple[Protocol, Protocol],
    calibration: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Everything that the template shows.

    Args:
        name: of the cohort.
        settings: cohort.json.
        examples: a healthy subject and, if there is one, a patient.
        subjects: name, group and traits of all who were measured.
        sums: what was added up over them.
        protocols: (routine, fast).
        calibration: calibration.json, or None.
    """
    methods = list(sums.counts["t1"])
    return {
        "name": name,
        "healthy": settings["subjects"],
        "patients": settings["patients"],
        "shown": len(subjects),
        "anatomy": settings["anatomy"] if isinstance(settings["anatomy"], str) else "label maps",
        "regions_from": settings["regions_from"],
        "checks": checks(sums),
        "checks_note": "Means over all voxels that are mostly this tissue; the paper's come from a "
        "segmentation (SPM). Nothing is adjusted to pass.",
        "slices": [picture for subject in examples for picture in _slices(subject)],
        "histograms": _svg(_histograms(sums)),
        "methods": methods,
        "tissue": tissue_rows(sums, methods),
        "fields": list(_fields(examples[0])),
        "maps": [f"{spec.label} ({spec.unit})" for spec in MAPS.values()],
        "noise": noise_rows(sums),
        "spreads": _svg(_spreads(protocols)),
        "resolution": resolution_rows(protocols, float(np.mean(settings["drawn"]["snr"]))),
        "lesions": [lesion_row(row, methods) for row in sums.lesions],
        "lesion_methods": methods,
        **_bias(sums),
        "drawn": drawn_rows(settings),
        "parameters": list(
            flat({k: v for k, v in settings.items() if k not in ("drawn", "laws")}).items()
        ),
        "version": __version__,
        **calibration_table(calibration),
        **subject_table(subjects),
    }


def _bias(sums: Sums) -> dict[str, Any]:
    exact = NOISE_FREE in sums.counts["t1"]
    routine, said = (NOISE_FREE, "noise-free routine scan") if exact else (ROUTINE, "routine scan")
    found = {said: bias_rows(sums, routine), "fast scan": bias_rows(sums, FAST)}
    return {"biases": {said: rows for said, rows in found.items() if rows}}


def _image(png: bytes) -> Markup:
    text = base64.b64encode(png).decode()
    return Markup('<img alt="" src="data:image/png;base64,{}">').format(text)


def _svg(svg: bytes) -> Markup:
    text = base64.b64encode(svg).decode()
    return Markup('<img alt="" src="data:image/svg+xml;base64,{}">').format(text)


def _slices(subject: SimulatedSubject) -> list[dict[str, Any]]:
    """Pictures of a subject: a whole slice, and in patients the smallest lesion close up."""
    labels, maps = subject.truth.lesions, methods_of(subject)
    index = len(labels) // 2
    lesioned = labels.reshape(len(labels), -1).max(axis=1) > 0
    if lesioned.any():
        index = int(np.argmax((labels > 0).sum(axis=(1, 2))))
    text = f"{subject.name}, {subject.group}, slice {index + 1} of {len(labels)}."
    found = [
        {"picture": _image(figures.draw_slices(_of_slice(subject, maps, index))), "caption": text}
    ]
    specks = [n for n, kind in subject.truth.lesion_kinds.items() if kind == "punctate"]
    if specks:
        place = np.argwhere(labels == specks[0])
        z, y, x = place[len(place) // 2]
        n = labels.shape[1]
        rows, columns = (slice(max(c / n - 0.09, 0), min(c / n + 0.09, 1)) for c in (y, x))
        close = figures.draw_slices(_of_slice(subject, maps, int(z)), box=(rows, columns))
        text = f"{subject.name}: a punctate lesion in the middle of the picture, 40 mm wide."
        found.append({"picture": _image(close), "caption": text})
    return found


def _of_slice(
    subject: SimulatedSubject, maps: Mapping[str, np.ndarray], index: int
) -> dict[str, dict[str, np.ndarray]]:
    everything = {**maps, FAST: subject.scans[FAST].maps}
    return {
        method: {name: values[index, ..., channel] for channel, name in enumerate(MAPS)}
        for method, values in everything.items()
    }


def _histograms(sums: Sums) -> bytes:
    counts, marks = {}, {}
    for name, found in sums.counts.items():
        density = {method: values / max(values.sum(), 1) for method, values in found.items()}
        counts[name] = (edges_of(name), density)
        marks[name] = [(TABLE_1[t, name].routine.mean, t) for t in ("GM", "WM")]
    return figures.draw_histograms(counts, marks)


def _fields(subject: SimulatedSubject) -> list[dict[str, Any]]:
    """Noise of the routine maps and g-factors of both scans in the middle slice."""
    index = len(subject.truth.tissue) // 2
    found = []
    if subject.truth.noise_free is not None:
        fields = {}
        for name, field in noise_map(subject, index).items():
            spec = MAPS[name]
            high = float(np.nanpercentile(field, 90))
            fields[f"{spec.label} noise, routine ({spec.unit})"] = (field, 0.0, high)
        text = "Local standard deviation of routine minus noise-free maps."
        found.append({"picture": _image(figures.draw_fields(fields)), "caption": text})
    if subject.g_factors:
        fields = {
            f"g-factor, {scan}": (factor[len(factor) // 2], 1.0, 2.0)
            for scan, factor in subject.g_factors.items()
        }
        text = "Noise amplification of the SENSE unfolding on the acquired grid, from the coils."
        found.append({"picture": _image(figures.draw_fields(fields)), "caption": text})
    return found


def _spreads(protocols: tuple[Protocol, Protocol]) -> bytes:
    found = {
        one.name: point_spread(one, WHITE_T2_MS, echo=0, points=PSF_POINTS) for one in protocols
    }
    panels = {
        f"along {axis}": {name: spreads[axis] for name, spreads in found.items()}
        for axis in ("phase", "frequency")
    }
    return figures.draw_spreads(panels)
