"""Region means (the paper's Table 2): variation among and within subjects, and every margin."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import Section, TableRow, maps_of
from qsr_jax.evaluation.sections.places import MARGIN_PERCENT, PlaceRow, family_rows, place_rows
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.formats.numbers import NO_TEST, number
from qsr_jax.formats.plots import BLUE, BROWN, VERMILION, Mark, Plot, styled
from qsr_jax.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.maps import spec_of

MARKS = (
    ("shown", "dot", BLUE, "trained, equivalence shown"),
    ("not shown", "ring", VERMILION, "trained, not shown"),
    (BICUBIC, "cross", BROWN, "bicubic"),
)
"""Key, shape, colour and legend of the forest's marks."""

WINDOW_PERCENT, WIDEST_PERCENT = 8.0, 32.0
"""Half width of the forest plot unless an interval needs more, and at most."""


@dataclasses.dataclass(frozen=True)
class PaperVariation(TableRow):
    """What the paper's Table 2 has of a region and map, None where it has no such region."""

    paper: published.PublishedVariation | None


def paper_rows(cohort: Cohort) -> Iterator[PaperVariation]:
    """One row per region and map."""
    for row in trained_rows(cohort):
        yield PaperVariation(row.row, published.TABLE_2.get((row.place, row.map)))


def trained_rows(cohort: Cohort) -> list[PlaceRow]:
    """The trained model in every region and map."""
    return [r for r in cohort.rows(place_rows) if (r.kind, r.method) == ("region", TRAINED)]


def region_table(cohort: Cohort) -> Iterator[Table]:
    """Table 2; the paper's numbers under ours."""
    rows = trained_rows(cohort)
    columns = [Column("region", align="l"), Column("n")]
    for name in maps_of(rows):
        heads = ("trained", "routine", "between", "P")
        columns += [Column(head, group=spec_of(name).label) for head in heads]
    lines = []
    for region in dict.fromkeys(row.place for row in rows):
        mine = [row for row in rows if row.place == region]
        cells: list[Cell] = [region.replace("_", " ").capitalize(), str(mine[0].n)]
        lines.append(Line([*cells, *(cell for row in mine for cell in _cells(row))]))
    yield Table(
        name="region_means",
        title="Table 2",
        caption="Coefficients of variation (CV, %) of region means, left and right together; below "
        f"ours the paper’s (n = {published.N_HEALTHY}). Trained, routine: among subjects. Between: "
        "of a subject’s two values, mean over subjects. P: paired t-test, not corrected for "
        f"{len(rows)} comparisons.",
        columns=columns,
        groups=[Group(lines)],
    )


def _cells(row: PlaceRow) -> list[Cell]:
    v, paper = row.variation, published.TABLE_2.get((row.place, row.map))
    if v is None or row.test is None:
        return [NO_TEST, "", "", ""]
    ours = [Num(x) for x in (v.test, v.reference, v.between)] + [Num(row.test.p, p=True)]
    if paper is None:
        return list(ours)
    theirs: list[Num | str] = [Num(x) for x in (paper.network, paper.routine, paper.between)]
    theirs.append(paper.p)
    return [(mine, Styled("sub paper", part)) for mine, part in zip(ours, theirs, strict=True)]


@styled
def forest(rows: Sequence[PlaceRow]) -> Markup:
    """Per region the mean difference from routine in percent, its 90 % interval, and the margins.

    Args:
        rows: trained and bicubic in every region, with intervals; filled by the outcome of the
            mean verdict, the one of the table.
    """
    regions, maps = list(dict.fromkeys(row.place for row in rows)), maps_of(rows)
    names = [region.replace("_", " ") for region in regions]
    label = "Difference from routine of every region with its 90 % interval, against the margins"
    plot = Plot(height_inch=1.6 + 0.17 * len(regions), label=label)
    for i, (name, axes) in enumerate(zip(maps, plot.panels(len(maps)), strict=True)):
        axes.set_title(spec_of(name).label)
        axes.set_xlabel("difference from routine (%)")
        axes.set_yticks(range(len(names)), names if not i else [])
        axes.set_ylim(len(regions) - 0.3, -0.7)
        _forest_panel(plot, axes, [row for row in rows if row.map == name], regions)
        if not i:
            plot.figure.legend(loc="outside upper left", ncols=3)
    return plot.svg()


def _forest_panel(plot: Plot, axes: Axes, rows: Sequence[PlaceRow], regions: list[str]) -> None:
    """One map: trained below bicubic at the height of each region."""
    marks: dict[str, list[Mark]] = {key: [] for key, _, _, _ in MARKS}
    for row in rows:
        ends, centre = row.mean.interval, row.mean.estimate
        assert ends is not None and centre is not None  # the caller leaves others out
        key, shift = BICUBIC, 0.2
        if row.method == TRAINED:
            key, shift = ("shown" if row.mean.shown else "not shown"), -0.14
        says = (
            f"{row.place.replace('_', ' ')} {spec_of(row.map).label}, {row.method} − routine: "
            f"{_signed(centre)} % (90 % interval {_signed(ends.low)} to {_signed(ends.high)} %), "
            f"n = {row.n}: {row.mean.outcome.value}"
        )
        height = regions.index(row.place) + shift
        marks[key].append(Mark(centre, height, says, (centre, ends.low, ends.high)))
    reach = [abs(end) for found in marks.values() for mark in found for end in mark.values[1:]]
    wide = max(WINDOW_PERCENT, min(1.05 * max(reach), WIDEST_PERCENT))
    axes.set_xlim(-wide, wide)
    axes.axvspan(-MARGIN_PERCENT, MARGIN_PERCENT, color="#d9ead3", lw=0, zorder=0)
    axes.axvline(0.0, color="0.5", lw=0.8, ls=":")
    for key, shape, colour, label in MARKS:
        lows, highs = ([mark.values[i] for mark in marks[key]] for i in (1, 2))
        axes.hlines([mark.y for mark in marks[key]], lows, highs, color=colour, lw=1.3)
        plot.draw(axes, marks[key], shape=shape, colour=colour, label=label)


def _signed(value: float) -> str:
    return number(value, 2, signed=True)


def plots(cohort: Cohort) -> dict[str, object]:
    """The forest plot, where there are enough subjects, and what the whole family says."""
    rows = [
        r
        for r in cohort.rows(place_rows)
        if r.kind == "region" and r.method in (TRAINED, BICUBIC) and r.mean.interval
    ]
    said = [f for f in cohort.rows(family_rows) if (f.kind, f.method) == ("region", TRAINED)]
    return {"forest": forest(rows) if rows else None, "margin": MARGIN_PERCENT, "said": said}


SECTION = Section(
    Path(__file__), "Regions", {"paper_regions": paper_rows}, region_table, plots
)  # fmt: skip
