"""Region means (the paper's Table 2): variation among and within subjects, and every margin."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from markupsafe import Markup
from matplotlib.axes import Axes

from qsr_jax import statistics
from qsr_jax.data.studies.manifest import FAST, HEALTHY, ROUTINE
from qsr_jax.evaluation.cohort import Cohort
from qsr_jax.evaluation.formats.numbers import NO_TEST, name_of, number
from qsr_jax.evaluation.formats.plots import BLUE, BROWN, VERMILION, Mark, Plot, styled
from qsr_jax.evaluation.formats.table import Cell, Column, Group, Line, Num, Styled, Table
from qsr_jax.evaluation.sections import published
from qsr_jax.evaluation.sections.common import Section, TableRow, if_enough, maps_of, title
from qsr_jax.evaluation.sections.tissue import ALPHA, own_percent
from qsr_jax.evaluation.values import BICUBIC, TRAINED
from qsr_jax.maps import spec_of
from qsr_jax.statistics import Equivalence, PairedT, Variation

WINDOW_PERCENT, WIDEST_PERCENT = 8.0, 32.0
"""Half width of the forest plot unless an interval needs more, and at most."""


@dataclasses.dataclass(frozen=True)
class RegionRow(TableRow):
    """Table 2: one region and map.

    ``percent`` is the equivalence of each method with routine; ``p_holm`` the P of ``test``
    corrected for all regions and maps (Holm).
    """

    map: str
    region: str
    n: int
    variation: Variation | None
    test: PairedT | None
    percent: dict[str, Equivalence | None]
    p_holm: float | None
    paper: published.PublishedVariation | None


def region_rows(cohort: Cohort) -> list[RegionRow]:
    """Trained and routine in every region, P values corrected for one another."""
    rows = list(_uncorrected(cohort))
    tested = {row.row: row.test.p for row in rows if row.test}
    if not tested:
        return rows
    holm = statistics.adjust(list(tested.values())).holm
    p_of = {row: float(p) for row, p in zip(tested, holm, strict=True)}
    return [dataclasses.replace(row, p_holm=p_of.get(row.row)) for row in rows]


def _uncorrected(cohort: Cohort) -> Iterator[RegionRow]:
    for region in cohort.places("region", HEALTHY):
        for name in cohort.maps:
            x, y = (cohort.means("region", [region], name, m) for m in (TRAINED, ROUTINE))
            row = title(region, name)
            yield RegionRow(
                row=row,
                map=name,
                region=region,
                n=len(x),
                variation=if_enough(row, statistics.variation, x, y),
                test=if_enough(row, statistics.paired_t, x, y),
                percent={
                    m: own_percent(row, cohort.means("region", [region], name, m), y)
                    for m in (FAST, *cohort.methods)
                },
                p_holm=None,
                paper=published.TABLE_2.get((region, name)),
            )


def region_table(cohort: Cohort) -> Iterator[Table]:
    """Table 2; the paper's numbers under ours."""
    rows = cohort.rows(region_rows)
    holm = [row.p_holm for row in rows if row.p_holm is not None]
    below = sum(p < ALPHA for p in holm)
    corrected = (
        f"; {below} of them stay below .05 after Holm’s correction (p_holm in tables.csv)"
        if holm
        else ""
    )
    columns = [Column("region", align="l"), Column("n")]
    for name in maps_of(rows):
        heads = ("trained", "routine", "between", "P")
        columns += [Column(head, group=spec_of(name).label) for head in heads]
    lines = []
    for region in dict.fromkeys(row.region for row in rows):
        mine = [row for row in rows if row.region == region]
        cells: list[Cell] = [region.replace("_", " ").capitalize(), str(mine[0].n)]
        lines.append(Line([*cells, *(cell for row in mine for cell in _cells(row))]))
    yield Table(
        name="region_means",
        title="Table 2",
        caption="Coefficients of variation (CV, %) of region means, n healthy subjects, left and "
        f"right together; below ours the paper’s (n = {published.N_HEALTHY}). Among subjects: SD "
        "over subjects divided by their mean. Between: SD of a subject’s two values (trained, "
        "routine) divided by their mean, averaged over subjects. P: paired t-test, trained against "
        f"routine, not corrected for {len(rows)} comparisons{corrected}.",
        columns=columns,
        groups=[Group(lines)],
    )


