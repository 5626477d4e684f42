"""What the page shows: pictures of slices, and plots of the tables."""

import base64
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from qsr_jax.evaluation.measure.example_slices import Example, Shown
from qsr_jax.evaluation.measure.subject import TRAINED
from qsr_jax.evaluation.report import charts, curves, figures, forest
from qsr_jax.evaluation.sections.common import POOLED
from qsr_jax.evaluation.tables import extras
from qsr_jax.evaluation.tables.rows import Tables
from qsr_jax.maps import MAPS


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@dataclasses.dataclass(frozen=True)
class Picture:
    """One figure of slices: ``what`` is a map's name, or "weighted"."""

    why: str
    what: str
    example: Example
    uri: str


def all_pictures(shown: Shown, maps: Sequence[str]) -> Iterator[Picture]:
    """The examples' maps, their weighted images, and the worst slice of every map."""
    for example in shown.examples:
        for name in maps:
            image = _data_uri(figures.pictures(example, name), "image/png")
            yield Picture("example", name, example, image)
    for example in shown.examples:
        if set(MAPS) <= set(example.images):
            image = _data_uri(figures.weighted_pictures(example), "image/png")
            yield Picture("weighted", "weighted", example, image)
    for name, example in shown.worst.items():
        image = _data_uri(figures.pictures(example, name), "image/png")
        yield Picture("worst", name, example, image)


def all_plots(tables: Tables) -> dict[str, Any]:
    """Every plot that has its numbers."""
    plots: dict[str, Any] = {"psnr": charts.psnr_chart(tables.subjects), "agreement": []}
    for test, reference in extras.SHOWN_PAIRS:
        rows = [
            row
            for row in tables.agreement
            if (row.test, row.reference, row.tissue) == (test, reference, POOLED) and row.percent
        ]
        points = [p for p in tables.points if (p.test, p.reference) == (test, reference)]
        if rows:
            drawn = charts.agreement_chart(rows, points)
            plots["agreement"].append((test, reference, drawn))
    plots["calibration"] = [
        (reference, curves.calibration_chart(tables.calibration, reference))
        for reference in dict.fromkeys(row.reference for row in tables.calibration)
    ]
    whole = any(row.percent[TRAINED] for row in tables.regions)
    plots["forest"] = forest.forest_chart(tables.regions) if whole else None
    return plots
