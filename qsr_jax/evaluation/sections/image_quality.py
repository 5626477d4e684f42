"""Image quality against routine (the paper's Table 4), and the PSNR of every subject."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from markupsafe import Markup

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import PATIENT
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.measure.image_quality import QUANTITIES
from qsr_jax.evaluation.names import name_of
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import Section, TableRow, mean_sd, named, style_of
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.formats.numbers import number
from qsr_jax.formats.plots import BLUE, BROWN, VERMILION, Mark, Plot, styled
from qsr_jax.formats.table import Cell, Column, Group, Line, Styled, Table
from qsr_jax.maps import spec_of
from qsr_jax.metrics.image import BRAIN, CONVENTIONS
from qsr_jax.statistics import Sample


@dataclasses.dataclass(frozen=True)
class QualityRow(TableRow):
    """Table 4: image metrics of one map against routine; ``by_method[method][quantity]``."""

    map: str
    unit: str
    place: str
    convention: str
    n: int
    by_method: dict[str, dict[str, Sample]]
    paper: published.Quality | None


@dataclasses.dataclass(frozen=True)
class SubjectRow(TableRow):
    """Brain-masked PSNR against routine of one subject and map, dB, by method."""

    map: str
    subject: str
    group: str
    psnr: dict[str, float]


def quality_rows(cohort: Cohort) -> Iterator[QualityRow]:
    """Per subject the mean over slices (already in the values), then mean and SD over subjects."""
    for convention in CONVENTIONS:
        for name in cohort.maps:
            spec = spec_of(name)
            by_method = {
                method: dict(_qualities(cohort, convention.place, name, method))
                for method in cohort.methods
            }
            by_method = {method: found for method, found in by_method.items() if found}
            yield QualityRow(
                row=f"{spec.label} {convention.place}",
                map=name,
                unit=spec.unit,
                place=convention.place,
                convention=convention.text(spec),
                n=by_method[TRAINED]["psnr"].n,
                by_method=by_method,
                paper=published.TABLE_4[name] if convention.stored_range else None,
            )


def _qualities(cohort: Cohort, place: str, name: str, method: str) -> Iterator[tuple[str, Sample]]:
    """Every metric that the method has for everybody."""
    for quantity in QUANTITIES:
        found = cohort.of("image", place, name, quantity, method)
        if len(found) == len(cohort.group):
            row = f"{spec_of(name).label} {place} {quantity}, {method} vs routine"
            yield quantity, named(row, statistics.describe, list(found.values()))


def subject_rows(cohort: Cohort) -> Iterator[SubjectRow]:
    """PSNR of every subject and method, inside the brain."""
    for name in cohort.maps:
        found = {m: cohort.of("image", BRAIN.place, name, "psnr", m) for m in cohort.methods}
        for subject, group in cohort.group.items():
            row = f"{subject[:8]} {spec_of(name).label} PSNR (dB)"
            yield SubjectRow(row, name, subject, group, {m: v[subject] for m, v in found.items()})


def quality_table(cohort: Cohort) -> Iterator[Table]:
    """Table 4."""
    rows = cohort.rows(quality_rows)
    heads = ("SSIM", "mean absolute error", "RMSE", "bias")
    yield Table(
        name="quality",
        title="Table 4",
        caption="Against routine: per slice, mean over the slices with brain, then mean (SD) over "
        "all subjects. PSNR = 10 log10(L²/MSE); SSIM with a Gaussian window (σ 1.5, 11 × 11), K₁ "
        "0.01, K₂ 0.03, mean over the windows wholly inside. “Brain”: voxels with tissue in the "
        "routine maps, water included, L = largest value the scanner writes. “Frame”: the paper’s "
        "convention, every pixel and L = 65 535 stored units; where air and skull are noisy they "
        "weigh most.",
        columns=[Column("method", align="l"), Column("PSNR", "dB"), *map(Column, heads)],
        groups=[_group(row) for row in rows],
    )


def _group(row: QualityRow) -> Group:
    said = f"({row.convention}; errors in {row.unit}; n = {row.n})"
    lines = []
    for method, by in row.by_method.items():
        digits, shown = spec_of(row.map).digits, [name_of(method), mean_sd(by["psnr"], 2)]
        errors = [mean_sd(by[q], digits, signed=q == "bias") for q in ("mae", "rmse", "bias")]
        cells: list[Cell] = [*shown, mean_sd(by["ssim"], 3) if "ssim" in by else "", *errors]
        lines.append(Line(cells, kind=style_of(method)))
    if row.paper:
        pair = mean_sd(row.paper.psnr_db, 2), mean_sd(row.paper.ssim, 2)
        lines.append(Line(["paper, DL", *pair, "", "", ""], kind="paper"))
    return Group(lines, (f"{spec_of(row.map).label} ", Styled("soft", said)))


@styled
def psnr_plot(cohort: Cohort) -> Markup:
    """Brain-masked PSNR of every subject, bicubic joined to trained, one panel per map."""
    rows = cohort.rows(subject_rows)
    names = [f"{s[:6]}{' *' if g == PATIENT else ''}" for s, g in cohort.group.items()]
    label = "Brain-masked PSNR of every subject, bicubic and trained"
    plot = Plot(height_inch=1.9 + 0.17 * len(names), label=label)
    panels = plot.panels(len(cohort.maps))
    for i, (name, axes) in enumerate(zip(cohort.maps, panels, strict=True)):
        mine = [row for row in rows if row.map == name]
        axes.set(title=spec_of(name).label, xlabel="brain-masked PSNR (dB)")
        axes.set_yticks(range(len(names)), names if not i else [])
        axes.set_ylim(len(names) - 0.3, -0.7)
        ends = [[row.psnr[m] for row in mine] for m in (BICUBIC, TRAINED)]
        axes.hlines(range(len(mine)), ends[0], ends[1], color="#a9adb3", lw=1.6)
        pad = 0.06 * (max(map(max, ends)) - min(map(min, ends))) or 1.0
        axes.set_xlim(min(map(min, ends)) - pad, max(map(max, ends)) + pad)
        better = [row.psnr[TRAINED] > row.psnr[BICUBIC] for row in mine]
        marks = [[_mark(row, i, m) for i, row in enumerate(mine)] for m in (BICUBIC, TRAINED)]
        won = [mark for mark, wins in zip(marks[1], better, strict=True) if wins]
        lost = [mark for mark, wins in zip(marks[1], better, strict=True) if not wins]
        plot.draw(axes, marks[0], shape="ring", colour=BROWN, label="bicubic")
        plot.draw(axes, won, shape="dot", colour=BLUE, label="trained, better than bicubic")
        plot.draw(axes, lost, shape="cross", colour=VERMILION, label="trained, worse than bicubic")
    plot.figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)
    return plot.svg()


def _mark(row: SubjectRow, height: int, method: str) -> Mark:
    others = ", ".join(f"{name_of(m)} {number(v, 2)}" for m, v in row.psnr.items())
    says = f"{row.subject[:6]} {spec_of(row.map).label} PSNR (dB): {others}"
    return Mark(row.psnr[method], height, says, list(row.psnr.values()))


def plots(cohort: Cohort) -> dict[str, object]:
    """The PSNR of every subject."""
    return {"psnr": psnr_plot(cohort)}


SECTION = Section(
    Path(__file__), "Image quality", {"quality": quality_rows, "subjects": subject_rows},
    quality_table, plots,
)  # fmt: skip