def _cells(row: RegionRow) -> list[Cell]:
    v, paper = row.variation, row.paper
    if v is None or row.test is None:
        return [NO_TEST, "", "", ""]
    ours = [Num(x) for x in (v.test, v.reference, v.between)] + [Num(row.test.p, p=True)]
    if paper is None:
        return list(ours)
    theirs: list[Num | str] = [Num(x) for x in (paper.network, paper.routine, paper.between)]
    theirs.append(paper.p)
    return [(mine, Styled("sub paper", part)) for mine, part in zip(ours, theirs, strict=True)]


@styled
def forest(cohort: Cohort) -> Markup:
    """Per region the mean difference from routine in percent and its 90 % interval, and margins."""
    rows = [row for row in cohort.rows(region_rows) if row.percent[TRAINED]]
    regions, maps = list(dict.fromkeys(row.region for row in rows)), maps_of(rows)
    names = [region.replace("_", " ") for region in regions]
    label = "Difference from routine of every region with its 90 % interval, against the margins"
    plot = Plot(height_inch=1.9 + 0.19 * len(regions), label=label)
    for i, (name, axes) in enumerate(zip(maps, plot.panels(len(maps)), strict=True)):
        mine = {regions.index(row.region): row.percent for row in rows if row.map == name}
        axes.set_title(spec_of(name).label)
        axes.set_xlabel("difference from routine (%)")
        axes.set_yticks(range(len(names)), names if not i else [])
        axes.set_ylim(len(regions) - 0.3, -0.7)
        _forest_panel(plot, axes, mine, [f"{place} {spec_of(name).label}" for place in names])
        if not i:
            plot.figure.legend(loc="outside upper left", ncols=3)
    return plot.svg()


def _forest_panel(
    plot: Plot, axes: Axes, rows: Mapping[int, Mapping[str, Equivalence | None]], places: list[str]
) -> None:
    """One map: trained below bicubic at the height of each region."""
    groups: dict[str, list[Mark]] = {"shown": [], "not shown": [], BICUBIC: []}
    reaches = []
    for i, percent in rows.items():
        for method, shift in ((BICUBIC, 0.2), (TRAINED, -0.14)):
            result = percent[method]
            assert result is not None  # both methods have the same subjects
            low, high = result.interval.low, result.interval.high
            says = (
                f"{places[i]}, {name_of(method)} − routine: {_signed(result.difference)} % (90 % "
                f"interval {_signed(low)} to {_signed(high)} %), n = {result.n}"
            )
            mark = Mark(result.difference, i + shift, says, (result.difference, low, high))
            key = "shown" if result.equivalent else "not shown"
            groups[BICUBIC if method == BICUBIC else key].append(mark)
            reaches += [abs(low), abs(high)]
    reach = max(WINDOW_PERCENT, min(1.05 * max(reaches), WIDEST_PERCENT))
    axes.set_xlim(-reach, reach)
    margin = published.MARGIN_PERCENT
    axes.axvspan(-margin, margin, color="#d9ead3", lw=0, zorder=0)
    axes.axvline(0.0, color="0.5", lw=0.8, ls=":")
    for key, shape, colour, label in (
        ("shown", "dot", BLUE, "trained, interval inside the margins"),
        ("not shown", "dot", VERMILION, "trained, equivalence not shown"),
        (BICUBIC, "ring", BROWN, "bicubic"),
    ):
        marks = groups[key]
        ends = [m.values[1] for m in marks], [m.values[2] for m in marks]
        axes.hlines([m.y for m in marks], *ends, color=colour, lw=1.3)
        plot.draw(axes, marks, shape=shape, colour=colour, label=label)


def _signed(value: float) -> str:
    return number(value, 2, signed=True)


def plots(cohort: Cohort) -> dict[str, object]:
    """The forest plot, where there are enough subjects."""
    whole = any(row.percent[TRAINED] for row in cohort.rows(region_rows))
    return {"forest": forest(cohort) if whole else None, "margin": published.MARGIN_PERCENT}


SECTION = Section(Path(__file__), "Regions", {"regions": region_rows}, region_table, plots)
