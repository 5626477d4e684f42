"""Two figures of the study: error by cell, and noise against edge sharpness."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from launch.study.cells import Study
from launch.study.criterion import MAPS
from qsr_jax.formats.plots import BLUE, GREEN, STYLE, VERMILION
from qsr_jax.maps import spec_of

COLOURS = dict(zip(MAPS, (BLUE, VERMILION, GREEN), strict=True))
ROW_INCH = 0.2

Results = Mapping[str, Sequence[Mapping[str, Any]]]


def draw_figures(study: Study, results: Results, folder: Path) -> list[tuple[Path, str]]:
    """Writes the figures as SVG.

    Returns:
        (path, what it shows) of each.
    """
    with matplotlib.rc_context(STYLE):
        drawn = {
            "error": (_errors(study, results), "Parenchymal error against the truth in parts of "
                      "the routine scan's own; a dot per training"),
            "noise_and_sharpness": (_sharpness(study, results), "Noise in parts of routine's, and "
                                    "edge sharpness against the truth, T1"),
        }  # fmt: skip
        for name, (figure, _) in drawn.items():
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return [(folder / f"{name}.svg", says) for name, (_, says) in drawn.items()]


def _errors(study: Study, results: Results) -> Figure:
    """A row per cell, a colour per map, a dot per seed; routine's own error is the line at 1."""
    cells = [cell for cell in study.cells if cell.name in results]
    figure = Figure(figsize=(8.0, 1.2 + ROW_INCH * len(cells)), layout="constrained")
    axes = figure.subplots()
    for name in MAPS:
        dots = [
            (numbers["share"]["routine"]["mean"], row)
            for row, cell in enumerate(cells)
            for numbers in _numbers(results[cell.name], cell.measured_on[0], name)
            if "routine" in numbers["share"]
        ]
        axes.plot(*_columns(dots), "o", ms=4, color=COLOURS[name], label=spec_of(name).label)
    axes.axvline(1.0, color="0.5", lw=0.8)
    axes.set_yticks(range(len(cells)), [cell.name for cell in cells])
    axes.invert_yaxis()
    axes.set_xlabel("error / routine's own")
    axes.legend(ncols=len(MAPS), loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


def _sharpness(study: Study, results: Results) -> Figure:
    """A dot per cell, the mean over seeds."""
    figure = Figure(figsize=(6.0, 4.5), layout="constrained")
    axes = figure.subplots()
    for cell in study.cells:
        seeds = _numbers(results.get(cell.name, ()), cell.measured_on[0], MAPS[0])
        pairs = [found for numbers in seeds if (found := _noise_and_edge(numbers)) is not None]
        if pairs:
            x, y = (sum(values) / len(pairs) for values in zip(*pairs, strict=True))
            axes.plot(x, y, "o", ms=4, color=BLUE)
            axes.annotate(cell.name, (x, y), xytext=(3, 2), textcoords="offset points", fontsize=6)
    axes.set(xlabel="noise / routine's", ylabel="edge sharpness (truth: 1)")
    return figure


def _noise_and_edge(numbers: Mapping[str, Any]) -> tuple[float, float] | None:
    noise, edge = (numbers["fidelity"].get(key, {}) for key in ("noise", "edge_sharpness"))
    if not {"trained", "routine"} <= set(noise) or "trained" not in edge:
        return None
    return noise["trained"] / noise["routine"], edge["trained"]


def _numbers(
    seeds: Sequence[Mapping[str, Any]], manifest: str, name: str
) -> list[Mapping[str, Any]]:
    """One map's numbers of every seed that has them."""
    measured = (seed["measured"].get(manifest, {"maps": {}}) for seed in seeds)
    return [one["maps"][name] for one in measured if name in one["maps"]]


def _columns(dots: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in dots], [y for _, y in dots]
